"""Rows that look further than one fact: when it really happened, other facts beside it, and a referral's own clock."""

from __future__ import annotations

from dataclasses import replace

from service.domain.decide import decide_all
from service.domain.evidence import Condition, Fact, Situation
from service.domain.measures import count
from service.domain.needs import InRecord, OnStage
from service.domain.pathway import Measure, Start
from service.domain.vocabulary import MeasureId, PathwayId, Reference, StageId
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    CONTACT,
    NOW,
    condition,
    days,
    discharge,
    fact,
    later,
    pathway,
    record,
    stage,
)

# --- when it happened ---

STAY = Condition(
    kind="Encounter",
    text="another stay, from its first day",
    holds=lambda fact, situation: fact.reference != situation.anchor,
    happened_at=lambda fact: fact.content.get("began_at"),
)
BACK = stage("back", enter=(InRecord(condition=STAY),), final=True)
READMITTED = Measure(
    id=MeasureId("readmitted"),
    title="Readmitted",
    numerator=(OnStage(stage=StageId("back")),),
    within=days(2),
)


def followed() -> World:
    return world(
        pathway(stage("received", CONTACT), BACK, measures=(READMITTED,), starts=ONLY_THE_STAY),
        record(discharge()),
        NOW,
    )


ONLY_THE_STAY = (
    Start(
        title="Discharge",
        condition=Condition(
            kind="Encounter", text="stay", holds=lambda fact, _: fact.reference == "Encounter/stay"
        ),
        within=days(7),
    ),
)


def stay(name: str, began_at, over_at) -> Fact:
    return fact("Encounter", name, over_at, began_at=began_at)


def test_a_stay_counts_from_its_first_day_also_when_it_is_over():
    life = followed().passes(hours=90).told(stay("second", later(hours=30), later(hours=80)))

    assert life.enrolment.status == "completed"
    assert life.enrolment.history[-1].entered_at == later(hours=30)
    (readmitted,) = count(life.pathways[0], [life.record], life.now)
    assert readmitted.numerator == (life.enrolment.identifier,), "within two days, by the admission"


def test_a_stay_that_began_before_and_was_only_closed_later_counts_for_nothing():
    life = followed().passes(hours=2).told(stay("same", later(hours=-200), later(hours=1)))

    assert life.enrolment.status == "active"


def test_a_stay_that_does_not_say_when_it_began_counts_for_nothing():
    life = followed().passes(hours=2).told(stay("unsaid", None, later(hours=1)))

    assert life.enrolment.status == "active"


# --- other facts of the record ---


def test_a_condition_may_look_at_every_other_fact_and_at_what_began_the_pathway():
    asked: list[Situation] = []

    def holds(_: Fact, situation: Situation) -> bool:
        asked.append(situation)
        return False

    curious = InRecord(condition=Condition(kind="Condition", text="curious", holds=holds), ever=True)
    world(
        pathway(stage("received", CONTACT), stage("next", enter=(curious,)), starts=ONLY_THE_STAY),
        record(discharge(), fact("Condition", "c", NOW)),
        NOW,
    )

    assert {kind: [f.reference for f in facts] for kind, facts in asked[0].others.items()} == {
        "Encounter": ["Encounter/stay"],
        "Condition": ["Condition/c"],
    }
    assert asked[0].anchor_fact == discharge()


def test_what_began_the_pathway_may_be_out_of_sight():
    seen = Situation(now=NOW, anchor=Reference("Encounter/gone"), started_at=NOW)

    assert seen.anchor_fact is None


# --- a referral's clock ---

REFERRED = Start(
    title="Referral",
    condition=condition("ServiceRequest", status="active"),
    within=days(7),
    anchor_of=lambda fact: fact.content["about"],
    clock_of=condition("Encounter", status="finished"),
)


def referred(*visits: Fact, at=None) -> World:
    referral = fact("ServiceRequest", "r", at or later(hours=10), status="active", about="Encounter/stay")
    plan = pathway(stage("received", CONTACT), starts=(REFERRED,))
    return world(plan, record(referral, *visits), later(hours=12))


def test_a_referral_counts_from_the_end_of_the_visit_it_is_about():
    life = referred(discharge())

    assert life.enrolment.started_at == NOW
    assert life.follow_up("contact").complete_by == later(hours=72)


def test_also_when_it_was_written_before_the_visit_ended():
    assert referred(discharge(), at=later(hours=-3)).enrolment.started_at == NOW


def test_a_referral_counts_from_itself_while_the_visit_goes_on():
    going_on = replace(discharge(later(hours=-5)), content={"status": "in-progress"})

    assert referred(going_on).enrolment.started_at == later(hours=10)


def test_a_clock_that_has_begun_is_not_moved_when_the_visit_ends_later():
    going_on = replace(discharge(later(hours=-5)), content={"status": "in-progress"})
    life = referred(going_on).told(discharge(later(hours=11)))

    assert life.enrolment.started_at == later(hours=10)
    assert [d for d in decide_all(life.pathways, life.record, life.now) if not d.is_settled] == []


def test_a_referral_counts_from_itself_when_the_visit_is_unknown_or_says_no_time_of_its_own():
    assert referred().enrolment.started_at == later(hours=10)
    assert referred(discharge(time_assumed=True)).enrolment.started_at == later(hours=10)
    assert referred(discharge(time_assumed=True)).variances() == []


def test_a_referral_with_its_own_start_beside_it_begins_one_enrolment_with_one_clock():
    own = Start(title="Visit", condition=condition("Encounter", status="finished"), within=days(7))
    referral = fact("ServiceRequest", "r", later(hours=10), status="active", about="Encounter/stay")
    for starts in ((REFERRED, own), (own, REFERRED)):
        plan = pathway(stage("received", CONTACT), starts=starts, id=PathwayId("transition"))
        life = world(plan, record(referral, discharge()), later(hours=12))

        assert life.enrolment.started_at == NOW
