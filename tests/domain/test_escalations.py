"""Silence escalates: rungs at the right instants, one escalation per silence, acknowledgement, closing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from service.domain.decide import decide_all
from service.domain.evidence import Roster
from service.domain.follow_up_task import DueIn
from service.domain.pathway import Handover
from service.domain.vocabulary import FollowUpStatus, Priority, TaskId
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    CONTACT,
    COORDINATOR,
    DIRECTOR,
    LEAD,
    NOW,
    ROSTER,
    SECOND_COORDINATOR,
    STABLE,
    SUPERVISOR,
    days,
    discharge,
    fact,
    hours,
    joined_by,
    ladder,
    later,
    minutes,
    pathway,
    record,
    rung,
    stage,
    task,
    without,
)


def raised(life: World, name: str) -> list[tuple[int, str | None, timedelta]]:
    """(rung, owner, how long after the house instant it was raised)."""
    return [
        (r.number, r.owner, r.raised_at.astimezone(UTC) - NOW.astimezone(UTC))
        for r in life.escalation(name).rungs
    ]


def discharged(**more) -> World:
    return world(pathway(**more), record(discharge()), NOW)


# --- acceptance ---


def test_a_missed_acceptance_climbs_the_ladder_at_the_right_instants():
    life = discharged().passes(hours=100)

    assert raised(life, "contact/1/acceptance") == [
        (1, SUPERVISOR.reference, timedelta(hours=4)),
        (2, LEAD.reference, timedelta(hours=8)),
        (3, DIRECTOR.reference, timedelta(hours=28)),
    ]


def test_each_rung_says_who_is_asked_what_by_when_and_the_plan_adds_up():
    life = discharged().passes(hours=30)
    (first, _, third) = [r for d in life.decided for r in d.rungs]
    (*_, plan) = [p for d in life.decided for p in d.escalations]

    assert first.recipient == SUPERVISOR
    assert first.respond_by == later(hours=6)
    assert first.why == "Contact: nobody has accepted it by its time"
    assert first.asked == "Please do: contact."
    assert third.priority is Priority.STAT
    assert plan.priority is Priority.STAT
    assert plan.rungs == 3
    assert plan.addressed_to == (SUPERVISOR, LEAD, DIRECTOR)
    assert plan.support == ("call the person today", "visit the person")
    assert plan.respond_by == third.respond_by


def test_nothing_escalates_a_moment_early():
    life = discharged().passes_until(later(hours=4) - timedelta(microseconds=1))
    assert life.escalations() == {}

    assert life.passes_until(later(hours=4)).escalations() == {"contact/1/acceptance": ("active", 1)}


def test_acceptance_closes_its_escalation_and_withdraws_what_was_asked():
    life = discharged().passes(hours=9).set("contact", "accepted")

    seen = life.escalation("contact/1/acceptance")
    assert life.escalations() == {"contact/1/acceptance": ("completed", 2)}
    assert [r.status for r in seen.rungs] == [FollowUpStatus.CANCELLED] * 2


def test_an_acknowledgement_stops_the_ladder_until_the_response_should_be_finished():
    life = discharged(ladders={"missed": ladder(
        rung(minutes(0), "supervisor", respond_within=hours(10)), rung(hours(4), "lead"), rung(hours(5), "director"),
    )}).passes(hours=4)  # fmt: skip
    life.answer("contact/1/acceptance", "accepted")

    life.passes_until(later(hours=14) - timedelta(seconds=1))
    assert life.escalations() == {"contact/1/acceptance": ("active", 1)}

    life.passes_until(later(hours=14))
    assert raised(life, "contact/1/acceptance")[1:2] == [(2, LEAD.reference, timedelta(hours=14))]


def test_a_finished_response_gives_the_follow_up_one_more_response_time():
    life = discharged(ladders={"missed": ladder(
        rung(minutes(0), "supervisor", respond_within=hours(3)), rung(hours(1), "lead"),
    )}).passes(hours=4, minutes=30)  # fmt: skip
    life.answer("contact/1/acceptance", "completed")
    life.passes(hours=50)

    assert raised(life, "contact/1/acceptance")[1] == (2, LEAD.reference, timedelta(hours=7, minutes=30))


def test_a_rejected_response_does_not_stop_the_ladder():
    life = discharged().passes(hours=5)
    life.answer("contact/1/acceptance", "rejected").passes(hours=5)

    assert life.escalations() == {"contact/1/acceptance": ("active", 2)}


def test_a_ladder_begins_with_its_first_rung_and_not_before():
    life = discharged(ladders={"missed": ladder(rung(hours(2), "supervisor"))}).passes(hours=5)
    assert life.escalations() == {}, "nobody is addressed yet"

    assert raised(life.passes(hours=2), "contact/1/acceptance") == [
        (1, SUPERVISOR.reference, timedelta(hours=6))
    ]


def test_after_an_outage_all_rungs_that_are_due_are_raised_together():
    life = discharged()
    life.now = later(hours=12)  # nobody looked in between
    life.wake()

    assert life.escalations() == {"contact/1/acceptance": ("active", 2)}


# --- completion ---


def test_a_missed_completion_escalates_from_the_complete_by_time():
    life = discharged().set("contact", "accepted").passes(hours=80)

    assert raised(life, "contact/1/completion") == [
        (1, SUPERVISOR.reference, timedelta(hours=72)),
        (2, LEAD.reference, timedelta(hours=76)),
    ]
    assert life.follow_up("contact").timeliness == "overdue"


def test_what_nobody_accepted_and_nobody_did_is_one_escalation():
    life = discharged().passes(hours=200)

    assert life.escalations() == {"contact/1/acceptance": ("active", 3)}


def test_taking_on_what_is_overdue_gives_one_response_time_before_the_ladder_starts_again():
    life = discharged().passes(hours=80).set("contact", "accepted")
    assert life.escalations() == {"contact/1/acceptance": ("completed", 3)}

    life.passes(hours=3)

    assert raised(life, "contact/1/completion") == [(1, SUPERVISOR.reference, timedelta(hours=82))]


def test_a_handover_that_nobody_accepts_is_not_covered_by_an_escalation_that_is_closed():
    life = discharged().passes(hours=5).set("contact", "accepted").passes(hours=1)
    life.set("contact", "requested", owner=SECOND_COORDINATOR.reference)

    life.passes_until(later(hours=72))

    assert life.escalations() == {
        "contact/1/acceptance": ("completed", 1),
        "contact/1/completion": ("active", 1),
    }


def test_what_is_opened_after_its_time_escalates_from_the_first_rung_on_and_once():
    life = world(pathway(), record(discharge()), later(days=4))
    assert life.escalations() == {"contact/1/completion": ("active", 1)}

    life.passes(hours=10)

    assert life.escalations() == {"contact/1/completion": ("active", 2)}


def test_late_completion_closes_the_escalation_and_leaves_a_variance():
    life = discharged().set("contact", "accepted").passes(hours=80).set("contact", "completed")

    assert life.escalations() == {"contact/1/completion": ("completed", 2)}
    assert life.variances() == [("completed-late", "contact/1")]
    assert [r.status for r in life.escalation("contact/1/completion").rungs] == [FollowUpStatus.CANCELLED] * 2


def test_evidence_in_the_record_completes_the_follow_up_and_closes_the_escalation():
    life = discharged().set("contact", "accepted").passes(hours=80)
    life.told(fact("Communication", "c", later(hours=79), topic="contact"))

    assert life.follow_up("contact").status is FollowUpStatus.COMPLETED
    assert life.follow_up("contact").changed_at == later(hours=79)
    assert life.escalations() == {"contact/1/completion": ("completed", 2)}
    assert life.variances() == [("completed-late", "contact/1")]


def test_the_due_time_comes_before_the_evidence_is_read_and_late_news_of_timely_care_closes_it_all():
    life = discharged().set("contact", "accepted").passes(hours=80)
    life.told(fact("Communication", "c", later(hours=20), topic="contact"))

    assert life.escalations() == {"contact/1/completion": ("completed", 2)}
    assert life.variances() == [], "it was done in time"


# --- holding ---


def test_a_follow_up_on_hold_is_not_escalated_at_its_time():
    life = discharged().set("contact", "accepted").passes(hours=70).set("contact", "on-hold").passes(hours=20)

    assert life.escalations() == {}
    assert life.follow_up("contact").timeliness == "on-hold"


def test_the_pause_is_bounded():
    life = (
        discharged().set("contact", "accepted").passes(hours=70).set("contact", "on-hold").passes(hours=100)
    )

    assert raised(life, "contact/1/completion")[0] == (1, SUPERVISOR.reference, timedelta(hours=70 + 72))
    assert life.follow_up("contact").timeliness == "overdue"


def test_a_hold_that_ends_before_the_time_changes_nothing():
    life = discharged().set("contact", "accepted").passes(hours=10).set("contact", "on-hold")
    life.passes(hours=10).set("contact", "in-progress").passes(hours=60)

    assert raised(life, "contact/1/completion") == [(1, SUPERVISOR.reference, timedelta(hours=72)),
                                                    (2, LEAD.reference, timedelta(hours=76))]  # fmt: skip


def test_a_ladder_rests_while_the_follow_up_is_on_hold():
    life = discharged().set("contact", "accepted").passes(hours=73).set("contact", "on-hold").passes(hours=50)
    assert life.escalations() == {"contact/1/completion": ("active", 1)}

    life.passes_until(later(hours=73 + 72))
    assert life.escalations() == {"contact/1/completion": ("active", 3)}


def both_roles(name: str) -> Roster:
    """The coordinator is a supervisor as well, and listed before the other one."""
    both = replace(COORDINATOR, roles=COORDINATOR.roles | SUPERVISOR.roles)
    others = without(ROSTER, COORDINATOR, *([] if name == "another" else [SUPERVISOR]))
    return replace(others, care_team=(both, *others.care_team))


@pytest.mark.parametrize(
    ("roster", "told"),
    [(both_roles("another"), SUPERVISOR), (both_roles("nobody else"), COORDINATOR)],
    ids=["another holds the role", "nobody else holds it"],
)
def test_whoever_is_silent_is_not_told_of_it_where_another_holds_the_role(roster, told):
    life = world(pathway(), record(discharge(), roster=roster), NOW).passes(hours=5)

    assert life.follow_up("contact").owner == COORDINATOR.reference
    assert raised(life, "contact/1/acceptance") == [(1, told.reference, timedelta(hours=4))]


# --- moving to another owner ---

MOVING = ladder(
    rung(minutes(0), "supervisor"), rung(hours(2), "director", reassign=True, priority=Priority.STAT)
)


def test_a_rung_that_reassigns_moves_the_follow_up_once():
    life = discharged(ladders={"missed": MOVING}).passes(hours=7)

    assert life.follow_up("contact").owner == DIRECTOR.reference
    assert life.follow_up("contact").priority is Priority.STAT


def test_what_one_person_had_accepted_is_not_accepted_by_whom_it_moves_to():
    life = discharged(ladders={"missed": MOVING}).set("contact", "accepted").passes(hours=75)

    moved = life.follow_up("contact")
    assert (moved.owner, moved.status) == (DIRECTOR.reference, "requested")
    assert life.escalations() == {"contact/1/completion": ("active", 2)}, "one silence, one ladder"

    life.passes(hours=1).set("contact", "accepted").passes(hours=5)
    moved = life.follow_up("contact")
    assert (moved.owner, moved.status) == (DIRECTOR.reference, "accepted")
    assert life.set("contact", "completed").escalations()["contact/1/completion"][0] == "completed"


def test_a_follow_up_on_hold_is_not_on_hold_for_whom_it_moves_to():
    life = discharged(ladders={"missed": MOVING}).set("contact", "on-hold").passes(hours=75)

    assert (life.follow_up("contact").owner, life.follow_up("contact").status) == (
        DIRECTOR.reference,
        "requested",
    )


def test_whoever_holds_it_already_keeps_what_they_accepted():
    both = replace(COORDINATOR, roles=COORDINATOR.roles | DIRECTOR.roles)
    roster = joined_by(without(ROSTER, COORDINATOR, DIRECTOR), both)
    life = world(pathway(ladders={"missed": MOVING}), record(discharge(), roster=roster), NOW)
    life.set("contact", "accepted").passes(hours=75)

    assert (life.follow_up("contact").owner, life.follow_up("contact").status) == (
        COORDINATOR.reference,
        "accepted",
    )


def test_the_lead_does_not_move_to_whom_an_overdue_follow_up_moves_to_until_they_accept():
    plan = {"handover": Handover(until=(), then=TaskId("contact")), "ladders": {"missed": MOVING}}
    life = discharged(**plan).set("contact", "accepted")
    assert life.enrolment.lead == COORDINATOR.reference

    life.passes(hours=75)
    assert life.follow_up("contact").owner == DIRECTOR.reference
    assert life.enrolment.lead == COORDINATOR.reference, "an offer alone moves nothing"

    assert life.set("contact", "accepted").enrolment.lead == DIRECTOR.reference


def test_people_who_move_it_elsewhere_are_not_fought():
    life = discharged(ladders={"missed": MOVING}).passes(hours=7)
    life.set("contact", "requested", owner=SECOND_COORDINATOR.reference).passes(hours=300)

    assert life.follow_up("contact").owner == SECOND_COORDINATOR.reference


# --- mending ---


def test_a_notice_that_was_lost_in_a_crash_is_sent_and_the_task_not_doubled():
    life = discharged().passes(hours=5)
    seen = life.escalation("contact/1/acceptance")
    lost = replace(seen, rungs=(replace(seen.rungs[0], notice_exists=False),))
    (decision,) = decide_all(life.pathways, replace(life.record, escalations=(lost,)), life.now)

    (notice,) = decision.rungs
    assert not notice.write_task
    assert notice.number == 1
    assert notice.recipient == SUPERVISOR
    assert notice.raised_at == seen.rungs[0].raised_at


def test_a_plan_that_was_lost_in_a_crash_is_written():
    life = discharged().passes(hours=5)
    seen = life.escalation("contact/1/acceptance")
    lost = replace(seen, reference=None, version="", listed=0)
    (decision,) = decide_all(life.pathways, replace(life.record, escalations=(lost,)), life.now)

    assert [p.rungs for p in decision.escalations] == [1]
    assert decision.rungs == ()


def test_a_response_left_open_under_a_closed_escalation_is_withdrawn():
    life = discharged().passes(hours=5)
    seen = life.escalation("contact/1/acceptance")
    life.set("contact", "accepted")
    closed = replace(life.escalation("contact/1/acceptance"), rungs=seen.rungs)
    (decision,) = decide_all(life.pathways, replace(life.record, escalations=(closed,)), life.now)

    assert [c.status for c in decision.changes] == [FollowUpStatus.CANCELLED]
    assert decision.escalations == ()


def test_a_follow_up_without_a_ladder_is_overdue_and_escalates_nowhere():
    quiet = task("newsletter", escalation=None, due_in=DueIn(otherwise=days(1)))
    life = world(pathway(stage("received", quiet), STABLE), record(discharge()), NOW).passes(days=5)

    assert life.follow_up("newsletter").timeliness == "overdue"
    assert life.escalations() == {}


def test_the_ladder_of_one_follow_up_says_nothing_about_another():
    two = stage("received", CONTACT, task("booking", accept_within=hours(10)))
    life = world(pathway(two, STABLE), record(discharge()), NOW).passes(hours=5)

    assert life.escalations() == {"contact/1/acceptance": ("active", 1)}
    assert life.follow_up("booking").owner == COORDINATOR.reference
