"""Governance measures: who belongs, who is left out, who met it in time, for whom it is still open."""

from __future__ import annotations

from dataclasses import replace

from service.domain.measures import count
from service.domain.needs import TaskState
from service.domain.pathway import Measure
from service.domain.vocabulary import MeasureId, PlanStatus, Reference
from tests.domain.an_imaginary_record import world
from tests.domain.builders import (
    CONTACT,
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    hours,
    in_record,
    later,
    local,
    on_task,
    pathway,
    record,
    stage,
)

CONTACTED = in_record("Communication", topic="contact")
READMITTED = in_record("Encounter", status="arrived")


def measure(**more) -> Measure:
    settings = {"numerator": (CONTACTED,), "within": days(7), **more}
    return Measure(id=MeasureId("contact-7"), title="Contact within 7 days", **settings)


def someone(name: str, *facts):
    """A person discharged at the house instant, as the record is 10 days later."""
    anchor = replace(discharge(), reference=Reference(f"Encounter/{name}"))
    plan = pathway(stage("received", CONTACT), STABLE)
    life = world(plan, replace(record(anchor), person=Reference(f"Patient/{name}")), NOW)
    life.told(*facts)
    return life.record


def named(*names: str) -> tuple[str, ...]:
    return tuple(f"transition/Encounter/{name}" for name in names)


def contact(at, name="c"):
    return fact("Communication", name, at, topic="contact")


def counted(wanted: Measure, *people, at=NOW, **more):
    (found,) = count(pathway(measures=(wanted,), **more), people, at)
    return found


AFTER = local("2026-03-20 12:00")


def test_who_was_contacted_in_time_is_counted_over_everybody():
    people = [someone("a", contact(later(days=2))), someone("b", contact(later(days=9))), someone("c")]
    found = counted(measure(), *people, at=AFTER)

    assert found.denominator == named("a", "b", "c")
    assert found.numerator == named("a")
    assert found.excluded == found.pending == ()
    assert found.rate == 1 / 3


def test_the_last_moment_of_the_window_counts():
    in_time, late = local("2026-03-13 23:59:59"), local("2026-03-14 00:00")

    assert counted(measure(), someone("a", contact(in_time)), at=AFTER).numerator == named("a")
    assert counted(measure(), someone("a", contact(late)), at=AFTER).numerator == ()


def test_while_the_time_is_not_over_a_case_is_pending_and_not_failed():
    people = [someone("a", contact(later(days=2))), someone("b")]

    assert counted(measure(), *people, at=later(days=3)).pending == named("b")
    assert counted(measure(), *people, at=local("2026-03-13 23:59:59")).pending == named("b")
    assert counted(measure(), *people, at=local("2026-03-14 00:00")).pending == ()


def test_without_a_window_a_case_stays_open():
    assert counted(measure(within=None), someone("a"), at=AFTER).pending == named("a")


def test_the_excluded_leave_the_denominator_and_are_named():
    back = fact("Encounter", "back", later(days=1), status="arrived")
    people = [someone("a", contact(later(days=2)), back), someone("b")]
    found = counted(measure(exclusion=(READMITTED,)), *people, at=AFTER)

    assert found.excluded == named("a")
    assert found.denominator == named("b")
    assert found.numerator == ()


def test_an_exclusion_after_the_window_excludes_nobody():
    back = fact("Encounter", "back", later(days=9), status="arrived")

    assert counted(measure(exclusion=(READMITTED,)), someone("a", back), at=AFTER).denominator == named("a")


def test_the_denominator_may_ask_for_more_than_being_enrolled():
    wanted = measure(denominator=(READMITTED,))
    back = fact("Encounter", "back", later(days=9), status="arrived")

    found = counted(wanted, someone("a", back), someone("b"), at=AFTER)
    assert found.denominator == named("a")


def test_the_same_day_counts_unless_the_measure_says_otherwise():
    same_evening = someone("a", contact(later(hours=7)))  # 23:30 in Denver, already the next day in UTC
    next_day = someone("b", contact(later(hours=8)))

    assert counted(measure(), same_evening, next_day, at=AFTER).numerator == named("a", "b")
    assert counted(measure(same_day_counts=False), same_evening, next_day, at=AFTER).numerator == named("b")


def test_one_contact_on_the_same_day_and_one_later_is_met():
    both = someone("a", contact(later(hours=1)), contact(later(days=1), "d"))

    assert counted(measure(same_day_counts=False), both, at=AFTER).numerator == named("a")


def test_nobody_is_no_rate_and_not_zero():
    assert counted(measure(), at=AFTER).rate is None


def test_enrolments_of_other_pathways_and_those_entered_in_error_do_not_belong():
    person = someone("a")
    wrong = replace(person, enrolments=(replace(person.enrolments[0], status=PlanStatus.ENTERED_IN_ERROR),))
    other = replace(person, enrolments=(replace(person.enrolments[0], pathway="another"),))

    assert counted(measure(), wrong, other, at=AFTER).denominator == ()


def test_a_measure_may_count_what_became_of_follow_ups():
    plan = pathway(stage("received", CONTACT), STABLE)
    wanted = measure(numerator=(on_task("contact", TaskState.COMPLETED),), within=hours(72))
    life = world(plan, record(discharge()), NOW).set("contact", "accepted").passes(hours=70)
    in_time = life.set("contact", "completed").record
    missed = world(plan, record(discharge()), NOW).passes(hours=90).record

    assert counted(wanted, in_time, at=AFTER).rate == 1
    assert counted(wanted, missed, at=AFTER).rate == 0
    misses = measure(numerator=(on_task("contact", TaskState.MISSED),))
    assert counted(misses, missed, at=AFTER).rate == 1


def test_a_miss_still_counts_after_the_enrolment_has_ended():
    plan = pathway(stage("received", CONTACT), STABLE)
    life = world(plan, record(discharge()), NOW).passes(hours=90)
    life.told(fact("Observation", "s", later(hours=90), says="stable"))
    misses = measure(numerator=(on_task("contact", TaskState.MISSED),))

    assert counted(misses, life.record, at=AFTER).rate == 1
