"""One person, once: what is written, what a second look writes, and what races and crashes change about it."""

import json
import logging
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from service.adapters.memory_record import Faults, InMemoryRecord
from service.app.practice import practice_of, role_codes
from service.domain.decide import decide_all
from service.domain.due import Unit, Within
from service.domain.follow_up_task import DueIn
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.flow.directory import KeptDirectory
from service.flow.reconcile import TRIES, reconcile
from service.pathways.library import load_library
from service.ports import Capabilities, NotInRecord, RecordRefused, RecordUnavailable
from tests.fakes import HOUSE_NOW, ManualClock

MAPPINGS = Path(__file__).parents[1] / "app" / "mappings"
DENVER = ZoneInfo("America/Denver")
ANA = Reference("Patient/ana")
ROLE = "https://throughline.example/fhir/CodeSystem/role"
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "stay",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/ana", "display": "Ana Secret"},
    "period": {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"},
}


@pytest.fixture(scope="module")
def library():
    compiler = StrictPathCompiler(zone=DENVER)
    library = load_library(MAPPINGS, compiler, today=date(2026, 3, 6))
    assert library.problems == ()
    return library


@pytest.fixture(scope="module")
def practice(library):
    return practice_of(library, zone=DENVER, base_url="", accountable=Reference("Practitioner/boss"))


@pytest.fixture
def clock():
    return ManualClock()


def hospital(clock, **more):
    record = InMemoryRecord(clock, **more)
    record.put({"resourceType": "Practitioner", "id": "boss", "name": [{"text": "Ines Marchetti"}]})
    record.put({"resourceType": "Practitioner", "id": "cora", "name": [{"text": "Cora Benitez"}]})
    record.put(
        {
            "resourceType": "PractitionerRole",
            "id": "cora",
            "active": True,
            "practitioner": {"reference": "Practitioner/cora"},
            "code": [{"coding": [{"system": ROLE, "code": "coordinator"}]}],
        }
    )
    record.put({"resourceType": "Patient", "id": "ana", "name": [{"text": "Ana Secret"}]})
    record.put(ENCOUNTER)
    return record


@pytest.fixture
def record(clock):
    return hospital(clock)


@pytest.fixture
def look(practice, library, clock):
    """Reconcile Ana once."""

    def look(record, **more):
        directory = KeptDirectory(record, role_codes(library), monotonic=lambda: 0.0)
        given = {"practice": practice, "directory": directory.people, **more}
        return reconcile(ANA, record=record, now=clock.now(), **given)

    return look


def kinds(record):
    """What Throughline has written, by type."""
    ours = ("CarePlan", "Task", "Communication", "Provenance")
    return sorted(r["resourceType"] for r in record.everything() if r["resourceType"] in ours)


def test_a_discharge_begins_an_enrolment_with_an_owned_follow_up_and_says_when_to_look_again(look, record):
    done = look(record)
    assert kinds(record) == ["CarePlan", "Provenance", "Task"]
    assert done.writes == 3
    assert done.next_due_at == HOUSE_NOW + timedelta(hours=4)


def test_what_was_written_is_handed_out_with_the_versions_that_stand_in_the_record(look, record):
    done = look(record)
    ours = [r for r in record.everything() if r["resourceType"] in {"CarePlan", "Task", "Provenance"}]
    assert {(each.reference, each.version) for each in done.written} == {
        (f"{r['resourceType']}/{r['id']}", r["meta"]["versionId"]) for r in ours
    }
    assert look(record).written == ()


def test_looking_again_without_a_change_writes_nothing(look, record):
    look(record)
    before = record.writes
    done = look(record)
    assert (done.writes, record.writes) == (0, before)
    assert done.next_due_at == HOUSE_NOW + timedelta(hours=4)


def test_silence_past_a_due_time_escalates_once(look, record, clock):
    look(record)
    clock.move(hours=5)
    look(record)
    look(record)
    assert kinds(record).count("Communication") == 1


@pytest.mark.parametrize("lost", ["deleted", "unreadable"])
def test_a_lower_rung_that_cannot_be_read_any_more_is_not_raised_again_for_ever(record, look, clock, lost):
    look(record)
    for _ in range(2):
        clock.move(hours=4)
        look(record)
    [first] = [r for r in record.everything() if r["resourceType"] == "Task" and rung_of(r) == 1]
    assert [rung_of(r) for r in record.everything() if r["resourceType"] == "Task"].count(2) == 1
    if lost == "deleted":
        record.delete(Reference(f"Task/{first['id']}"))
    else:
        record.put({**first, "status": "of another world"})
    assert [look(record).writes for _ in range(3)] == [0, 0, 0]


def rung_of(task):
    """Which rung a response Task answers; 0 for any other Task."""
    value = task["identifier"][0]["value"]
    return int(value.rsplit("/", 1)[1]) if value.count("/") == 6 else 0


