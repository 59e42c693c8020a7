"""Follow-ups that come again: a taper, a repeating review, a question asked again, a stage that is entered again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

from service.domain.evidence import Recorded
from service.domain.follow_up_task import DueIn, Series
from service.domain.needs import FieldsMissing, OnField, OnTask, TaskState
from service.domain.pathway import RequiredField
from service.domain.vocabulary import FieldId, Reference, RoleId, TaskId
from tests.domain.an_imaginary_record import World, edited, world
from tests.domain.builders import (
    ENROLMENT,
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    gate,
    hours,
    in_record,
    local,
    on_task,
    pathway,
    record,
    stage,
    task,
)

TAPER = task(
    "taper",
    series=Series(steps=(days(7), days(14))),
    done_when=(in_record("Communication", topic="contact"),),
    attempts=2,
    attempt_every=hours(24),
)
TAPERED = OnTask(task=TaskId("taper"), state=TaskState.SERIES_COMPLETED)


def said(life: World, task_name: str, occurrence: int = 1, **values: str) -> World:
    """The owner completes a follow-up and records these values on it."""
    recorded = tuple(
        Recorded(field=FieldId(name), value=value, at=life.now, source=Reference("Task/x"))
        for name, value in values.items()
    )
    life.record = edited(life.record, f"{ENROLMENT}/{task_name}/{occurrence}", recorded=recorded)
    return life.set(task_name, "completed", occurrence=occurrence)


# --- a taper ---


def tapering() -> World:
    end = stage("over", enter=(TAPERED,), final=True)
    return world(pathway(stage("received", TAPER), end), record(discharge()), NOW)


def test_each_next_contact_is_due_from_the_last_completed_one():
    life = tapering().passes(days=1).set("taper", "completed")
    assert life.is_due("taper", 2) == local("2026-03-14 23:59:59"), "seven days after the 7th"

    life.passes(days=9).set("taper", "completed", occurrence=2)

    assert life.is_due("taper", 3) == local("2026-03-30 23:59:59"), (
        "it was done late, and the next counts from then"
    )


def test_a_taper_of_two_steps_is_three_contacts_and_then_over():
    life = tapering().set("taper", "completed").passes(days=1).set("taper", "completed", occurrence=2)
    assert life.enrolment.status == "active"

    life.passes(days=1).set("taper", "completed", occurrence=3)

    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "completed", "taper/3": "completed"}
    assert life.enrolment.stage == "over"


def test_evidence_of_an_earlier_contact_does_not_close_the_next_one():
    life = tapering().passes(hours=5).told(fact("Communication", "c1", NOW.replace(hour=20), topic="contact"))
    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "requested"}

    life.passes(days=2).told(fact("Communication", "c2", life.now, topic="contact"))

    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "completed", "taper/3": "requested"}


def test_each_contact_has_attempts_and_a_ladder_of_its_own():
    life = tapering().set("taper", "failed").passes(hours=30).set("taper", "completed", occurrence=2)
    assert life.follow_ups()["taper/3"] == "requested"

    life.set("taper", "failed", occurrence=3).passes(hours=30)

    assert life.follow_ups()["taper/4"] == "requested", "the failure of the first contact used up nothing"
    assert "taper/1/completion" not in life.escalations()


def test_a_missed_contact_of_a_series_climbs_its_ladder_and_is_over_when_it_is_done():
    life = tapering().set("taper", "completed").set("taper", "accepted", occurrence=2).passes(days=7, hours=8)
    assert life.escalations() == {"taper/2/completion": ("active", 1)}

    life.set("taper", "completed", occurrence=2)

    assert life.escalations()["taper/2/completion"][0] == "completed"
    assert ("completed-late", "taper/2") in life.variances()


def test_a_contact_after_the_attempts_were_used_up_lets_the_series_go_on():
    life = tapering().set("taper", "failed").passes(hours=30).set("taper", "failed", occurrence=2)
    assert "taper/3" not in life.passes(hours=30).follow_ups()

    life.passes(days=2).told(fact("Communication", "c", life.now, topic="contact"))

    assert life.follow_ups() == {"taper/1": "failed", "taper/2": "failed", "taper/3": "requested"}
    life.passes(days=1).set("taper", "completed", occurrence=3)
    assert life.follow_ups()["taper/4"] == "requested", (
        "the contact that nobody was asked for was the first of three"
    )
    assert "taper/5" not in life.passes(days=1).set("taper", "completed", occurrence=4).follow_ups()


def test_a_contact_that_its_owner_called_off_does_not_end_the_series():
    life = tapering().set("taper", "cancelled", reason="away")
    assert life.follow_ups() == {"taper/1": "cancelled", "taper/2": "requested"}
    due = life.is_due("taper", 2)
    assert due is not None
    assert due > life.now, "it is not late because the one before it was called off"
    assert ("cancelled-by-owner", "taper/1") in life.variances()

    life.passes(days=1).set("taper", "completed", occurrence=2)
    life.passes(days=1).set("taper", "cancelled", occurrence=3, reason="away")
    assert life.is_due("taper", 4) == local("2026-03-15 23:59:59"), "seven days after it was called off"

    life.set("taper", "completed", occurrence=4).set("taper", "completed", occurrence=5)
    assert life.enrolment.stage == "over", "three contacts were made"


# --- a repeating review ---

OVER = in_record("Observation", says="over")
REVIEW = task("review", series=Series(every=days(28), until=(OVER,)), clock="opened")


def test_a_repeating_review_goes_on_until_what_ends_it():
    life = world(pathway(stage("received", REVIEW), STABLE), record(discharge()), NOW)
    life.set("review", "completed").passes(days=20).set("review", "completed", occurrence=2)
    assert life.follow_ups()["review/3"] == "requested"

    life.told(fact("Observation", "o", life.now, says="over")).set("review", "completed", occurrence=3)

    assert "review/4" not in life.follow_ups()


# --- asked again, and not needed any more ---

FIELDS = (FieldId("risk"),)
DATASET = (RequiredField(id=FieldId("risk"), title="Risk", needs=(), ask=RoleId("clinician")),)


def test_a_question_is_asked_again_while_it_is_not_answered():
    ask = task("clarify", opens_when=(FieldsMissing(fields=FIELDS),), again_while=(FieldsMissing(fields=FIELDS),),
               clock="opened")  # fmt: skip
    life = world(pathway(stage("received", ask), STABLE, required=DATASET), record(discharge()), NOW)
    life.passes(hours=2).set("clarify", "completed")
    assert life.follow_ups() == {"clarify/1": "completed", "clarify/2": "requested"}

    said(life.passes(hours=2), "clarify", 2, risk="low")

    assert life.follow_ups() == {"clarify/1": "completed", "clarify/2": "completed"}


def test_what_is_not_needed_is_withdrawn_with_the_reason_and_asked_again_when_it_is():
    settled = in_record("Observation", says="settled")
    visit = task("visit", not_needed_when=(settled,), clock="opened")
    life = world(pathway(stage("received", visit), STABLE), record(discharge()), NOW)
    life.told(fact("Observation", "o", NOW, says="settled"))
    withdrawn = life.follow_up("visit")
    assert (withdrawn.status, withdrawn.reason) == ("cancelled", "not needed now: Visit")
    assert life.variances() == [], "it was nobody's decision but the pathway's"

    life.told(fact("Observation", "o", NOW, void=True, says="settled"))

    assert life.follow_ups() == {"visit/1": "cancelled", "visit/2": "requested"}


def test_withdrawing_what_was_overdue_ends_its_ladder():
    settled = in_record("Observation", says="settled")
    life = world(pathway(stage("received", task("visit", not_needed_when=(settled,))), STABLE),
                 record(discharge()), NOW).passes(hours=80)  # fmt: skip
    assert life.escalations()["visit/1/acceptance"][0] == "active"

    life.told(fact("Observation", "o", life.now, says="settled"))

    assert life.escalations()["visit/1/acceptance"][0] == "completed"


# --- a stage that is entered again ---

AGAIN = OnField(field=FieldId("outcome"), says=("again",))
CLOSE = OnField(field=FieldId("outcome"), says=("close",))


def reviewing() -> World:
    """Called once, then round after round: views, decision, outcome."""
    views = replace(
        stage("views", task("view", clock="stage", due_in=_hours(24)),
              enter=(on_task("call", TaskState.COMPLETED), AGAIN)),
        repeats=True,
    )  # fmt: skip
    decision = replace(
        stage("decision", task("decide", clock="stage"), enter=(on_task("view", TaskState.COMPLETED),)),
        repeats=True,
    )
    outcome = replace(stage("outcome", task("evaluate", clock="opened"), enter=(on_task("decide", TaskState.COMPLETED),)),
                      repeats=True)  # fmt: skip
    closed = stage("closed", enter=(CLOSE,), final=True)
    fields = (RequiredField(id=FieldId("outcome"), title="Outcome", needs=(), ask=RoleId("clinician")),)
    gates = (gate("decided", "outcome", on_task("decide", TaskState.COMPLETED)),)
    plan = pathway(
        stage("called", task("call")), views, decision, outcome, closed, required=fields, gates=gates
    )
    life = world(plan, record(discharge()), NOW)
    for name in ("call", "view", "decide"):
        life.passes(hours=1).set(name, "completed")
    return life


def _hours(count: int):
    return DueIn(otherwise=hours(count))


def test_a_second_round_asks_everything_again_and_passes_on_nothing_of_the_first():
    life = reviewing()
    assert life.enrolment.stage == "outcome"
    said(life.passes(days=2), "evaluate", outcome="again")

    assert life.enrolment.stage == "views"
    assert [e.stage for e in life.enrolment.history] == ["called", "views", "decision", "outcome", "views"]
    assert life.follow_ups()["view/2"] == "requested"
    assert "decide/2" not in life.follow_ups(), "the decision of the first round is not that of the second"
    assert life.is_due("view", 2) == _after(life.now, hours=24), "its clock begins anew"

    life.passes(hours=1).set("view", "completed", occurrence=2)
    assert life.follow_ups()["decide/2"] == "requested"
    assert life.enrolment.stage == "decision"


def test_the_gate_of_a_second_round_asks_for_the_second_decision():
    life = reviewing()
    said(life.passes(days=2), "evaluate", outcome="again")
    life.passes(hours=1).set("view", "completed", occurrence=2)

    assert [*life.enrolment.unmet_gates] == ["decided"]
    life.passes(hours=1).set("decide", "completed", occurrence=2)
    assert (life.enrolment.stage, [*life.enrolment.unmet_gates]) == ("outcome", [])


def test_a_round_can_be_the_last():
    life = reviewing()
    said(life.passes(days=2), "evaluate", outcome="again")
    for name in ("view", "decide"):
        life.passes(hours=1).set(name, "completed", occurrence=2)
    said(life.passes(days=1), "evaluate", 2, outcome="close")

    assert life.enrolment.stage == "closed"


def test_a_stage_that_does_not_repeat_is_never_entered_again():
    late = stage("late", enter=(in_record("Observation", says="late"),))
    later_still = stage("later-still", enter=(in_record("Communication", topic="contact"),))
    life = world(
        pathway(stage("received", task("call")), late, later_still, STABLE), record(discharge()), NOW
    )
    life.told(fact("Observation", "1", NOW, says="late"), fact("Communication", "c", NOW, topic="contact"))
    life.passes(hours=5).told(fact("Observation", "2", life.now, says="late"))

    assert life.enrolment.stage == "later-still"


def _after(at, **length):
    return (at.astimezone(UTC) + timedelta(**length)).astimezone(at.tzinfo)
