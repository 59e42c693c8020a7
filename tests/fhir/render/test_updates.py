"""An update starts from the resource as read: what others wrote stays, only the elements named change."""

from __future__ import annotations

import copy

import pytest

from service.domain.intents import Decision
from service.domain.vocabulary import FollowUpStatus, PlanStatus, Priority, Reference, Timeliness
from tests.builders import a_task_answer
from tests.fhir.decisions import LATER, NOW, SAM, a_change, an_enrolment, an_escalation
from tests.fhir.r4 import at, check_r4, words
from tests.fhir.render.stories import RESTRICTED, enrolled, escalated, writes_of

TASK = Reference("Task/1")
PLAN = Reference("CarePlan/1")
FOREIGN_EXTENSION = {"url": "https://ehr.example/worklist", "valueString": "north"}
FOREIGN_NOTE = {"text": "Left a message", "time": "2026-03-07T09:00:00-07:00"}
OURS_TO_CHANGE = {
    "status",
    "owner",
    "businessStatus",
    "lastModified",
    "note",
    "text",
    "extension",
    "statusReason",
}


def changed(change, shelf):
    """The Task as one change leaves it."""
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="1"), write_enrolment=False, changes=(change,)
    )
    write = writes_of(decision, shelf)[0]
    check_r4(write.resource)
    return dict(write.resource)


def edited(**elements):
    """The follow-up after another system has added to it."""
    shelf = enrolled()
    shelf.by_reference[TASK] = {**shelf.by_reference[TASK], **elements}
    return shelf


def test_elements_of_other_systems_survive_a_change():
    shelf = edited(note=[FOREIGN_NOTE], location={"reference": "Location/north"}, _status={"id": "s1"})
    shelf.by_reference[TASK]["extension"].append(FOREIGN_EXTENSION)
    before = copy.deepcopy(shelf.by_reference[TASK])

    after = changed(a_change(timeliness=Timeliness.OVERDUE), shelf)

    same = set(before) - OURS_TO_CHANGE
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["note"] == [FOREIGN_NOTE]
    assert FOREIGN_EXTENSION in after["extension"]
    assert shelf.by_reference[TASK] == before, "what was read is not changed under its reader"


def test_only_the_named_elements_and_the_times_change():
    shelf = enrolled()
    before = shelf.by_reference[TASK]

    after = changed(a_change(priority=Priority.STAT), shelf)

    different = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert different == {"priority", "lastModified", "extension", "text"}


def test_an_overdue_follow_up_is_only_said_to_be_overdue():
    after = changed(a_change(timeliness=Timeliness.OVERDUE), enrolled())

    assert after["status"] == "requested"
    assert after["businessStatus"]["coding"][0]["code"] == "overdue"
    assert after["lastModified"] == "2026-03-09T15:00:00-06:00"


def test_the_sites_own_business_status_stays_beside_ours():
    theirs = {"system": "https://ehr.example/queue", "code": "q7"}
    shelf = edited(businessStatus={"coding": [theirs], "text": "Queue 7"})

    after = changed(a_change(timeliness=Timeliness.OVERDUE), shelf)

    assert theirs in after["businessStatus"]["coding"]


def test_saying_overdue_does_not_move_the_time_of_what_the_owner_did():
    shelf = enrolled()
    accepted = "2026-03-06T18:00:00-07:00"
    shelf.by_reference[TASK] = a_task_answer(
        shelf.by_reference[TASK], status="accepted", at=accepted, records={"contact-attempts": "1"}
    )

    shelf.by_reference[TASK] = changed(a_change(timeliness=Timeliness.OVERDUE), shelf)
    follow_up = shelf.read().follow_ups[0]

    assert follow_up.changed_at.isoformat() == accepted
    assert follow_up.recorded[0].at.isoformat() == accepted


def test_an_answer_after_our_own_change_counts_from_when_it_was_given():
    shelf = enrolled()
    shelf.by_reference[TASK] = changed(a_change(timeliness=Timeliness.OVERDUE), shelf)
    done = "2026-03-09T17:00:00-06:00"

    shelf.by_reference[TASK] = a_task_answer(
        shelf.by_reference[TASK], at=done, records={"contact-attempts": "2"}
    )
    follow_up = shelf.read().follow_ups[0]

    assert follow_up.status is FollowUpStatus.COMPLETED
    assert follow_up.changed_at.isoformat() == done
    assert follow_up.recorded[0].at.isoformat() == done


