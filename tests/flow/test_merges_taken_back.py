"""Two people were taken for one, or something was recorded about the wrong one: each has their own work again."""

from __future__ import annotations

import pytest

from service.domain.vocabulary import Reference
from service.fhir import systems
from service.ports import Capabilities, RecordRefused
from tests.fhir.r4 import check_r4
from tests.flow.two_records import NEW, NEWEST, OLD, Hospital, cut_off, loaded_library

STAY = "Encounter/stay"
BACK = "what began this is about Patient/old by now, not about Patient/new: they are two people"


@pytest.fixture(scope="module")
def library():
    return loaded_library()


@pytest.fixture
def merged(library) -> Hospital:
    """Taken for one person by mistake; the stay still stands under the old record."""
    found = Hospital(library)
    found.settles(OLD)
    found.links(OLD, NEW)
    found.settles(OLD)
    assert found.whose() == {NEW}
    return found


@pytest.mark.parametrize("woken", [(OLD, NEW), (NEW, OLD), (OLD,), (NEW,)])
def test_when_a_merge_is_taken_back_the_work_stands_under_the_person_it_is_about(merged, woken):
    """Whichever change is heard of first, or alone."""
    merged.parts(OLD, NEW)
    merged.settles(*woken)

    [task], [plan] = merged.tasks(), merged.all("CarePlan")
    assert merged.whose() == {OLD}
    assert (task["status"], plan["status"]) == ("requested", "active")
    assert [note["text"] for note in task["note"]][-1] == BACK
    assert merged.told("returned") == [
        ("Cora Benitez", f"{task['code']['text']}: this stands in the record of another person now.")
    ]
    for resource in (task, plan, *merged.all("Communication"), *merged.all("Provenance")):
        check_r4(resource)


def test_what_was_said_to_people_goes_with_it_so_that_the_other_record_holds_none_of_it(merged):
    merged.parts(OLD, NEW)
    merged.settles(NEW)

    assert {each["subject"]["reference"] for each in merged.all("Communication")} == {OLD}


def test_as_long_as_either_record_says_so_it_is_one_person(merged):
    before = merged.record.everything()
    for person in (OLD, NEW):
        kept = dict(merged.record.read(person))
        merged.parts(person)
        merged.settles(OLD, NEW)
        assert merged.whose() == {NEW}
        merged.record.put(kept)
    assert len(merged.record.everything()) == len(before)


def test_afterwards_each_is_looked_at_for_themselves_and_nothing_more_is_written(merged):
    merged.parts(OLD, NEW)
    merged.settles(NEW)

    before = merged.record.everything()
    assert [merged.look(person).writes for person in (OLD, NEW, OLD)] == [0, 0, 0]
    assert merged.look(NEW).next_due_at is None
    assert merged.look(OLD).next_due_at is not None
    assert merged.record.everything() == before


def test_a_stay_that_began_while_they_were_one_goes_to_whom_it_is_about(library):
    hospital = Hospital(library)
    hospital.links(OLD, NEW)
    hospital.settles(OLD, NEW)
    assert hospital.whose() == {NEW}

    hospital.parts(OLD, NEW)
    hospital.settles(NEW)
    assert hospital.whose() == {OLD}


def test_a_stay_that_the_server_carried_over_stays_until_it_is_carried_back(library):
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.links(OLD, NEW)
    hospital.put_under(NEW, STAY)
    hospital.settles(OLD)
    hospital.parts(OLD, NEW)
    hospital.settles(OLD, NEW)
    assert hospital.whose() == {NEW}

    hospital.put_under(OLD, STAY)
    hospital.settles(OLD)  # the change of the stay names nobody else
    assert hospital.whose() == {OLD}


def test_silence_escalates_where_the_work_stands_now(merged):
    merged.parts(OLD, NEW)
    merged.settles(NEW)
    merged.clock.move(hours=5)
    merged.settles(OLD, NEW)

    assert [plan["subject"]["reference"] for plan in merged.all("CarePlan")] == [OLD, OLD]


def test_an_escalation_that_was_raised_there_comes_along_whole(merged):
    merged.clock.move(hours=5)
    merged.settles(NEW)
    said = len(merged.all("Communication"))
    merged.parts(OLD, NEW)
    merged.settles(NEW)

    assert merged.whose() == {OLD}
    assert {each["subject"]["reference"] for each in merged.all("Communication")} == {OLD}
    assert (
        len(merged.all("Communication")) == said + 2
    )  # both owners hear of the move; nothing else is said again
    assert merged.look(OLD).writes == 0


