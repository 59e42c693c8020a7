"""Two records of one person become one: what is open follows them, its owners hear of it, and nothing begins twice."""

from __future__ import annotations

from datetime import date, timedelta
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
from service.pathways.library import load_library
from service.ports import Capabilities, RecordUnavailable
from tests.fakes import ManualClock
from tests.fhir.r4 import check_r4

MAPPINGS = Path(__file__).parents[1] / "app" / "mappings"
DENVER = ZoneInfo("America/Denver")
OLD, NEW, NEWEST = Reference("Patient/old"), Reference("Patient/new"), Reference("Patient/newest")
ROLE = "https://throughline.example/fhir/CodeSystem/role"


@pytest.fixture(scope="module")
def library():
    return load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))


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
        for _ in range(30):
            if not waiting:
                return
            done = self.look(waiting[0])
            waiting += [each for each in done.elsewhere if each not in waiting]
            if not done.writes:
                waiting.pop(0)
        raise AssertionError("does not settle")

    def links(self, old: Reference, new: Reference, *, both: bool = True) -> None:
        """As a merge leaves two Patients; `both` say so, or only the one that was merged."""
        replaced = {"other": {"reference": new}, "type": "replaced-by"}
        self.record.put({**self.record.read(old), "active": False, "link": [replaced]})
        if both:
            before = self.record.read(new)
            link = [*before.get("link", []), {"other": {"reference": old}, "type": "replaces"}]
            self.record.put({**before, "link": link})

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

    def told(self) -> list[tuple[str, str]]:
        """(whom, first line) of each Communication about a move."""
        moves = [c for c in self.all("Communication") if "/moved/" in identifier_values(c, systems.NOTICE)[0]]
        return [
            (c["recipient"][0]["display"], c["payload"][0]["contentString"].split("\n")[0]) for c in moves
        ]


@pytest.fixture
def hospital(library) -> Hospital:
    found = Hospital(library)
    found.settles(OLD)
    assert found.whose() == {OLD}
    return found


MOVED = "the record Patient/old was merged into Patient/new: both are of one person"


@pytest.mark.parametrize(("both", "first"), [(True, OLD), (True, NEW), (False, OLD)])
def test_open_work_moves_to_the_record_that_stays_with_the_reason_and_its_owner_is_told(
    hospital, both, first
):
    """Whichever is looked at first; where only the one that was merged says so, it is the one that is looked at."""
    hospital.links(OLD, NEW, both=both)
    hospital.settles(first)

    assert hospital.whose() == {NEW}
    [task], [plan] = hospital.tasks(), hospital.all("CarePlan")
    assert [note["text"] for note in task["note"]] == [MOVED]
    assert [note["text"] for note in plan["note"]] == [MOVED]
    assert task["status"] == "requested"
    assert hospital.told() == [
        ("Cora Benitez", f"{task['code']['text']}: this stands in another record of the same person now.")
    ]
    for resource in (task, plan, *hospital.all("Communication"), *hospital.all("Provenance")):
        check_r4(resource)


def test_it_moves_once_and_then_nothing_is_written_for_either(hospital):
    hospital.links(OLD, NEW)
    hospital.settles(OLD)
    before = hospital.record.everything()
    for person in (OLD, NEW, OLD):
        assert hospital.look(person).writes == 0
    assert hospital.record.everything() == before


def test_whoever_was_merged_is_counted_where_they_are_now(library):
    """What is kept about how people stand comes from the last look that wrote nothing."""
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.links(OLD, NEW)
    hospital.settles(OLD)

    left, stays = hospital.look(OLD), hospital.look(NEW)
    assert (left.writes, left.seen is not None and left.seen.follow_ups) == (0, ())
    assert stays.seen is not None
    assert len(stays.seen.follow_ups) == 1


def test_whoever_was_merged_is_looked_at_where_they_are_now(hospital):
    hospital.links(OLD, NEW)

    assert hospital.look(OLD).elsewhere == (NEW,)
    assert hospital.look(OLD).next_due_at is None
    assert hospital.look(NEW).elsewhere == ()


def test_the_clocks_go_on_as_they_were(hospital):
    [before] = hospital.tasks()
    due = hospital.look(OLD).next_due_at
    hospital.clock.move(hours=1)
    hospital.links(OLD, NEW)
    hospital.settles(OLD)

    [task] = hospital.tasks()
    assert task["restriction"] == before["restriction"]
    assert hospital.look(NEW).next_due_at == due
    hospital.clock.move(hours=5)
    hospital.settles(NEW)
    assert [e["subject"]["reference"] for e in hospital.all("CarePlan")] == [
        NEW,
        NEW,
    ]  # silence escalates there


def test_an_escalation_under_way_moves_too_and_whoever_was_asked_is_told(hospital):
    hospital.clock.move(hours=5)
    hospital.settles(OLD)
    assert len(hospital.all("CarePlan")) == 2
    hospital.links(OLD, NEW)
    hospital.settles(OLD)

    assert hospital.whose() == {NEW}
    assert len(hospital.told()) == 2
    before = hospital.record.everything()
    assert hospital.look(NEW).writes == 0
    assert hospital.record.everything() == before


