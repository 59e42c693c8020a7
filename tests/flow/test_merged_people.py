"""Two records of one person become one: what is open follows them, its owners hear of it, and nothing begins twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.domain.vocabulary import Reference
from service.fhir import systems
from service.ports import Capabilities
from tests.fhir.r4 import check_r4
from tests.flow.two_records import NEW, NEWEST, OLD, Hospital, cut_off, loaded_library


@pytest.fixture(scope="module")
def library():
    return loaded_library()


@pytest.fixture
def hospital(library) -> Hospital:
    found = Hospital(library)
    found.settles(OLD)
    assert found.whose() == {OLD}
    return found


MOVED = "the record Patient/old was merged into Patient/new: both are of one person"


@pytest.mark.parametrize(("said_by", "first"), [("both", OLD), ("both", NEW), ("old", OLD), ("new", NEW)])
def test_open_work_moves_to_the_record_that_stays_with_the_reason_and_its_owner_is_told(
    hospital, said_by, first
):
    """Whichever is looked at first; where only one of them says so, it is the one that is looked at."""
    hospital.links(OLD, NEW, said_by=said_by)
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


@pytest.mark.parametrize("said_by", ["both", "old", "new"])
def test_what_begins_under_a_record_that_was_merged_away_before_begins_under_the_one_that_stays(
    library, said_by
):
    """However the server links them: a discharge that begins nothing would be the gap that all this is about."""
    hospital = Hospital(library)
    hospital.links(OLD, NEW, said_by=said_by)
    hospital.settles(OLD, NEW)

    assert hospital.whose() == {NEW}
    assert len(hospital.tasks()) == 1
    hospital.clock.move(hours=5)
    hospital.settles(NEW)
    assert [plan["subject"]["reference"] for plan in hospital.all("CarePlan")] == [NEW, NEW]
    stay = hospital.record.read(Reference("Encounter/stay"))
    hospital.record.put({**stay, "status": "cancelled"})
    hospital.settles(NEW)
    assert {task["status"] for task in hospital.tasks()} == {"cancelled"}


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
    hospital.links(OLD, NEW, said_by="old")
    hospital.links(NEW, OLD, said_by="old")
    hospital.settles(OLD, NEW)
    assert hospital.whose() == {OLD}
    assert "a merged record leads nowhere; care goes on where it is (Ambiguous)" in caplog.messages

    hospital.links(OLD, Reference("Patient/gone"), said_by="old")
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
    whole.settles(OLD)
    for hospital in cut_off(begun, OLD, moment):
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
