"""A risk level that is raised late makes a follow-up due now; it never fires a whole ladder at once."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from service.domain.decide import decide_all
from service.domain.follow_up_task import DueIn
from service.domain.pathway import Criterion
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    hours,
    in_record,
    later,
    pathway,
    record,
    stage,
    task,
)

RISK = Criterion(
    id="risk",
    levels=(
        ("high", (in_record("RiskAssessment", level="high"),)),
        ("low", (in_record("RiskAssessment", level="low"),)),
    ),
)
VISIT = task(
    "visit",
    due_in=DueIn(otherwise=hours(72), criterion="risk", by_level={"high": hours(24), "low": days(7)}),
)


def accepted() -> World:
    plan = pathway(stage("received", VISIT), STABLE, criteria={"risk": RISK})
    return world(plan, record(discharge()), NOW).set("visit", "accepted")


def told_of_risk(life: World, level: str) -> World:
    return life.told(fact("RiskAssessment", f"{level}-{len(life.record.facts)}", life.now, level=level))


def raised_after(life: World, name: str) -> list[timedelta]:
    return [r.raised_at.astimezone(UTC) - NOW.astimezone(UTC) for r in life.escalation(name).rungs]


def test_a_level_raised_after_its_own_time_makes_the_follow_up_due_now():
    life = told_of_risk(accepted().passes(hours=60), "high")

    assert life.follow_up("visit").complete_by == later(hours=60), "not 24 hours, which nobody could keep"
    assert life.follow_up("visit").timeliness == "overdue"
    assert life.escalations() == {"visit/1/completion": ("active", 1)}


def test_the_ladder_then_climbs_in_its_own_time():
    life = told_of_risk(accepted().passes(hours=60), "high").passes(days=5)

    assert raised_after(life, "visit/1/completion") == [timedelta(hours=h) for h in (60, 64, 84)]


def test_a_level_raised_early_enough_moves_the_time_as_ever():
    life = told_of_risk(accepted().passes(hours=20), "high")

    assert life.follow_up("visit").complete_by == later(hours=24)
    assert life.escalations() == {}


def test_at_the_very_instant_it_is_due_now():
    life = told_of_risk(accepted().passes(hours=24), "high")

    assert life.follow_up("visit").complete_by == later(hours=24)
    assert life.escalations() == {"visit/1/completion": ("active", 1)}


@pytest.mark.parametrize("after", [0, 1, 3, 11, 47, 200])
def test_deciding_again_later_does_not_move_it_again(after):
    life = told_of_risk(accepted().passes(hours=60), "high").passes(hours=after)

    assert life.follow_up("visit").complete_by == later(hours=60)
    assert all(d.is_settled for d in decide_all(life.pathways, life.record, life.now))


def test_what_is_overdue_already_stays_as_overdue_as_it_was():
    life = told_of_risk(accepted().passes(hours=75), "high").passes(hours=100)

    assert life.follow_up("visit").complete_by == later(hours=72)
    assert raised_after(life, "visit/1/completion") == [timedelta(hours=h) for h in (72, 76, 96)]


def test_a_lower_level_still_gives_an_overdue_follow_up_its_longer_time():
    life = told_of_risk(accepted().passes(hours=75), "low")

    due = life.follow_up("visit").complete_by
    assert due is not None
    assert due > later(hours=100)


def test_once_it_is_due_now_it_stays_due_also_when_the_level_falls_again():
    # The moment of re-planning looks like a date set by hand: it is kept, and somebody decides.
    life = told_of_risk(accepted().passes(hours=60), "high")
    life = told_of_risk(life.passes(hours=1), "low")

    assert life.follow_up("visit").complete_by == later(hours=60)
    assert life.escalations()["visit/1/completion"] == ("active", 1)
