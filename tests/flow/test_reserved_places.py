"""Reserved places on the record: a queue over several people, places of the site or by count, nobody gets one twice."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.app.practice import practice_of
from service.domain.decide import decide_all
from service.domain.vocabulary import PathwayId, Reference
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.references import identifier_values
from service.flow.practice import Practice
from service.flow.reconcile import reconcile
from service.pathways.library import load_library
from tests.fakes import ManualClock
from tests.fhir.r4 import check_r4

DENVER = ZoneInfo("America/Denver")
MAPPINGS = Path(__file__).parents[2] / "mappings"
MIDDLE = PathwayId("protected-middle-step")
REQUEST_KIND = "https://throughline.example/fhir/CodeSystem/request-kind"
SERVICE_KIND = "https://throughline.example/fhir/CodeSystem/service-kind"


@pytest.fixture(scope="module")
def practice() -> Practice:
    library = load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))
    made = practice_of(library, zone=DENVER, base_url="", accountable=Reference("Practitioner/boss"))
    return Practice(
        pathways={MIDDLE: made.pathways[MIDDLE]},
        catalogue=made.catalogue,
        types=made.types,
        ever=made.ever,
        lookback=made.lookback,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def record(clock) -> InMemoryRecord:
    record = InMemoryRecord(clock)
    record.put({"resourceType": "Practitioner", "id": "boss", "name": [{"text": "Ines Marchetti"}]})
    return record


def asks(record, who: str, *, priority: str = "routine", at: str = "2026-03-06T09:00:00-07:00") -> Reference:
    """Somebody's request for the middle step, from a higher level."""
    record.put({"resourceType": "Patient", "id": who, "name": [{"text": who.title()}]})
    record.put(
        {
            "resourceType": "ServiceRequest",
            "id": f"request-{who}",
            "status": "active",
            "intent": "order",
            "priority": priority,
            "subject": {"reference": f"Patient/{who}"},
            "authoredOn": at,
            "code": {"coding": [{"system": REQUEST_KIND, "code": "middle-step-down"}]},
        }
    )
    return Reference(f"Patient/{who}")


def schedule(record, *slots: str) -> None:
    service = {"serviceType": [{"coding": [{"system": SERVICE_KIND, "code": "middle-step"}]}]}
    record.put({"resourceType": "Schedule", "id": "middle", "actor": [{"display": "Middle step"}], **service})
    for number, status in enumerate(slots, start=1):
        record.put(
            {
                "resourceType": "Slot",
                "id": f"slot-{number}",
                "schedule": {"reference": "Schedule/middle"},
                "status": status,
                "start": f"2026-03-1{number}T09:00:00-06:00",
                "end": f"2026-04-1{number}T09:00:00-06:00",
                "comment": "Tuesday group",
            }
        )


def look(person, record, practice, clock, **more) -> None:
    for _ in range(5):
        if not reconcile(person, record=record, practice=practice, now=clock.now(), **more).writes:
            return
    raise AssertionError("it does not settle")


def slots(record) -> dict[str, str]:
    """Slot id -> the person whose enrolment holds it, or its status."""
    found = {}
    for each in record.everything():
        if each["resourceType"] == "Slot":
            holder = next(iter(identifier_values(each, systems.PLACE_HOLDER)), "")
            found[each["id"]] = holder.rpartition("request-")[2] if holder else each["status"]
    return found


def plan(record, who: str) -> dict:
    (found,) = [
        each
        for each in record.everything()
        if each["resourceType"] == "CarePlan" and each["subject"]["reference"] == f"Patient/{who}"
        and identifier_values(each, systems.ENROLMENT)
    ]  # fmt: skip
    return found


def in_queue(record, who: str) -> dict[str, object]:
    extensions = [e for e in plan(record, who)["extension"] if e["url"] == systems.IN_QUEUE]
    return {part["url"]: list(part.values())[1] for e in extensions for part in e["extension"]}


def test_a_site_without_a_schedule_gets_the_places_of_the_file_once(record, practice, clock):
    look(asks(record, "ana"), record, practice, clock)
    look(asks(record, "ben"), record, practice, clock)

    assert sorted(slots(record).values()) == ["ana", "ben", "free", "free", "free", "free"]
    assert len([each for each in record.everything() if each["resourceType"] == "Schedule"]) == 1


def test_what_is_written_about_places_is_valid_r4(record, practice, clock):
    look(asks(record, "ana"), record, practice, clock)

    for each in record.everything():
        if each["resourceType"] in {"Slot", "Schedule", "CarePlan", "Task"}:
            check_r4(each)


