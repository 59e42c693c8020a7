"""Whoever is asked is asked by name, also when the record only refers to them; the names cost at most one request."""

import logging
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import InMemoryRecord
from service.app.practice import practice_of
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.flow.reconcile import reconcile
from service.pathways.library import load_library
from service.ports import Capabilities, RecordRefused, RecordUnavailable, Search, Write
from tests.builders import a_practitioner, an_encounter, coded
from tests.fakes import HOUSE_NOW, ManualClock

MAPPINGS = Path(__file__).parents[1] / "app" / "mappings"
DENVER = ZoneInfo("America/Denver")
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


@pytest.fixture(scope="module")
def practice():
    """Nobody is configured to be accountable, so the last resort is whom the record names."""
    library = load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))
    return practice_of(library, zone=DENVER, base_url="")


class Counted(InMemoryRecord):
    """Counts the requests of a look, and those for people; `failure` is the answer to these."""

    requests = 0
    for_people = 0
    failure: Exception | None = None

    def search(self, search):
        self.requests += 1
        return super().search(search)

    def search_all(self, searches):
        self.requests += 1
        if {search.kind for search in searches} == {"Practitioner"}:
            self.for_people += 1
            if self.failure is not None:
                raise self.failure
        return [list(super(Counted, self).search(search)) for search in searches]


def stay(attending=None, person="Patient/ada", **more):
    participants = [] if attending is None else [
        {"type": [coded(PARTICIPATION, "ATND")], "individual": {"reference": attending}}
    ]  # fmt: skip
    ended = {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"}
    return an_encounter("stay", subject={"reference": person}, participant=participants, period=ended, **more)


@pytest.fixture
def record():
    record = Counted(ManualClock())
    record.put({"resourceType": "Patient", "id": "ada", "generalPractitioner": [{"reference": "Practitioner/gil"}]})  # fmt: skip
    record.put(a_practitioner("atti", "Atti", "Vance"))
    record.put(a_practitioner("gil", "Gil", "Moreau"))
    return record


@pytest.fixture
def look(practice):
    return lambda record, **more: reconcile(
        Reference("Patient/ada"), record=record, practice=replace(practice, **more), now=HOUSE_NOW
    )


def call(record):
    [task] = [
        r for r in record.everything() if r["resourceType"] == "Task" and "call" in str(r["identifier"])
    ]
    return task


def test_the_attending_of_the_stay_owns_by_name_and_the_narrative_says_it(look, record):
    record.put(stay("Practitioner/atti"))
    look(record)
    assert call(record)["owner"] == {"reference": "Practitioner/atti", "display": "Atti Vance"}
    told = [r["text"]["div"] for r in record.everything() if "text" in r]
    assert sum("Atti Vance" in words for words in told) >= 2  # the enrolment and the follow-up
    assert not [words for words in told if "Practitioner/" in words]


def test_without_an_attending_the_general_practitioner_owns_by_name(look, record):
    record.put(stay())
    look(record)
    assert call(record)["owner"] == {"reference": "Practitioner/gil", "display": "Gil Moreau"}


def test_an_attending_who_has_left_is_passed_over_for_the_next_by_name(look, record):
    record.put(a_practitioner("atti", "Atti", "Vance", active=False))
    record.put(stay("Practitioner/atti"))
    look(record)
    assert call(record)["owner"] == {"reference": "Practitioner/gil", "display": "Gil Moreau"}
    assert record.for_people == 2
    assert look(record).writes == 0


def test_names_cost_one_request_and_only_where_something_is_written(look, record):
    look(record)  # nothing begins a pathway: nobody has to be asked
    assert (record.requests, record.for_people) == (2, 0)
    record.put(stay("Practitioner/atti"))
    look(record)
    assert (record.requests, record.for_people) == (2 + 3, 1)


def test_looking_again_writes_nothing_and_still_costs_at_most_one_request_more(look, record):
    record.put(stay("Practitioner/atti"))
    look(record)
    before = record.requests
    assert look(record).writes == 0
    assert record.requests - before <= 3


def test_somebody_whom_the_server_does_not_have_owns_by_reference_and_is_asked_for_once_per_look(
    look, record
):
    record.put(stay("Practitioner/ghost"))
    look(record)
    assert call(record)["owner"] == {"reference": "Practitioner/ghost", "display": "Practitioner/ghost"}
    assert record.for_people == 1
    assert look(record).writes == 0


def test_a_server_that_refuses_to_show_its_staff_leaves_nobody_without_an_owner(look, record, caplog):
    record.put(stay("Practitioner/atti"))
    record.failure = RecordRefused("no", status=403)
    with caplog.at_level(logging.WARNING):
        look(record)
    assert call(record)["owner"]["reference"] == "Practitioner/atti"
    assert caplog.messages == ["owners go by their reference: the record refused to show them (403)"]


def test_a_server_that_does_not_answer_is_asked_again_later(look, record):
    record.put(stay("Practitioner/atti"))
    record.failure = RecordUnavailable("down")
    with pytest.raises(RecordUnavailable):
        look(record)
    assert not [r for r in record.everything() if r["resourceType"] == "Task"]


def test_on_a_real_server_the_attending_owns_by_name(practice, sandbox):
    with FhirClient(sandbox.base_url) as client:
        record = HttpFhirRecord(client, Capabilities())

        def put(resource):
            body = {k: v for k, v in resource.items() if k not in {"id", "meta"}}
            return record.create(Write(resource=body, full_url=f"urn:uuid:{uuid4()}")).reference

        attending = put(a_practitioner("x", "Atti", "Vance"))
        person = put({"resourceType": "Patient"})
        put(stay(attending, person))
        here = replace(practice, catalogue=replace(practice.catalogue, base_url=sandbox.base_url))

        reconcile(person, record=record, practice=here, now=HOUSE_NOW + timedelta(minutes=1))

        tasks = [
            r
            for r in record.search(Search(kind="Task", params=(("patient", person),)))
            if "/call/" in str(r["identifier"])
        ]
        assert {(t["owner"]["reference"], t["owner"]["display"]) for t in tasks} == {
            (attending, "Atti Vance")
        }
        assert (
            reconcile(person, record=record, practice=here, now=HOUSE_NOW + timedelta(minutes=1)).writes == 0
        )
