"""Follow-ups through their life: opened with an owner and two clocks, tried again, re-planned, closed with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from service.domain.decide import decide_all
from service.domain.evidence import Recorded
from service.domain.follow_up_task import DueIn
from service.domain.needs import EscalationState, OnEscalation, OnField, TaskState
from service.domain.pathway import Criterion
from service.domain.vocabulary import FieldId, FollowUpStatus, Priority, Reference, RoleId, TaskId
from tests.domain.an_imaginary_record import World, edited, world
from tests.domain.builders import (
    ANCHOR,
    CLINICIAN,
    CONTACT,
    COORDINATOR,
    ENROLMENT,
    LEAD,
    NOW,
    PERSON,
    STABLE,
    SUPERVISOR,
    days,
    discharge,
    fact,
    gate,
    hours,
    in_record,
    later,
    local,
    on_task,
    pathway,
    record,
    stage,
    task,
)


def living(*tasks, at=NOW, **more) -> World:
    return world(pathway(stage("received", *tasks), STABLE, **more), record(discharge()), at)


# --- opening ---


def test_a_discharge_gives_follow_ups_with_a_named_owner_and_two_clocks():
    review = task(
        "review", owner=RoleId("clinician"), due_in=DueIn(otherwise=days(2)), priority=Priority.URGENT
    )
    life = living(CONTACT, review)
    (decision,) = life.decided
    contact, clinical = decision.open

    assert contact.identifier == "transition/Encounter/stay/contact/1"
    assert (contact.owner, contact.owner_found_by) == (COORDINATOR, "care-team")
    assert contact.accept_by == local("2026-03-06 20:30")
    assert contact.complete_by == local("2026-03-09 17:30"), "72 elapsed hours over the spring change"
    assert contact.timeliness == "awaiting-acceptance"
    assert (clinical.owner, clinical.priority) == (CLINICIAN, Priority.URGENT)
    assert clinical.complete_by == local("2026-03-08 23:59:59")
    assert life.enrolment.activities == (contact.identifier, clinical.identifier)
    assert life.enrolment.person == PERSON
    assert life.enrolment.anchor == ANCHOR
    assert life.enrolment.lead == LEAD.reference
    assert life.next_due_at() == local("2026-03-06 20:30")


def test_the_clock_counts_from_the_discharge_and_not_from_when_it_was_noticed():
    life = living(CONTACT, at=later(hours=30))

    assert life.follow_up("contact").complete_by == later(hours=72)
    assert life.follow_up("contact").accept_by == later(hours=34)


def test_nobody_is_asked_to_accept_later_than_to_complete():
    life = living(task("call", due_in=DueIn(otherwise=hours(2))))

    assert life.follow_up("call").accept_by == later(hours=2)


def test_what_the_record_shows_as_done_is_not_opened_but_told():
    done = fact("Communication", "c", later(hours=1), topic="contact")
    life = world(pathway(stage("received", CONTACT), STABLE), record(discharge(), done), later(hours=2))

    assert life.follow_ups() == {}
    assert life.variances() == [("already-done", "contact")]


def test_a_follow_up_may_open_later():
    life = living(task("check-in", opens_after=days(2)))
    assert life.follow_ups() == {}

    life.passes(days=5)

    assert life.follow_up("check-in").opened_at == local("2026-03-08 23:59:59")


def test_a_follow_up_may_open_when_another_is_accepted_completed_or_failed():
    for state, status in ((TaskState.ACCEPTED, "accepted"), (TaskState.COMPLETED, "completed"), (TaskState.FAILED, "failed")):  # fmt: skip
        life = living(CONTACT, task("next", opens_when=(on_task("contact", state),)))
        assert "next/1" not in life.follow_ups()
        assert "next/1" in life.set("contact", status).follow_ups()


def test_a_follow_up_may_open_when_another_is_escalated_or_that_is_acknowledged():
    raised = OnEscalation(task=TaskId("contact"), state=EscalationState.RAISED)
    heard = OnEscalation(task=TaskId("contact"), state=EscalationState.ACKNOWLEDGED)
    life = living(CONTACT, task("visit", opens_when=(raised,)), task("debrief", opens_when=(heard,)))

    assert "visit/1" in life.passes(hours=4).follow_ups()
    assert "debrief/1" not in life.follow_ups()
    assert "debrief/1" in life.answer("contact/1/acceptance", "accepted").follow_ups()


def test_the_clock_of_a_stage_counts_from_its_evidence():
    life = world(
        pathway(
            stage("received", CONTACT),
            stage("coordinating", task("book", clock="stage"), enter=(in_record("Communication", topic="contact"),)),
            STABLE,
        ),
        record(discharge()),
        NOW,
    )  # fmt: skip
    life.passes(hours=10).told(fact("Communication", "c", later(hours=9), topic="contact"))

    assert life.follow_up("book").complete_by == later(hours=81)


def test_the_clock_of_a_follow_up_may_count_from_its_opening():
    life = living(
        CONTACT, task("next", clock="opened", opens_when=(on_task("contact", TaskState.COMPLETED),))
    )
    life.passes(hours=2).set("contact", "completed")

    assert life.follow_up("next").complete_by == later(hours=74)


# --- attempts ---

REACH = task("reach", attempts=3, attempt_every=hours(24), due_in=DueIn(otherwise=hours(72)))


def test_a_failed_attempt_is_tried_again_at_the_right_time_by_the_same_role():
    life = living(REACH).passes(hours=2).set("reach", "accepted").passes(hours=1).set("reach", "failed")
    assert life.follow_ups() == {"reach/1": "failed"}
    assert life.next_due_at() == later(hours=27)

    life.passes(hours=24)

    again = life.follow_up("reach", 2)
    assert again.opened_at == later(hours=27)
    assert again.complete_by == later(hours=51), "until the next attempt would be due"
    assert again.owner == COORDINATOR.reference
    assert life.escalations() == {}


def test_when_the_attempts_are_used_up_the_person_counts_as_unreachable():
    life = living(REACH)
    for attempt in (1, 2, 3):
        life.set("reach", "failed", occurrence=attempt).passes(hours=25)

    assert sorted(life.follow_ups()) == ["reach/1", "reach/2", "reach/3"]
    assert life.escalations() == {"reach/3/unreachable": ("active", 3)}
    (first, *_) = life.escalation("reach/3/unreachable").rungs
    assert (first.owner, first.raised_at) == (SUPERVISOR.reference, later(hours=50))


def test_somebody_reaching_the_person_after_all_closes_it():
    reach = replace(REACH, attempts=1, done_when=(in_record("Communication", topic="contact"),))
    life = living(reach).set("reach", "failed").passes(hours=1)
    assert life.escalations() == {"reach/1/unreachable": ("active", 1)}

    life.told(fact("Communication", "c", later(hours=1), topic="contact"))

    assert life.escalations() == {"reach/1/unreachable": ("completed", 1)}


def test_an_overdue_attempt_that_is_made_and_fails_leaves_its_escalation_running():
    life = living(REACH).set("reach", "accepted").passes(hours=73).set("reach", "failed")

    assert life.escalations() == {"reach/1/completion": ("active", 1)}
    life.passes(hours=100)
    assert life.escalations() == {"reach/1/completion": ("active", 3)}, (
        "the next attempt adds no second ladder"
    )


# --- criteria ---

RISK = Criterion(
    id="risk",
    levels=(
        ("high", (in_record("RiskAssessment", level="high"), OnField(field=FieldId("risk"), says=("high", "severe")))),
        ("low", (in_record("RiskAssessment", level="low"),)),
    ),
)  # fmt: skip
BY_RISK = DueIn(otherwise=hours(72), criterion="risk", by_level={"high": hours(24), "low": days(7)})


def at_risk(*facts) -> World:
    visit = task("visit", due_in=BY_RISK)
    plan = pathway(stage("received", visit), STABLE, criteria={"risk": RISK})
    return world(plan, record(discharge(), *facts), NOW)


def risk(level: str, at=NOW):
    return fact("RiskAssessment", f"{level}-{at:%H}", at, level=level)


def test_a_criterion_decides_the_due_time():
    assert at_risk().follow_up("visit").complete_by == later(hours=72)
    assert at_risk(risk("high")).follow_up("visit").complete_by == later(hours=24)
    assert at_risk(risk("low")).follow_up("visit").complete_by == local("2026-03-13 23:59:59")


def test_the_newest_evidence_wins_and_a_tie_goes_to_the_level_listed_first():
    newer = at_risk(risk("high"), risk("low", later(hours=0.5)))
    newer.now = later(hours=1)
    assert newer.wake().follow_up("visit").complete_by == local("2026-03-13 23:59:59")

    assert at_risk(risk("low"), risk("high")).follow_up("visit").complete_by == later(hours=24)


def test_a_change_of_level_plans_the_follow_up_anew_and_the_new_time_counts():
    life = at_risk().set("visit", "accepted").passes(hours=10).told(risk("high", later(hours=10)))
    assert life.follow_up("visit").complete_by == later(hours=24)

    life.passes_until(later(hours=24))

    assert life.escalations() == {"visit/1/completion": ("active", 1)}


def test_a_level_may_be_recorded_by_an_owner_and_case_does_not_matter():
    life = at_risk()
    said = Recorded(field=FieldId("risk"), value="Severe", at=NOW, source=Reference("Task/x"))
    life.record = edited(life.record, f"{ENROLMENT}/visit/1", recorded=(said,))

    assert life.wake().follow_up("visit").complete_by == later(hours=24)


def test_a_due_time_that_people_moved_is_theirs():
    life = at_risk()
    life.record = edited(life.record, f"{ENROLMENT}/visit/1", complete_by=later(hours=30))
    life.wake().told(risk("high"))

    assert life.follow_up("visit").complete_by == later(hours=30)
    life.set("visit", "accepted").passes(hours=31)
    assert life.escalations() == {"visit/1/completion": ("active", 1)}


def test_a_due_time_that_people_removed_comes_back():
    life = at_risk()
    stripped = replace(life.follow_up("visit"), complete_by=None)
    life.record = replace(life.record, follow_ups=(stripped,))

    assert life.wake().follow_up("visit").complete_by == later(hours=72)


def test_a_gate_that_is_released_late_moves_no_clock_and_leaves_the_level_to_decide():
    care = stage("care", task("visit", due_in=BY_RISK, clock="stage"), enter=(in_record("Consent"),))
    agreed = gate("agreed", "care", in_record("Goal"))
    plan = pathway(stage("received"), care, STABLE, criteria={"risk": RISK}, gates=(agreed,))
    life = world(plan, record(discharge(), fact("Consent", "c", NOW)), NOW)
    life.passes(hours=10).told(fact("Goal", "g", later(hours=10)))
    assert life.follow_up("visit").complete_by == later(hours=72)

    life.told(risk("high", later(hours=10)))

    assert life.follow_up("visit").complete_by == later(hours=24)


# --- people and servers that do as they please ---


def test_our_own_standing_is_written_once_per_change():
    life = living(CONTACT).passes(hours=4)
    (change,) = [c for d in life.decided for c in d.changes]

    assert (change.timeliness, change.status, change.owner) == ("acceptance-overdue", None, None)
    assert change.version == "1"


def test_follow_ups_of_a_stage_go_on_when_the_evidence_for_it_is_corrected():
    consent = fact("Consent", "c", NOW)
    care = stage("care", task("visit"), enter=(in_record("Consent"),))
    held = gate("agreed", "care", in_record("Goal"))
    life = world(pathway(stage("received"), care, STABLE, gates=(held,)), record(discharge(), consent), NOW)
    life.told(replace(consent, void=True))
    assert life.enrolment.reached == "received"

    life.passes(hours=5)

    assert life.escalations() == {"visit/1/acceptance": ("active", 1)}


def test_an_owner_who_changes_status_back_and_forth_is_followed():
    life = living(CONTACT).set("contact", "received").set("contact", "ready").set("contact", "in-progress")
    assert life.follow_up("contact").timeliness == "on-track"

    life.set("contact", "requested").passes(hours=5)

    assert life.follow_up("contact").timeliness == "acceptance-overdue"
    assert life.follow_up("contact").status is FollowUpStatus.REQUESTED, "we never decline for them"


def test_two_enrolments_of_one_person_do_not_mix():
    second = replace(discharge(later(hours=1)), reference=Reference("Encounter/stay-2"))
    life = world(pathway(stage("received", CONTACT), STABLE), record(discharge(), second), later(hours=2))
    assert [f.identifier for f in sorted(life.record.follow_ups, key=lambda f: f.identifier)] == [
        "transition/Encounter/stay-2/contact/1",
        "transition/Encounter/stay/contact/1",
    ]

    life.set("contact", "completed").passes(hours=80)

    other = next(f for f in life.record.follow_ups if "stay-2" in f.identifier)
    assert other.status is FollowUpStatus.REQUESTED
    assert {e.identifier for e in life.record.escalations} == {f"{other.identifier}/acceptance"}
    first, last = decide_all(life.pathways, life.record, life.now)
    assert {e.status.value for e in (first.enrolment, last.enrolment)} == {"active"}
    assert not {r for r, _ in first.seen} & {r for r, _ in last.seen if r.startswith("Task/")}


def test_an_on_hold_follow_up_may_be_closed_like_any_other():
    life = living(CONTACT).set("contact", "on-hold").passes(days=1).set("contact", "completed")

    assert life.escalations() == {}
    assert life.variances() == []


def test_what_was_seen_is_kept_with_its_version():
    life = living(CONTACT).passes(hours=5)
    (decision,) = decide_all(life.pathways, life.record, life.now)

    seen = dict(decision.seen)
    assert seen[ANCHOR] == "1"
    assert seen[life.follow_up("contact").reference or Reference("")] == "2"
    assert life.escalation("contact/1/acceptance").rungs[0].reference in seen
    assert life.follow_up("contact").changed_at - NOW == timedelta(), "our own writes are not their change"
