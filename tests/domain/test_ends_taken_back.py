"""An end that the record takes back: the discharge was cancelled by mistake, the person is alive after all."""

from __future__ import annotations

from dataclasses import replace

from service.domain.vocabulary import PlanStatus
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import NOW, discharge, fact, later, pathway, record


def cancelled() -> World:
    return world(pathway(), record(discharge()), NOW).passes(hours=2).told(discharge(void=True))


def test_a_discharge_cancelled_by_mistake_goes_on_with_its_follow_ups():
    assert cancelled().enrolment.status is PlanStatus.REVOKED
    life = cancelled().told(discharge())

    assert life.enrolment.status is PlanStatus.ACTIVE
    assert life.enrolment.ended_reason == ""
    assert life.follow_ups() == {"contact/1": "cancelled", "contact/2": "requested"}
    assert life.follow_up("contact", 2).complete_by == life.follow_up("contact").complete_by
    assert [kind for kind, _ in life.variances()] == ["ended-early"]


def test_taking_it_back_settles():
    life = cancelled().told(discharge())
    revision = life.enrolment.revision

    assert life.wake().enrolment.revision == revision


def test_a_death_recorded_by_mistake_is_taken_back():
    life = world(pathway(), record(discharge()), NOW)
    life.record = replace(life.record, deceased_at=later(hours=1))
    assert life.wake().enrolment.status is PlanStatus.REVOKED
    life.record = replace(life.record, deceased_at=None)

    assert life.wake().enrolment.status is PlanStatus.ACTIVE
    assert life.follow_ups() == {"contact/1": "cancelled", "contact/2": "requested"}


def test_a_plan_that_people_revoked_stays_revoked():
    life = world(pathway(), record(discharge()), NOW)
    revoked = replace(life.enrolment, status=PlanStatus.REVOKED)
    life.record = replace(life.record, enrolments=(revoked,))

    assert life.wake().enrolment.status is PlanStatus.REVOKED


def test_a_cancelled_discharge_that_was_merely_not_read_stays_ended():
    life = cancelled()
    life.record = replace(life.record, facts=())

    assert life.wake().enrolment.status is PlanStatus.REVOKED


def test_a_discharge_that_comes_after_all_begins_again():
    """The same Encounter: finished, back in progress (the pathway ends), finished again some days later."""
    life = world(pathway(), record(discharge()), NOW).told(
        fact("Observation", "s", later(hours=5), says="stable")
    )
    assert life.enrolment.status is PlanStatus.COMPLETED
    life.passes(days=2).told(replace(discharge(), happened_at=later(days=2)))

    assert sorted((e.identifier, e.status.value) for e in life.record.enrolments) == [
        ("transition/Encounter/stay", "completed"),
        ("transition/Encounter/stay~2", "active"),
    ]
    assert "transition/Encounter/stay~2/contact/1" in {f.identifier for f in life.record.follow_ups}


def test_a_pathway_that_has_ended_does_not_begin_again_by_the_same_discharge():
    life = world(pathway(), record(discharge()), NOW).told(
        fact("Observation", "s", later(hours=5), says="stable")
    )

    assert [e.identifier for e in life.passes(days=2).record.enrolments] == ["transition/Encounter/stay"]