@pytest.mark.parametrize("after_our_change", [False, True])
def test_a_system_that_leaves_last_modified_as_we_wrote_it_does_not_make_a_late_completion_look_early(
    after_our_change,
):
    shelf = enrolled()
    if after_our_change:
        shelf.by_reference[TASK] = changed(a_change(timeliness=Timeliness.OVERDUE), shelf)
    task = shelf.by_reference[TASK]
    touched = {"versionId": "9", "lastUpdated": "2026-03-12T09:00:00-06:00"}

    shelf.by_reference[TASK] = {**task, "status": "completed", "meta": touched}

    assert shelf.read().follow_ups[0].changed_at.isoformat() == "2026-03-12T09:00:00-06:00"


def test_a_completion_found_on_the_record_counts_from_then_and_keeps_the_evidence():
    seen_at = NOW.replace(hour=15)
    change = a_change(
        status=FollowUpStatus.COMPLETED,
        found=Reference("Encounter/44"),
        changed_at=NOW.replace(hour=17),
        because="Seen",
    )
    shelf = edited(output=[{"type": {"text": "Their own"}, "valueString": "kept"}])

    after = changed(change, shelf)
    shelf.by_reference[TASK] = after
    follow_up = shelf.read().follow_ups[0]

    assert seen_at < follow_up.changed_at == NOW.replace(hour=17)
    assert after["output"][0]["valueString"] == "kept"
    assert after["output"][1]["valueReference"] == {"reference": "Encounter/44"}
    assert after["statusReason"]["text"] == "Seen"


def test_evidence_is_listed_once():
    change = a_change(status=FollowUpStatus.COMPLETED, found=Reference("Encounter/44"))
    shelf = enrolled()
    shelf.by_reference[TASK] = changed(change, shelf)

    assert len(changed(change, shelf)["output"]) == 1


def test_a_closing_reason_is_added_to_what_others_said():
    shelf = edited(
        statusReason={"text": "On leave", "coding": [{"system": "https://ehr.example/why", "code": "L"}]}
    )

    after = changed(a_change(status=FollowUpStatus.CANCELLED, because="Readmitted"), shelf)

    assert after["statusReason"]["text"] == "On leave; Readmitted"
    assert after["statusReason"]["coding"] == [{"system": "https://ehr.example/why", "code": "L"}]


def test_a_new_owner_does_not_inherit_the_last_ones_reason_and_it_is_not_lost():
    shelf = edited(status="rejected", statusReason={"text": "No capacity this week"})

    after = changed(
        a_change(owner=SAM, status=FollowUpStatus.REQUESTED, because="Moved to the supervisor"), shelf
    )

    assert after["owner"] == {"reference": "Practitioner/sam", "display": "Sam Okafor"}
    assert "statusReason" not in after
    assert after["note"][0]["text"] == "Moved to the supervisor (before that: No capacity this week)"


def test_several_changes_of_one_task_become_one_fenced_write():
    changes = (a_change(timeliness=Timeliness.OVERDUE), a_change(priority=Priority.STAT))
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="1"), write_enrolment=False, changes=changes
    )

    task, _trail = writes_of(decision, enrolled())

    assert task.if_match == "1"
    assert task.resource["priority"] == "stat"
    assert task.resource["businessStatus"]["coding"][0]["code"] == "overdue"


def test_a_narrative_with_somebodys_own_words_is_left_alone():
    words = {
        "status": "additional",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Call after five</p></div>',
    }

    after = changed(a_change(timeliness=Timeliness.OVERDUE), edited(text=words))

    assert after["text"] == words


def test_last_modified_is_never_turned_back():
    after = changed(a_change(timeliness=Timeliness.ON_TRACK, changed_at=NOW.replace(year=2025)), enrolled())

    assert after["lastModified"] == "2026-03-06T16:30:00-07:00"


def test_labels_rise_on_an_update_and_never_fall():
    shelf = enrolled()
    normal = {"system": RESTRICTED["system"], "code": "N"}
    very = {"system": RESTRICTED["system"], "code": "V"}
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="1"), write_enrolment=False, changes=(a_change(),)
    )

    lower = writes_of(decision, shelf, labels=[normal])[0].resource["meta"]["security"]
    higher = writes_of(decision, shelf, labels=[very])[0].resource["meta"]["security"]

    assert {each["code"] for each in lower} == {"R", "42CFRPart2"}
    assert {each["code"] for each in higher} == {"V", "42CFRPart2"}


