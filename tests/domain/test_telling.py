"""Whoever holds open work hears about it when a correction of the record cancels that work."""

from __future__ import annotations

from dataclasses import replace

from service.domain.decide import decide_all
from service.domain.vocabulary import FollowUpStatus, Reference
from tests.domain.an_imaginary_record import World, steps, world
from tests.domain.builders import NOW, discharge, fact, later, pathway, record


def running() -> World:
    return world(pathway(), record(discharge()), NOW)


def told(life: World) -> list[tuple[str, str, str]]:
    """(which Task below the enrolment, whom, why) of everything decided so far."""
    return [
        (each.about.removeprefix("transition/Encounter/stay/"), each.holder.display, each.because)
        for decision in life.decided
        for each in decision.told
    ]


CANCELLED = "the pathway ended: the resource that began this pathway was cancelled or entered in error"


def test_the_owner_of_a_follow_up_hears_that_the_discharge_was_cancelled():
    life = running().passes(hours=2)
    owner = life.follow_up("contact").owner
    life.told(discharge(void=True))

    assert told(life) == [("contact/1", "Cora", CANCELLED)]
    assert life.decided[-1].told[0].holder.reference == owner
    assert life.decided[-1].told[0].title == "Contact"


def test_the_owner_hears_of_a_death_of_a_deletion_and_of_an_end_that_came_about():
    died = running()
    died.record = replace(died.record, deceased_at=later(hours=1))
    gone = running()
    gone.record = replace(gone.record, facts=(), gone=frozenset({Reference("Encounter/stay")}))
    stable = running()
    stable.told(fact("Observation", "s", later(hours=5), says="stable"))

    assert [why for _, _, why in told(died.wake())] == ["the pathway ended: the person has died"]
    assert [why for _, _, why in told(gone.wake())] == [
        "the pathway ended: the resource that began this pathway was deleted from the record"
    ]
    assert [why for _, _, why in told(stable)] == ["the pathway ended: Stable"]


def test_who_was_asked_to_respond_to_an_escalation_hears_it_too():
    life = running().passes(hours=5)
    assert "contact/1/acceptance" in life.escalations()
    life.told(discharge(void=True))

    assert [(about, why) for about, _, why in told(life)] == [
        ("contact/1", CANCELLED),
        ("contact/1/acceptance/1", f"no longer needed: {CANCELLED}"),
    ]


def test_nobody_is_told_of_work_that_was_done_or_refused_before():
    life = running().set("contact", "completed").told(discharge(void=True))

    assert told(life) == []


def test_a_closing_that_a_crash_interrupted_still_tells_everybody():
    """Cut off after each single write: the next decision tells whoever has not certainly been told."""
    life = running().passes(hours=5)
    life.record = replace(life.record, facts=(discharge(void=True),))
    [whole] = decide_all(life.pathways, life.record, life.now)
    cut = life.record
    for step in steps(whole)[:-1]:
        cut = step(cut)
        [again] = decide_all(life.pathways, cut, life.now)
        assert {each.about for each in again.told} == {each.about for each in whole.told}
        assert {each.because for each in again.told} == {each.because for each in whole.told}


def test_a_follow_up_that_its_owner_cancelled_is_not_announced_to_them():
    life = running().set("contact", "cancelled", reason="moved abroad").told(discharge(void=True))

    assert life.follow_up("contact").status is FollowUpStatus.CANCELLED
    assert told(life) == []
