"""The main job on a FHIR server of yours: `make test-live FHIR=<base url>`, let in by the same settings as Throughline.

A bearer token, client credentials or a key for SMART Backend Services, a private authority: THROUGHLINE_FHIR_AUTH_… and the
others of docs/connecting.md. Everything it creates is about one made-up person of its own, and is deleted at the end,
also after a failure; what the server keeps all the same is named in a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from service.adapters.fhir.client import Request
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.app.practice import practice_of
from service.app.settings import load_settings
from service.app.wiring import make_client
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.references import identifier_values
from service.fhir.searches import person_searches
from service.flow.practice import Practice
from service.flow.reconcile import reconcile
from service.pathways.library import load_library
from service.ports import NotInRecord, RecordFailure, Resource, Search, Write

pytestmark = pytest.mark.live

PATHWAY = "post-discharge-coordination"
MAPPINGS = Path(__file__).parents[2] / "mappings"
KINDS = frozenset({"Encounter", "Condition", "CareTeam", "CarePlan", "Task", "Communication"})
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Person:
    """A made-up person on the live server."""

    record: HttpFhirRecord
    practice: Practice
    patient: Reference
    practitioner: Reference
    encounter: Reference

    def look(self, at: datetime) -> int:
        """Reconcile until nothing is left to write; how many resources were written."""
        return sum(
            reconcile(self.patient, record=self.record, practice=self.practice, now=at).writes
            for _ in range(3)
        )

    def ours(self, kind: str, system: str) -> dict[str, Resource]:
        found = self.record.search(Search(kind=kind, params=(("patient", self.patient),)))
        return {value: resource for resource in found for value in identifier_values(resource, system)}


@pytest.fixture
def person() -> Iterator[Person]:
    base = os.environ["THROUGHLINE_LIVE_FHIR"]
    with make_client(load_settings(fhir_base_url=base)) as client:
        record = HttpFhirRecord(client, probe(client).capabilities)
        made: list[str] = []
        try:
            yield _arranged(record, base, made)
        finally:
            _clean_up(record, made)


def _arranged(record: HttpFhirRecord, base: str, made: list[str]) -> Person:
    run = uuid4().hex
    identifier = [{"system": "https://throughline.example/live-test", "value": run}]

    def put(resource: dict[str, object]) -> Reference:
        condition = f"identifier=https://throughline.example/live-test|{run}"
        write = Write(resource=resource, full_url=f"urn:uuid:{uuid4()}", create_if_none=condition)
        reference = record.create(write).reference
        made.append(reference)
        return reference

    practitioner = put(
        {"resourceType": "Practitioner", "identifier": identifier, "name": [{"text": "Live Test Clinician"}]}
    )
    patient = put(
        {"resourceType": "Patient", "identifier": identifier, "name": [{"text": "Live Test Person"}]}
    )
    encounter = put(
        {
            "resourceType": "Encounter",
            "identifier": identifier,
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "type": [{"text": "Inpatient stay"}],
            "subject": {"reference": patient},
            "period": {"start": (NOW - timedelta(days=5)).isoformat(), "end": NOW.isoformat()},
            "participant": [{"individual": {"reference": practitioner}}],
            "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2"}]}],
        }
    )
    library = load_library(MAPPINGS, StrictPathCompiler(zone=UTC, base=base), today=NOW.date())
    only = {name: p for name, p in library.pathways.items() if name == PATHWAY}
    practice = practice_of(library, zone=UTC, base_url=base, accountable=practitioner)
    return Person(
        record=record,
        practice=replace(practice, pathways=only),
        patient=patient,
        practitioner=practitioner,
        encounter=encounter,
    )


def _clean_up(record: HttpFhirRecord, made: list[str]) -> None:
    """Those that refer to others go first: some servers keep what is still referred to."""
    patient = next((r for r in made if r.startswith("Patient/")), None)
    found: list[str] = []
    with suppress(RecordFailure):
        if patient is not None:
            searches = person_searches(Reference(patient), KINDS, NOW - timedelta(days=40), ever=KINDS)
            found += _references(record, [s for s in searches if s.kind in KINDS])
        targets = [r for r in found if r.startswith(("CarePlan/", "Task/"))]
        found += _references(record, [Search(kind="Provenance", params=(("target", r),)) for r in targets])
    left = sorted({*found, *made}, key=lambda reference: ORDER.index(reference.split("/")[0]))
    if not _deleted_together(record, left):
        left = [reference for reference in left if not _deleted(record, reference)]
        # Those that referred to each other: once more, now that some are gone.
        left = [reference for reference in left if not _deleted(record, reference)]
        if left:
            warnings.warn(
                f"The server kept these of the test: {', '.join(left)}. Delete them by hand.", stacklevel=1
            )


ORDER = (
    "Provenance", "Communication", "Task", "CarePlan", "CareTeam", "Condition", "Encounter", "Patient", "Practitioner",
)  # fmt: skip


def _deleted_together(record: HttpFhirRecord, references: list[str]) -> bool:
    """In one transaction, which lets resources go that refer to each other."""
    entries = [{"request": {"method": "DELETE", "url": reference}} for reference in references]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    with suppress(RecordFailure):
        answer = record.client.send(
            Request(method="POST", url=record.client.base.url, doing="POST transaction", body=body)
        )
        return answer.good and not any(_is_there(record, reference) for reference in references)
    return False


def _deleted(record: HttpFhirRecord, reference: str) -> bool:
    kind = reference.split("/", maxsplit=1)[0]
    with suppress(RecordFailure):
        record.client.send(
            Request(method="DELETE", url=record.client.base.below(reference), doing=f"DELETE {kind}")
        )
        return not _is_there(record, reference)
    return False


def _is_there(record: HttpFhirRecord, reference: str) -> bool:
    try:
        record.read(Reference(reference))
    except NotInRecord:
        return False
    return True


def _references(record: HttpFhirRecord, searches: list[Search]) -> list[str]:
    return [f"{r['resourceType']}/{r['id']}" for found in record.search_all(searches) for r in found]


def test_a_discharge_becomes_owned_follow_up_and_silence_becomes_escalation(person: Person) -> None:
    assert person.look(NOW) > 0
    plans = person.ours("CarePlan", systems.ENROLMENT)
    tasks = person.ours("Task", systems.FOLLOW_UP)
    contact = tasks[f"{PATHWAY}/{person.encounter}/contact-person/1"]

    assert list(plans) == [f"{PATHWAY}/{person.encounter}"]
    assert contact["owner"]["reference"] == person.practitioner
    assert contact["restriction"]["period"]["end"]

    person.look(NOW + timedelta(days=4))
    escalations = person.ours("CarePlan", systems.ESCALATION)
    notices = person.ours("Communication", systems.NOTICE)

    about_contact = f"{PATHWAY}/{person.encounter}/contact-person/1/"
    assert [key for key in escalations if key.startswith(about_contact)]
    assert [key for key in notices if key.startswith(about_contact)]


def test_looking_again_writes_nothing(person: Person) -> None:
    person.look(NOW)

    assert person.look(NOW) == 0