def test_what_others_added_to_the_enrolment_plan_stays():
    shelf = enrolled()
    goal, activity = (
        {"reference": "Goal/1"},
        {"detail": {"status": "scheduled", "description": "Choir on Tuesdays"}},
    )
    before = shelf.by_reference[PLAN]
    before |= {"goal": [goal], "extension": [*before["extension"], FOREIGN_EXTENSION]}
    before["activity"] = [activity, *before["activity"]]
    before["activity"][1]["progress"] = [{"text": "Called twice"}]
    decision = Decision(enrolment=an_enrolment(reference=PLAN, version="1", revision=2), write_enrolment=True)

    after = writes_of(decision, shelf)[-1].resource

    check_r4(after)
    assert after["goal"] == [goal]
    assert after["activity"] == before["activity"]
    assert after["extension"][-1] == FOREIGN_EXTENSION
    assert sum(each["url"].endswith("/revision") for each in after["extension"]) == 1


def test_what_is_no_longer_missing_leaves_the_plan():
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="1", missing=(), unmet_gates=(), variances=()),
        write_enrolment=True,
    )

    after = writes_of(decision, enrolled())[-1].resource

    urls = {each["url"].rsplit("/", 1)[1] for each in after["extension"]}
    assert urls == {"enrolment-anchor", "stage", "stage-reached", "stage-entry", "revision"}


def test_support_that_somebody_reported_on_keeps_their_word_when_the_plan_closes():
    shelf = escalated()
    plan = shelf.by_reference[Reference("CarePlan/2")]
    plan["activity"][0]["detail"]["status"] = "completed"
    closing = an_escalation(
        reference=Reference("CarePlan/2"), version="1", status=PlanStatus.COMPLETED, changed_at=LATER
    )
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="2"), write_enrolment=False, escalations=(closing,)
    )

    after = writes_of(decision, shelf)[0].resource

    check_r4(after)
    assert list(at(dict(after), "activity.detail.status")) == ["completed", "unknown"]
    assert after["period"]["end"] == "2026-03-09T15:00:00-06:00"


def test_a_closing_plan_keeps_who_was_asked_to_act():
    closing = an_escalation(
        reference=Reference("CarePlan/2"),
        version="1",
        status=PlanStatus.COMPLETED,
        addressed_to=(),
        support=(),
        respond_by=None,
        because="The person was reached",
    )
    decision = Decision(
        enrolment=an_enrolment(reference=PLAN, version="2"), write_enrolment=False, escalations=(closing,)
    )

    after = writes_of(decision, escalated())[0].resource

    check_r4(after)
    assert after["author"]["display"] == "Sam Okafor"
    assert [each["display"] for each in after["contributor"]] == ["Sam Okafor"]
    assert "Try the emergency contact" in words(after)


def test_asking_another_owner_starts_the_status_anew():
    shelf = enrolled()

    shelf.by_reference[TASK] = changed(a_change(owner=SAM, status=FollowUpStatus.REQUESTED), shelf)

    assert shelf.read().follow_ups[0].changed_at == LATER


@pytest.mark.parametrize("moved_since", [False, True])
def test_closing_what_its_owner_had_accepted_keeps_since_when(moved_since):
    shelf, accepted = enrolled(), "2026-03-06T18:00:00-07:00"
    shelf.by_reference[TASK] = a_task_answer(shelf.by_reference[TASK], status="accepted", at=accepted)
    closing = a_change(status=FollowUpStatus.CANCELLED, because="the pathway ended: Stable")

    shelf.by_reference[TASK] = changed(closing, shelf)
    if moved_since:
        shelf.by_reference[TASK] = changed(closing, shelf)
    follow_up = shelf.read().follow_ups[0]

    assert follow_up.accepted_at is not None
    assert (follow_up.status, follow_up.accepted_at.isoformat()) == ("cancelled", accepted)
    assert follow_up.changed_at == LATER


@pytest.mark.parametrize("status", ["requested", "rejected"])
def test_closing_what_nobody_had_accepted_says_nothing_of_the_kind(status):
    shelf = enrolled()
    shelf.by_reference[TASK] = {**shelf.by_reference[TASK], "status": status}

    shelf.by_reference[TASK] = changed(a_change(status=FollowUpStatus.CANCELLED), shelf)

    assert shelf.read().follow_ups[0].accepted_at is None
