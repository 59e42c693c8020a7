"""Between two attempts, and across them, the time promised for a follow-up stands: one silence, one ladder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

from service.domain.follow_up_task import DueIn
from service.domain.vocabulary import PlanStatus
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    COORDINATOR,
    LEAD,
    NOW,
    ROSTER,
    SECOND_COORDINATOR,
    STABLE,
    SUPERVISOR,
    discharge,
    fact,
    hours,
    in_record,
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

REACH = task(
    "reach",
    attempts=3,
    attempt_every=hours(24),
    due_in=DueIn(otherwise=hours(72)),
    done_when=(in_record("Communication", topic="contact"),),
)
ONE_RUNG = {"missed": ladder(rung(minutes(0), "supervisor"))}


def living(reach=REACH, **more) -> World:
    return world(pathway(stage("received", reach), STABLE, **more), record(discharge()), NOW)


def failed_at(hour: int, reach=REACH, **more) -> World:
    """The first attempt was taken on at once and failed so many hours after the start."""
    return living(reach, **more).set("reach", "accepted").passes(hours=hour).set("reach", "failed")


def raised_after(life: World, name: str) -> list[timedelta]:
    return [r.raised_at.astimezone(UTC) - NOW.astimezone(UTC) for r in life.escalation(name).rungs]


# --- between two attempts ---


def test_the_promised_time_escalates_between_two_attempts():
    life = failed_at(60)
    assert life.next_due_at() == later(hours=72), "before the next attempt opens at 84 hours"

    life.passes_until(later(hours=72) - timedelta(microseconds=1))
    assert life.escalations() == {}
    life.passes_until(later(hours=72))

    assert life.escalations() == {"reach/1/completion": ("active", 1)}
    assert life.follow_ups() == {"reach/1": "failed"}


def test_the_ladder_climbs_on_through_the_next_attempt_and_is_not_doubled():
    # Opened at 84 hours, not accepted by 88, overdue itself at 108: all of it is the same silence.
    life = failed_at(60).passes(hours=100)

    assert life.follow_ups() == {"reach/1": "failed", "reach/2": "requested"}
    assert life.escalations() == {"reach/1/completion": ("active", 3)}
    assert raised_after(life, "reach/1/completion") == [timedelta(hours=h) for h in (72, 76, 96)]


def test_it_is_closed_when_the_next_attempt_succeeds():
    life = failed_at(60).passes(hours=30).set("reach", "completed", occurrence=2)

    assert life.escalations() == {"reach/1/completion": ("completed", 2)}


def test_it_is_closed_when_the_record_shows_the_contact_before_the_next_attempt():
    life = failed_at(60).passes(hours=13).told(fact("Communication", "c", later(hours=73), topic="contact"))

    assert life.escalations() == {"reach/1/completion": ("completed", 1)}
    assert life.passes(days=30).follow_ups() == {"reach/1": "failed"}, "nothing is asked for again"


def test_done_before_the_promised_time_nobody_is_told():
    life = failed_at(10).passes(hours=26).set("reach", "completed", occurrence=2).passes(days=30)

    assert life.escalations() == {}


def test_when_the_attempts_are_used_up_one_ladder_gives_way_to_the_other():
    life = failed_at(60).passes(hours=25).set("reach", "failed", occurrence=2)
    assert life.escalations() == {"reach/1/completion": ("active", 2)}

    life.passes(hours=25).set("reach", "failed", occurrence=3)

    assert life.escalations() == {
        "reach/1/completion": ("completed", 3),
        "reach/3/unreachable": ("active", 1),
    }


def test_it_is_closed_when_the_owner_gives_the_follow_up_up_with_a_reason():
    life = failed_at(60).passes(hours=25).set("reach", "cancelled", occurrence=2, reason="moved abroad")

    assert life.escalations() == {"reach/1/completion": ("completed", 2)}


# --- while a later attempt is open ---


def test_the_promised_time_escalates_also_while_a_later_attempt_is_open_in_its_own_time():
    # Second attempt from 64 to 88 hours: in its own time, but the person was promised a contact within 72.
    life = failed_at(40).passes(hours=24).set("reach", "accepted", occurrence=2)
    assert life.follow_up("reach", 2).complete_by == later(hours=88)

    life.passes_until(later(hours=72))

    assert life.escalations() == {"reach/1/completion": ("active", 1)}
    assert life.passes(days=30).escalations() == {"reach/1/completion": ("active", 3)}


def test_a_later_attempt_that_was_made_in_its_time_is_no_silence():
    # Failed at 2 hours and at 27; the second was due at 50. It was made, the third follows at 51: nobody is silent.
    life = failed_at(2).passes(hours=25).set("reach", "failed", occurrence=2)

    life.passes_until(later(hours=71))

    assert life.escalations() == {"reach/3/acceptance": ("active", 2)}, "only the third was left alone"
    assert life.follow_up("reach", 3).opened_at == later(hours=51)


def test_a_ladder_about_a_later_attempt_stands_for_the_promised_time_as_well():
    life = failed_at(30).passes_until(later(hours=80))

    assert life.follow_up("reach", 2).opened_at == later(hours=54)
    assert life.escalations() == {"reach/2/acceptance": ("active", 2)}
    assert raised_after(life, "reach/2/acceptance") == [timedelta(hours=h) for h in (58, 62)]


def test_whoever_takes_the_overdue_attempt_on_has_one_response_time_before_the_ladder_starts_on_them():
    life = failed_at(30).passes_until(later(hours=80)).set("reach", "accepted", occurrence=2)
    assert life.escalations() == {"reach/2/acceptance": ("completed", 2)}

    life.passes_until(later(hours=82) - timedelta(microseconds=1))
    assert "reach/1/completion" not in life.escalations()
    life.passes_until(later(hours=82))

    assert life.escalations()["reach/1/completion"] == ("active", 1), "not all rungs at once"


def test_an_attempt_handed_over_late_starts_no_second_ladder():
    life = living(replace(REACH, attempts=1)).set("reach", "accepted").passes(hours=73)
    life.set("reach", "requested", owner=SECOND_COORDINATOR.reference)

    assert life.passes(hours=1).escalations() == {"reach/1/completion": ("active", 1)}


def test_a_ladder_that_people_closed_covers_nothing():
    life = failed_at(60).passes(hours=13)
    closed = replace(life.escalation("reach/1/completion"), status=PlanStatus.COMPLETED)
    life.record = replace(life.record, escalations=(closed,))
    life.wake().passes(hours=20)

    assert life.escalations()["reach/2/acceptance"] == ("active", 2)


# --- who is asked ---


def test_a_rung_that_moves_the_follow_up_moves_the_attempt_that_is_under_way():
    moving = ladder(rung(minutes(0), "supervisor"), rung(hours(20), "lead", reassign=True))
    life = failed_at(60, ladders={"missed": moving}).passes(hours=25)
    assert life.follow_up("reach", 2).owner == COORDINATOR.reference

    life.passes_until(later(hours=92))

    assert life.follow_up("reach", 2).owner == LEAD.reference


def test_while_the_attempt_under_way_is_on_hold_the_ladder_rests():
    life = failed_at(60).passes(hours=25).set("reach", "on-hold", occurrence=2)
    raised = len(life.escalation("reach/1/completion").rungs)

    life.passes(hours=70)
    assert len(life.escalation("reach/1/completion").rungs) == raised == 2
    life.passes(hours=3)

    assert len(life.escalation("reach/1/completion").rungs) == 3


def test_a_follow_up_that_nobody_is_told_about_stays_quiet():
    assert failed_at(60, replace(REACH, escalation=None)).passes(days=30).escalations() == {}


def test_an_attempt_without_a_pause_carries_the_promised_time_itself():
    at_once = replace(REACH, attempt_every=None)
    life = failed_at(60, at_once, ladders=ONE_RUNG).set("reach", "accepted", occurrence=2)
    assert life.follow_up("reach", 2).complete_by == later(hours=72)

    assert life.passes(hours=20).escalations() == {"reach/2/completion": ("active", 1)}


def test_after_a_refusal_the_next_first_attempt_is_promised_too():
    roster = joined_by(without(ROSTER, COORDINATOR), COORDINATOR, SECOND_COORDINATOR)
    plan = pathway(stage("received", REACH), STABLE, ladders=ONE_RUNG)
    life = world(plan, record(discharge(), roster=roster), NOW).set("reach", "rejected")
    life.set("reach", "accepted", occurrence=2).passes(hours=60).set("reach", "failed", occurrence=2)

    life.passes(hours=13)

    assert life.escalations()["reach/2/completion"] == ("active", 1)
    assert life.escalation("reach/2/completion").rungs[0].owner == SUPERVISOR.reference