def test_a_place_of_the_site_is_given_and_everything_else_on_it_stays(record, practice, clock):
    schedule(record, "busy", "free")
    look(asks(record, "ana"), record, practice, clock)

    assert slots(record) == {"slot-1": "busy", "slot-2": "ana"}
    given = record.read(Reference("Slot/slot-2"))
    assert (given["status"], given["comment"], given["start"]) == (
        "busy",
        "Tuesday group",
        "2026-03-12T09:00:00-06:00",
    )


def test_whoever_is_more_urgent_comes_first_and_then_whoever_asked_first(record, practice, clock):
    schedule(record, "busy")
    look(asks(record, "ana"), record, practice, clock)
    clock.move(hours=1)
    look(asks(record, "ben"), record, practice, clock)
    clock.move(hours=1)
    look(asks(record, "cora", priority="asap"), record, practice, clock)
    for who in ("ana", "ben"):
        look(Reference(f"Patient/{who}"), record, practice, clock)

    places = {who: in_queue(record, who)["position"] for who in ("cora", "ana", "ben")}
    assert places == {"cora": 1, "ana": 2, "ben": 3}
    assert "number 2 of 3 in the queue" in plan(record, "ana")["text"]["div"]


def test_a_place_that_comes_free_goes_to_the_front_of_the_queue_only(record, practice, clock):
    schedule(record, "busy")
    look(asks(record, "ana"), record, practice, clock)
    clock.move(hours=1)
    look(asks(record, "ben"), record, practice, clock)
    record.put({**record.read(Reference("Slot/slot-1")), "status": "free"})

    look(Reference("Patient/ben"), record, practice, clock)
    assert slots(record) == {"slot-1": "free"}, "it is not the second one's turn"
    look(Reference("Patient/ana"), record, practice, clock)

    assert slots(record) == {"slot-1": "ana"}


def test_whoever_waits_is_looked_at_again_before_long(record, practice, clock):
    schedule(record, "busy")
    ana = asks(record, "ana")
    look(ana, record, practice, clock)

    again = reconcile(ana, record=record, practice=practice, now=clock.now())
    assert again.next_due_at is not None
    assert again.next_due_at <= clock.now() + timedelta(minutes=30)


def test_two_who_race_for_the_last_place_do_not_both_get_it(record, practice, clock):
    schedule(record, "free")
    people = [asks(record, who) for who in ("ana", "ben")]

    def both_have_decided(pathways, seen, now):
        decisions = decide_all(pathways, seen, now)
        if any(decision.taken for decision in decisions) and not raced:
            raced.append(True)
            other = next(p for p in people if p != seen.person)
            look(other, record, practice, clock)
        return decisions

    raced: list[bool] = []
    look(people[0], record, practice, clock, decide=both_have_decided)
    for person in people:
        look(person, record, practice, clock)

    assert raced
    assert len([who for who in slots(record).values() if who in {"ana", "ben"}]) == 1


def test_many_at_once_share_out_the_places_and_none_is_given_twice(record, practice, clock):
    schedule(record, "free", "free", "free")
    people = [asks(record, f"p{number}") for number in range(6)]
    workers = [Thread(target=look, args=(person, record, practice, clock)) for person in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for person in people:
        look(person, record, practice, clock)

    holders = [who for who in slots(record).values() if who not in {"free", "busy"}]
    assert len(holders) == 3
    assert len(set(holders)) == 3


def test_the_place_goes_back_when_the_pathway_is_over(record, practice, clock):
    ana = asks(record, "ana")
    look(ana, record, practice, clock)
    assert "ana" in slots(record).values()

    record.put({**record.read(Reference("ServiceRequest/request-ana")), "status": "revoked"})
    look(ana, record, practice, clock)

    assert set(slots(record).values()) == {"free"}
    assert not [e for e in plan(record, "ana")["extension"] if e["url"] == systems.IN_QUEUE]
    given_back = [each for each in record.everything() if each["resourceType"] == "Slot"]
    assert not [e for each in given_back for e in each.get("extension", [])], "it says nothing about anybody"


def test_a_slot_whose_time_is_over_is_no_place(record, practice, clock):
    schedule(record, "free")
    record.put({**record.read(Reference("Slot/slot-1")), "end": "2026-03-01T09:00:00-07:00",
                "start": "2026-02-01T09:00:00-07:00"})  # fmt: skip
    look(asks(record, "ana"), record, practice, clock)

    assert slots(record) == {"slot-1": "free"}
    assert in_queue(record, "ana")["position"] == 1