def test_somebody_else_writing_in_between_is_read_and_decided_upon_again(look, record, clock):
    look(record)
    clock.move(hours=5)
    meddled: list[int] = []

    def decide_while_somebody_writes(*arguments):
        decisions = decide_all(*arguments)
        if not meddled:
            meddled.append(1)
            [plan] = [r for r in record.everything() if r["resourceType"] == "CarePlan"]
            record.put({**plan, "note": [{"text": "seen"}]})
        return decisions

    done = look(record, decide=decide_while_somebody_writes)
    assert done.tries == 2
    assert kinds(record).count("Communication") == 1


def test_somebody_else_writing_every_time_is_left_for_later(look, record, clock):
    look(record)
    clock.move(hours=5)

    notes = count()

    def decide_while_somebody_always_writes(*arguments):
        decisions = decide_all(*arguments)
        note = {"text": f"again {next(notes)}"}
        for plan in [r for r in record.everything() if r["resourceType"] == "CarePlan"]:
            record.put({**plan, "note": [note]})
        return decisions

    with pytest.raises(RecordUnavailable, match=f"{TRIES} times"):
        look(record, decide=decide_while_somebody_always_writes)


def with_a_second_pathway(practice):
    [first] = practice.pathways.values()
    second = replace(first, id=PathwayId("zz-second"))
    return replace(practice, pathways={first.id: first, second.id: second})


def written_for(record, pathway):
    return {
        r["resourceType"]
        for r in record.everything()
        if any(each["value"].startswith(f"{pathway}/") for each in r.get("identifier", ()))
    }


@pytest.mark.parametrize("atomic", [True, False])
def test_what_is_refused_on_one_pathway_does_not_keep_the_person_from_the_others(practice, clock, atomic):
    class Refusing(InMemoryRecord):
        def create(self, write):
            if "after-discharge/" in str(write.create_if_none):
                raise RecordRefused("POST: the server refused.", status=422)
            return super().create(write)

        def transact(self, writes):
            if any("after-discharge/" in str(write.create_if_none) for write in writes):
                raise RecordRefused("POST: the server refused.", status=422)
            return super().transact(writes)

    record = hospital(clock, capabilities=Capabilities(atomic_transactions=atomic))
    record.__class__ = Refusing
    with pytest.raises(RecordRefused, match="the server refused"):
        reconcile(ANA, record=record, practice=with_a_second_pathway(practice), now=HOUSE_NOW)
    assert written_for(record, "after-discharge") == set()
    assert {"CarePlan", "Task"} <= written_for(record, "zz-second")


@pytest.mark.parametrize("atomic", [True, False])
def test_a_pathway_that_is_held_up_does_not_keep_the_person_from_other_pathways(
    look, practice, clock, atomic
):
    """The stay is about somebody else by now, and what it began says that it began with something else."""
    record = hospital(clock, capabilities=Capabilities(atomic_transactions=atomic))
    look(record)
    record.put({"resourceType": "Patient", "id": "bea"})
    record.put({**ENCOUNTER, "subject": {"reference": "Patient/bea"}})
    for plan in [dict(each) for each in record.everything() if each["resourceType"] == "CarePlan"]:
        record.put(
            json.loads(json.dumps(plan).replace("Encounter/stay", "Encounter/of-nobody"))
            | {"identifier": plan["identifier"]}
        )
    with pytest.raises(RecordRefused, match="does not say clearly whose it is"):
        reconcile(
            Reference("Patient/bea"),
            record=record,
            practice=with_a_second_pathway(practice),
            now=HOUSE_NOW,
        )
    assert {"CarePlan", "Task"} <= written_for(record, "zz-second")


def test_a_follow_up_older_than_the_look_back_is_still_seen_while_its_enrolment_runs(look, record, clock):
    look(record)
    clock.move(days=45)
    look(record)
    look(record)
    assert [r["status"] for r in record.everything() if r["resourceType"] == "Task"].count("requested") >= 1
    assert len({json.dumps(r["identifier"]) for r in record.everything() if "identifier" in r}) == len(
        [r for r in record.everything() if "identifier" in r]
    )


def test_of_a_long_stay_the_record_is_read_from_its_beginning(look, record, clock):
    """An observation on admission, ninety days before the discharge, belongs to what is asked about the stay."""
    clock.move(days=-90)
    record.put({"resourceType": "Task", "id": "old", "status": "completed", "for": {"reference": ANA}})
    clock.at = HOUSE_NOW
    stay = {"start": "2025-12-06T16:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"}
    record.put({**ENCOUNTER, "period": stay})
    look(record)
    seen: list[str] = []

    def decide_and_show(pathways, person, now):
        seen.extend(fact.reference for fact in person.facts)
        return decide_all(pathways, person, now)

    look(record, decide=decide_and_show)
    assert "Task/old" in seen