def test_a_stay_that_still_stands_under_the_old_record_ends_and_counts_as_before(hospital):
    hospital.links(OLD, NEW)
    hospital.settles(OLD)
    stay = hospital.record.read(Reference("Encounter/stay"))
    hospital.record.put({**stay, "status": "entered-in-error"})
    hospital.settles(NEW)

    assert {task["status"] for task in hospital.tasks()} == {"cancelled"}


def test_a_record_server_that_carries_everything_over_by_itself_begins_nothing_twice(hospital):
    for task in hospital.tasks():
        hospital.record.put({**task, "for": {"reference": NEW}})
    for plan in hospital.all("CarePlan"):
        hospital.record.put({**plan, "subject": {"reference": NEW}})
    hospital.put_under(NEW, "Encounter/stay")
    hospital.links(OLD, NEW)
    hospital.settles(OLD, NEW)

    assert (len(hospital.tasks()), len(hospital.all("CarePlan"))) == (1, 1)
    assert hospital.told() == []


def test_a_pathway_that_had_ended_does_not_begin_again_under_the_record_that_stays(hospital):
    hospital.contacted(OLD)
    hospital.settles(OLD)
    assert [plan["status"] for plan in hospital.all("CarePlan")] == ["completed"]
    hospital.links(OLD, NEW)
    hospital.put_under(NEW, "Encounter/stay")
    hospital.settles(OLD, NEW)

    assert [plan["status"] for plan in hospital.all("CarePlan")] == ["completed"]
    assert len(hospital.tasks()) == 1


def test_a_merge_of_a_merge_is_followed_to_its_end(hospital):
    hospital.links(OLD, NEW)
    hospital.settles(OLD)
    hospital.links(NEW, NEWEST)
    hospital.settles(NEW)

    assert hospital.whose() == {NEWEST}
    hospital.clock.move(hours=1)
    stay = hospital.record.read(Reference("Encounter/stay"))  # still under the first of the three
    hospital.record.put({**stay, "status": "cancelled"})
    hospital.settles(NEWEST)
    assert {task["status"] for task in hospital.tasks()} == {"cancelled"}


def test_links_in_a_circle_or_into_nowhere_move_nobody_and_care_goes_on(hospital, caplog):
    hospital.links(OLD, NEW, both=False)
    hospital.links(NEW, OLD, both=False)
    hospital.settles(OLD, NEW)
    assert hospital.whose() == {OLD}
    assert "a merged record leads nowhere; care goes on where it is (Ambiguous)" in caplog.messages

    hospital.links(OLD, Reference("Patient/gone"), both=False)
    hospital.clock.move(hours=5)
    hospital.settles(OLD)
    assert len(hospital.all("CarePlan")) == 2  # silence escalates as ever


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_cut_off_at_any_write_leaves_a_move_that_the_next_one_finishes(library, atomic, moment):
    def begun() -> Hospital:
        found = Hospital(library, capabilities=Capabilities(atomic_transactions=atomic))
        found.settles(OLD)
        found.clock.move(hours=5)
        found.settles(OLD)
        found.links(OLD, NEW)
        return found

    whole = begun()
    start = whole.record.writes
    whole.settles(OLD)
    for number in range(start + 1, whole.record.writes + 1):

        def dies(n, number=number):
            if n == number:
                raise RecordUnavailable("The test cut the connection.")

        hospital = begun()
        hospital.record.faults = Faults(**{moment: dies})
        with pytest.raises(RecordUnavailable):
            hospital.settles(OLD)
        hospital.record.faults = Faults()
        hospital.settles(OLD)
        assert hospital.whose() == {NEW}
        assert sorted(hospital.told()) == sorted(whole.told())
        assert len(hospital.tasks()) == len(whole.tasks())


def test_work_that_is_closed_moves_without_a_word(hospital):
    hospital.contacted(OLD)
    hospital.settles(OLD)
    hospital.links(OLD, NEW)
    hospital.settles(OLD)

    assert hospital.whose() == {NEW}
    assert hospital.told() == []


def test_when_its_owner_last_answered_is_still_known_after_the_move(hospital):
    [task] = hospital.tasks()
    accepted_at = hospital.clock.now() + timedelta(minutes=30)
    hospital.record.put({**task, "status": "accepted", "lastModified": accepted_at.isoformat()})
    hospital.clock.move(hours=2)
    hospital.settles(OLD)
    hospital.links(OLD, NEW)
    hospital.settles(OLD)

    [moved] = hospital.tasks()
    marks = next(e for e in moved["extension"] if e["url"] == systems.STATUS_SINCE)["extension"]
    since = next(part["valueDateTime"] for part in marks if part["url"] == "since")
    assert (moved["status"], since) == ("accepted", accepted_at.isoformat())
