"""A hospital that has several records of one person, or thinks so, and a site that follows up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.adapters.memory_record import Faults, InMemoryRecord
from service.app.practice import practice_of, role_codes
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.references import identifier_values
from service.flow.directory import KeptDirectory
from service.flow.reconcile import Reconciled, reconcile
from service.pathways.library import Library, load_library
from service.ports import RecordUnavailable
from tests.fakes import ManualClock

MAPPINGS = Path(__file__).parents[1] / "app" / "mappings"
DENVER = ZoneInfo("America/Denver")
OLD, NEW, NEWEST = Reference("Patient/old"), Reference("Patient/new"), Reference("Patient/newest")
ROLE = "https://throughline.example/fhir/CodeSystem/role"


def loaded_library() -> Library:
    return load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))


def cut_off(begun: Callable[[], Hospital], looked_at: Reference, moment: str) -> Iterator[Hospital]:
    """A hospital for each write of a look at that person, in which the worker was cut off `moment` (before, after) it."""
    whole = begun()
    start = whole.record.writes
    whole.settles(looked_at)
    for number in range(start + 1, whole.record.writes + 1):

        def dies(n: int, number: int = number) -> None:
            if n == number:
                raise RecordUnavailable("The test cut the connection.")

        hospital = begun()
        hospital.record.faults = Faults(**{moment: dies})
        with pytest.raises(RecordUnavailable):
            hospital.settles(looked_at)
        hospital.record.faults = Faults()
        yield hospital


class Hospital:
    """Somebody has two records; a stay that ended stands under the old one."""

    def __init__(self, library, **more) -> None:
        self.library, self.clock = library, ManualClock()
        self.record = InMemoryRecord(self.clock, **more)
        self.practice = practice_of(
            library, zone=DENVER, base_url="", accountable=Reference("Practitioner/boss")
        )
        self.record.put({"resourceType": "Practitioner", "id": "boss", "name": [{"text": "Ines Marchetti"}]})
        self.record.put({"resourceType": "Practitioner", "id": "cora", "name": [{"text": "Cora Benitez"}]})
        role = {"coding": [{"system": ROLE, "code": "coordinator"}]}
        cora = {"reference": "Practitioner/cora"}
        self.record.put(
            {
                "resourceType": "PractitionerRole",
                "id": "cora",
                "active": True,
                "practitioner": cora,
                "code": [role],
            }
        )
        for person in (OLD, NEW, NEWEST):
            self.record.put({"resourceType": "Patient", "id": person.partition("/")[2]})
        self.record.put(
            {
                "resourceType": "Encounter",
                "id": "stay",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": {"reference": OLD},
                "period": {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"},
            }
        )  # fmt: skip

    def look(self, person: Reference) -> Reconciled:
        directory = KeptDirectory(self.record, role_codes(self.library), monotonic=lambda: 0.0)
        return reconcile(
            person,
            record=self.record,
            practice=self.practice,
            now=self.clock.now(),
            directory=directory.people,
        )

    def settles(self, *people: Reference) -> None:
        """As the worker does: look until nothing is written, and then where care goes on."""
        waiting = list(people)
        for _ in range(60):
            if not waiting:
                return
            done = self.look(waiting[0])
            waiting += [each for each in (*done.elsewhere, *done.others) if each not in waiting]
            if not done.writes:
                waiting.pop(0)
        raise AssertionError("does not settle")

    def links(self, old: Reference, new: Reference, *, said_by: str = "both") -> None:
        """As a merge leaves two Patients; both say so, or only the `old` one, or only the `new` one."""
        if said_by != "new":
            replaced = {"other": {"reference": new}, "type": "replaced-by"}
            self.record.put({**self.record.read(old), "active": False, "link": [replaced]})
        if said_by != "old":
            before = self.record.read(new)
            link = [*before.get("link", []), {"other": {"reference": old}, "type": "replaces"}]
            self.record.put({**before, "link": link})

    def parts(self, *people: Reference) -> None:
        """As a merge that is taken back leaves these Patients, one after the other."""
        for person in people:
            kept = {name: value for name, value in self.record.read(person).items() if name != "link"}
            self.record.put({**kept, "active": True})

    def put_under(self, person: Reference, reference: str) -> None:
        """The record server carries a resource over by itself."""
        self.record.put({**self.record.read(Reference(reference)), "subject": {"reference": person}})

    def contacted(self, person: Reference) -> None:
        """As the coordinator completes the follow-up, whoever it is about."""
        [task] = self.tasks()
        changed = {"status": "completed", "lastModified": self.clock.now().isoformat()}
        self.record.put({**task, **changed, "for": {"reference": person}})

    def all(self, kind: str) -> list[dict]:
        return [dict(r) for r in self.record.everything() if r["resourceType"] == kind]

    def tasks(self) -> list[dict]:
        return [t for t in self.all("Task") if identifier_values(t, systems.FOLLOW_UP)]

    def whose(self) -> set[str]:
        """Whose our work is."""
        plans = {plan["subject"]["reference"] for plan in self.all("CarePlan")}
        return plans | {task["for"]["reference"] for task in self.tasks()}

    def told(self, why: str = "moved") -> list[tuple[str, str]]:
        """(whom, first line) of each Communication about a move."""
        moves = [
            c for c in self.all("Communication") if f"/{why}/" in identifier_values(c, systems.NOTICE)[0]
        ]
        return [
            (c["recipient"][0]["display"], c["payload"][0]["contentString"].split("\n")[0]) for c in moves
        ]