def test_an_enrolment_whose_beginning_was_deleted_ends_with_that_reason(look, record):
    look(record)
    record.delete(Reference("Encounter/stay"))
    [decision] = look(record).decisions
    assert (
        decision.enrolment.ended_reason == "the resource that began this pathway was deleted from the record"
    )


def test_an_enrolment_whose_beginning_is_hidden_from_us_goes_on(look, record, clock, practice):
    class Hiding(InMemoryRecord):
        def read(self, reference):
            raise NotInRecord("no", status=404)

        def search(self, search):
            return (r for r in super().search(search) if r["resourceType"] != "Encounter")

    look(record)
    record.__class__ = Hiding
    [decision] = look(record).decisions
    assert decision.enrolment.status == "active"


def test_a_pathway_that_is_gone_from_the_mappings_is_told_not_forgotten(record, practice, look):
    look(record)
    without = type(practice)(pathways={}, catalogue=practice.catalogue, types=practice.types)
    done = reconcile(ANA, record=record, practice=without, now=HOUSE_NOW)
    assert done.not_followed == ("after-discharge 2026.1.0",)
    assert (done.writes, done.decisions) == (0, ())


def quicker(practice):
    """The next version of the pathway: everything is due within an hour; `earlier` keeps the one before or not."""
    [first] = practice.pathways.values()
    hour = Within(count=1, unit=Unit.HOURS)
    stages = tuple(
        replace(s, tasks=tuple(replace(t, accept_within=hour, due_in=DueIn(otherwise=hour)) for t in s.tasks))
        for s in first.stages
    )
    next_one = replace(first, version="2026.2.0", stages=stages)
    return replace(practice, pathways={first.id: next_one}, earlier=(replace(first, current=False),))


def test_who_is_on_an_earlier_version_is_followed_by_it_and_named_by_it(look, record, practice, clock):
    look(record)
    clock.move(hours=2)
    done = look(record, practice=quicker(practice))
    assert (done.writes, done.not_followed) == (0, ())
    [decision] = done.decisions
    assert decision.enrolment.pathway_version == "2026.1.0"
    assert decision.next_due_at == HOUSE_NOW + timedelta(hours=4)


def test_an_earlier_version_writes_under_its_own_name(look, record, practice, clock):
    look(record)
    clock.move(hours=5)
    assert look(record, practice=quicker(practice)).writes > 0
    said = {
        c for r in record.everything() for c in (*r.get("instantiatesCanonical", ()), *r.get("policy", ()))
    }
    assert said == {"https://throughline.example/fhir/PlanDefinition/after-discharge|2026.1.0"}


def test_an_enrolment_on_a_version_that_is_not_kept_is_left_as_it_is_and_named(look, record, practice, clock):
    look(record)
    clock.move(hours=5)
    done = look(record, practice=replace(quicker(practice), earlier=()))
    assert (done.writes, done.not_followed) == (0, ("after-discharge 2026.1.0",))


def test_one_line_is_logged_per_decision_with_nothing_about_the_person(look, record, caplog):
    with caplog.at_level(logging.DEBUG, logger="service"):
        look(record)
        look(record)
    wrote, settled = caplog.records
    assert (wrote.getMessage(), settled.getMessage()) == ("decided", "nothing to write")
    assert (wrote.levelno, settled.levelno) == (logging.INFO, logging.DEBUG)
    shown = str(vars(wrote)) + str(vars(settled))
    for secret in ("ana", "Ana", "stay", "Cora"):
        assert secret not in shown


@pytest.mark.parametrize("atomic", [True, False])
def test_a_crash_at_any_write_is_finished_by_the_next_look(look, clock, atomic):
    """Before or after each write of two decisions in turn; the record ends as if nothing had happened."""

    def story(faults=None):
        clock.at = HOUSE_NOW
        record = hospital(clock, capabilities=Capabilities(atomic_transactions=atomic))
        record.faults = faults or Faults()
        for hours in (0, 5):
            clock.at = HOUSE_NOW + timedelta(hours=hours)
            for _ in range(4):
                try:
                    look(record)
                except RecordUnavailable:
                    continue
        return record

    whole = story()
    assert len(whole.everything()) > 5

    for nth in range(1, whole.writes + 1):
        for moment in ("before", "after"):

            def fail(n, nth=nth):
                if n == nth:
                    raise RecordUnavailable("cut off")

            crashed = story(Faults(**{moment: fail}))
            assert kinds(crashed).count("Task") == kinds(whole).count("Task")
            assert kinds(crashed).count("CarePlan") == kinds(whole).count("CarePlan")
            assert kinds(crashed).count("Communication") == kinds(whole).count("Communication")
            assert look(crashed).writes == 0


def test_two_workers_on_one_person_at_once_do_not_do_it_twice(look, clock):
    for _ in range(10):
        record = hospital(clock)
        workers = [Thread(target=look, args=(record,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        look(record)
        assert kinds(record).count("CarePlan") == 1
        assert kinds(record).count("Task") == 1