def test_whoever_closed_a_follow_up_there_is_asked_for_whom_it_was_done(merged):
    merged.clock.move(minutes=10)
    merged.contacted(NEW)
    merged.settles(NEW)
    merged.parts(OLD, NEW)
    merged.settles(NEW)

    [(whom, words)] = merged.told("returned")
    assert (whom, "this was done while it stood in the record of another person" in words) == (
        "Cora Benitez",
        True,
    )
    urgent = [each for each in merged.all("Communication") if each["priority"] == "urgent"]
    assert "it is still to be done" in urgent[0]["payload"][0]["contentString"]


def test_what_was_closed_before_the_merge_was_done_for_the_right_person_and_returns_without_a_word(library):
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.contacted(OLD)
    hospital.settles(OLD)
    hospital.clock.move(minutes=10)
    hospital.links(OLD, NEW)
    hospital.settles(OLD)
    hospital.parts(OLD, NEW)
    hospital.settles(NEW)

    assert hospital.whose() == {OLD}
    assert hospital.told("returned") == []


def test_merged_taken_back_and_merged_again_tells_each_time(merged):
    merged.parts(OLD, NEW)
    merged.settles(NEW)
    merged.links(OLD, NEW)
    merged.settles(OLD)

    assert merged.whose() == {NEW}
    assert (len(merged.told("moved")), len(merged.told("returned"))) == (2, 1)


def test_of_three_that_were_one_those_that_still_are_stay_together(merged):
    merged.links(NEW, NEWEST)
    merged.settles(NEW)
    assert merged.whose() == {NEWEST}
    stays = dict(merged.record.read(NEW))
    stays["link"] = [link for link in stays["link"] if link["type"] == "replaces"]
    merged.parts(NEWEST)
    merged.record.put({**stays, "active": True})
    merged.settles(NEWEST)
    assert merged.whose() == {NEW}

    stay = merged.record.read(Reference(STAY))  # still under the first of the three
    merged.record.put({**stay, "status": "cancelled"})
    merged.settles(NEW)
    assert {task["status"] for task in merged.tasks()} == {"cancelled"}


# --- recorded about the wrong person


@pytest.mark.parametrize("woken", [(OLD, NEW), (NEW,)])
def test_a_stay_that_was_recorded_about_the_wrong_person_takes_its_work_to_the_right_one(library, woken):
    """The notification of the stay names only whom it is about now."""
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.put_under(NEW, STAY)
    hospital.settles(*woken)

    assert hospital.whose() == {NEW}
    assert len(hospital.tasks()) == 1
    assert len(hospital.told("returned")) == 1
    hospital.clock.move(hours=5)
    hospital.settles(OLD, NEW)
    assert hospital.whose() == {NEW}  # silence escalates there


def test_a_pathway_that_had_ended_goes_to_the_right_person_too_and_does_not_begin_again(library):
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.contacted(OLD)
    hospital.settles(OLD)
    hospital.put_under(NEW, STAY)
    hospital.settles(NEW)

    assert hospital.whose() == {NEW}
    assert len(hospital.told("returned")) == 1  # whoever called is asked whom they called
    assert hospital.look(NEW).writes == 0


def test_when_the_record_does_not_say_clearly_whose_it_is_a_person_has_to_look(library):
    """Nothing is guessed, and it is refused rather than tried for ever."""
    hospital = Hospital(library)
    hospital.settles(OLD)
    hospital.put_under(NEW, STAY)
    plan = hospital.all("CarePlan")[0]
    anchor = next(e for e in plan["extension"] if e["url"] == systems.ENROLMENT_ANCHOR)
    anchor["valueReference"] = {"reference": "Encounter/another"}
    hospital.record.put(plan)

    with pytest.raises(RecordRefused, match="does not say clearly whose it is"):
        hospital.settles(NEW)


# --- whatever happens in between


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("woken", [OLD, NEW])
def test_a_worker_cut_off_at_any_write_leaves_a_return_that_the_next_one_finishes(
    library, atomic, moment, woken
):
    def begun() -> Hospital:
        found = Hospital(library, capabilities=Capabilities(atomic_transactions=atomic))
        found.links(OLD, NEW)
        found.settles(OLD)
        found.clock.move(hours=5)
        found.settles(NEW)
        found.parts(OLD, NEW)
        return found

    whole = begun()
    whole.settles(woken)
    for hospital in cut_off(begun, woken, moment):
        hospital.settles(OLD, NEW)
        assert hospital.whose() == {OLD}
        assert sorted(hospital.told("returned")) == sorted(whole.told("returned"))
        assert len(hospital.tasks()) == len(whole.tasks())
