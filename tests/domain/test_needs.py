"""Whether, and since when, a need is fulfilled."""

from __future__ import annotations

from dataclasses import replace

from service.domain.follow_up_task import DueIn
from service.domain.needs import TaskState
from service.domain.vocabulary import FollowUpStatus
from tests.domain.an_imaginary_record import world
from tests.domain.builders import (
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    hours,
    in_record,
    later,
    on_task,
    pathway,
    record,
    stage,
    task,
)

OUTREACH = task("outreach", opens_when=(on_task("contact", TaskState.MISSED),), clock="opened")


def with_contact(**more):
    contact = task("contact", done_when=(in_record("Communication", topic="contact"),), **more)
    return pathway(stage("received", contact, OUTREACH), STABLE)


def test_a_follow_up_that_failed_is_still_missed_when_its_time_comes():
    life = world(with_contact(), record(discharge()), NOW).set("contact", "failed")

    life.passes(hours=71)
    assert life.follow_ups() == {"contact/1": "failed"}
    life.passes(hours=2)

    assert life.follow_up("outreach").opened_at == later(hours=72)


def test_a_second_attempt_in_time_is_not_a_miss_of_the_first():
    life = world(with_contact(attempts=3, attempt_every=hours(4)), record(discharge()), NOW)
    life.set("contact", "failed").passes(hours=5)
    life.set("contact", "completed", occurrence=2).passes(days=5)

    assert life.follow_ups() == {"contact/1": "failed", "contact/2": "completed"}


def test_what_was_done_in_time_but_closed_late_is_not_missed():
    contacted = fact("Communication", "c", later(hours=20), topic="contact")
    life = world(with_contact(), record(discharge()), NOW).passes(hours=90).told(contacted)

    assert "outreach/1" in life.follow_ups(), "nobody could know at the time"
    again = world(with_contact(), record(discharge(), contacted), later(hours=90))
    assert "outreach/1" not in again.follow_ups()


def test_what_was_given_up_in_time_is_not_missed_and_what_was_given_up_afterwards_is():
    life = world(with_contact(), record(discharge()), NOW)
    life.set("contact", "cancelled", reason="moved abroad").passes(days=5)
    assert life.follow_ups() == {"contact/1": "cancelled"}

    late = world(with_contact(escalation=None), record(discharge()), NOW).passes(hours=73)
    late.set("contact", "cancelled", reason="moved abroad")
    late.record = replace(late.record, follow_ups=(late.follow_up("contact"),))
    assert late.wake().follow_up("outreach").status is FollowUpStatus.REQUESTED, "missed stays missed"


def test_an_entry_in_error_was_never_missed():
    life = world(with_contact(due_in=DueIn(otherwise=days(1))), record(discharge()), NOW)
    life.set("contact", "entered-in-error").set("contact", "completed", occurrence=2)

    assert "outreach/1" not in life.passes(days=5).follow_ups()
