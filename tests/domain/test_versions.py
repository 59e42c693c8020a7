"""People stay on the version of a pathway that they began with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.decide import decide_all
from service.domain.measures import count_versions
from service.domain.needs import TaskState
from service.domain.pathway import Measure
from service.domain.versions import Versions, as_tried_out
from service.domain.vocabulary import MeasureId, PathwayId, PlanStatus, Reference
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    CONTACT,
    NOW,
    STABLE,
    days,
    discharge,
    hours,
    later,
    on_task,
    pathway,
    record,
    stage,
)

SLOW, QUICK = (
    pathway(
        stage("received", replace(CONTACT, due_in=replace(CONTACT.due_in, otherwise=length))),
        STABLE,
        version=version,
    )
    for version, length in (("2026.1.0", hours(72)), ("2026.2.0", hours(24)))
)
EARLIER = replace(SLOW, current=False)
BOTH = (QUICK, EARLIER)


def began_before() -> World:
    """Somebody who began on the slow version, before the quick one came."""
    life = world(SLOW, record(discharge()), NOW)
    life.pathways = BOTH
    return life


def test_who_is_on_an_earlier_version_keeps_its_clocks():
    life = began_before().passes(hours=25)

    assert life.enrolment.pathway_version == "2026.1.0"
    assert life.follow_up("contact").complete_by == later(hours=72)
    assert life.decided[-1].enrolment.pathway_version == "2026.1.0"


def test_with_the_change_itself_nothing_is_to_be_written():
    assert all(decision.is_settled for decision in decide_all(BOTH, began_before().record, NOW))


def test_who_begins_after_the_change_begins_on_the_current_version():
    life = World(pathways=BOTH, record=record(discharge()), now=NOW).wake()

    assert life.enrolment.pathway_version == "2026.2.0"
    assert life.follow_up("contact").complete_by == later(hours=24)


@pytest.mark.parametrize("versions", [BOTH, BOTH[::-1]], ids=["current first", "current last"])
def test_one_discharge_begins_one_enrolment_however_many_versions_are_kept(versions):
    life = World(pathways=versions, record=record(discharge()), now=NOW).wake()

    assert [e.pathway_version for e in life.record.enrolments] == ["2026.2.0"]


def test_an_earlier_version_begins_nothing_even_where_the_current_one_would_not_either():
    retired = replace(QUICK, status="retired")

    assert decide_all((retired, EARLIER), record(discharge()), NOW) == ()


def test_an_enrolment_that_no_longer_says_its_version_follows_the_current_one():
    life = began_before()
    nameless = replace(life.enrolment, pathway_version="")

    assert Versions(BOTH).get(nameless) is QUICK
    assert Versions([EARLIER]).get(nameless) is None


def test_a_running_enrolment_on_a_version_that_is_not_there_is_named_and_left_as_it_is():
    life = began_before()

    assert Versions([QUICK]).not_here(life.record.enrolments) == (life.enrolment,)
    assert decide_all((QUICK,), life.record, later(hours=100)) == ()


def test_an_enrolment_that_is_over_needs_no_version():
    over = replace(began_before().enrolment, status=PlanStatus.COMPLETED)

    assert Versions([QUICK]).not_here([over]) == ()


def test_another_pathway_of_the_same_version_is_not_followed_by_it():
    other = replace(QUICK, id=PathwayId("other"))

    assert Versions([replace(other, version="2026.1.0")]).get(began_before().enrolment) is None


def someone(name: str, *versions):
    anchor = replace(discharge(), reference=Reference(f"Encounter/{name}"))
    life = World(
        pathways=versions, record=replace(record(anchor), person=Reference(f"Patient/{name}")), now=NOW
    ).wake()
    return life.record


def test_each_enrolment_is_counted_by_the_version_it_began_with():
    def measured(version, length):
        done = Measure(
            id=MeasureId("contact"),
            title="Contacted",
            numerator=(on_task("contact", TaskState.COMPLETED),),
            within=length,
        )
        return replace(version, measures=(done,))

    quick, slow = measured(QUICK, days(1)), measured(EARLIER, days(3))
    people = [someone("ada", replace(slow, current=True)), someone("bea", quick)]
    [counted] = count_versions((quick, slow), people, later(hours=48), Versions([quick, slow]))

    assert counted.denominator == ("transition/Encounter/bea", "transition/Encounter/ada")
    assert counted.pending == ("transition/Encounter/ada",)


def test_a_measure_that_only_an_earlier_version_has_is_told_for_who_is_on_it():
    old = Measure(
        id=MeasureId("called"), title="Called", numerator=(on_task("contact", TaskState.COMPLETED),)
    )
    own = (QUICK, replace(EARLIER, measures=(old,)))
    counted = count_versions(own, [someone("ada", SLOW)], NOW, Versions(own))

    assert [(c.measure, c.denominator) for c in counted] == [("called", ("transition/Encounter/ada",))]


@pytest.mark.parametrize("status", ["draft", "retired", "active"])
def test_a_version_that_is_tried_out_enrols_whatever_its_status(status):
    tried = as_tried_out(replace(EARLIER, status=status))

    assert [d.enrolment.pathway_version for d in decide_all((tried,), record(discharge()), NOW)] == [
        "2026.1.0"
    ]
    assert tried.stages == EARLIER.stages


def test_a_draft_begins_nothing_by_itself():
    assert decide_all((replace(QUICK, status="draft"),), record(discharge()), NOW) == ()
