"""When an enrolment begins, when it does not, and how it ends before its time."""

from __future__ import annotations

from dataclasses import replace

from service.domain.decide import decide_all
from service.domain.pathway import Start
from service.domain.vocabulary import PathwayId, Reference
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    ACCOUNTABLE,
    ANCHOR,
    CONTACT,
    DISCHARGED,
    LEAD,
    NOW,
    ROSTER,
    STABLE,
    condition,
    days,
    discharge,
    fact,
    later,
    local,
    pathway,
    record,
    stage,
    without,
)


def begun(*facts, at=NOW, **more) -> World:
    return world(pathway(**more), record(*facts), at)


def enrolled(life: World) -> list[str]:
    return sorted(e.identifier for e in life.record.enrolments)


def test_a_discharge_begins_an_enrolment():
    life = begun(discharge())

    assert life.enrolment.started_at == NOW
    assert life.enrolment.pathway_version == "1.0.0"
    assert (life.enrolment.lead, life.enrolment.lead_display) == (LEAD.reference, "Lena")
    assert life.enrolment.revision == 1


def test_other_changes_begin_nothing():
    assert begun(replace(discharge(), content={"status": "in-progress"})).record.enrolments == ()
    assert begun(discharge(void=True)).record.enrolments == ()


def test_what_is_too_old_is_history_and_not_a_reason_to_act():
    last_moment = local("2026-03-13 23:59:59")
    assert enrolled(begun(discharge(), at=last_moment)) == ["transition/Encounter/stay"]

    assert begun(discharge(), at=local("2026-03-14 00:00")).record.enrolments == ()


def test_an_enrolment_begins_once():
    life = begun(discharge())
    life.told(replace(discharge(), version="2"))

    assert enrolled(life) == ["transition/Encounter/stay"]


def test_an_enrolment_that_has_ended_does_not_begin_again():
    life = begun(discharge()).told(fact("Observation", "s", NOW, says="stable"))

    assert life.wake().enrolment.status.value == "completed"


def referral(at=NOW, **content):
    return fact("ServiceRequest", "referral", at, about=ANCHOR, **content)


REFERRED = Start(
    title="Referral",
    condition=condition("ServiceRequest"),
    within=days(7),
    anchor_of=lambda fact: fact.content["about"],
)


def test_two_starts_with_one_anchor_are_one_enrolment():
    both = pathway(starts=(DISCHARGED, REFERRED))

    assert enrolled(world(both, record(discharge(), referral()), NOW)) == ["transition/Encounter/stay"]
    assert enrolled(world(both, record(referral()), NOW).told(discharge())) == ["transition/Encounter/stay"]


def test_of_several_facts_that_begin_the_same_enrolment_the_oldest_sets_the_clock():
    old, new = (
        referral(later(hours=-5)),
        replace(referral(later(hours=-1)), reference=Reference("ServiceRequest/2")),
    )
    for facts in ((old, new), (new, old)):
        life = world(pathway(starts=(REFERRED,)), record(*facts), NOW)
        assert life.enrolment.started_at == later(hours=-5)


def test_unless_keeps_an_enrolment_from_beginning():
    unless = replace(DISCHARGED, unless=(condition("Encounter", disposition="died"),))
    died = replace(discharge(), content={"status": "finished", "disposition": "died"})

    assert begun(died, starts=(unless,)).record.enrolments == ()
    assert enrolled(begun(discharge(), starts=(unless,))) == ["transition/Encounter/stay"]


def test_also_asks_for_something_else_in_the_record():
    also = replace(DISCHARGED, also=(condition("Condition", code="smi"), condition("Flag")))
    life = begun(discharge(), starts=(also,))
    assert life.record.enrolments == ()

    life.told(fact("Condition", "c", later(days=-400), void=True, code="smi"))
    assert life.record.enrolments == ()

    life.told(fact("Condition", "d", later(days=-400), code="smi"))
    assert enrolled(life) == ["transition/Encounter/stay"]


def test_what_begins_an_enrolment_is_not_itself_what_else_is_asked_for():
    twice = replace(DISCHARGED, also=(condition("Encounter", status="finished"),))
    life = begun(discharge(), starts=(twice,))
    assert life.record.enrolments == ()

    second = replace(discharge(), reference=Reference("Encounter/other"))
    assert len(enrolled(life.told(second))) == 2


def test_a_start_without_a_time_counts_from_the_server_and_says_so():
    life = begun(discharge(time_assumed=True))

    (variance,) = life.enrolment.variances
    assert (variance.kind.value, variance.subject) == ("clock-assumed", "Encounter")
    assert variance.reason == (
        "the Encounter does not say when it happened; the clocks count from when the record took it in. "
        "Please complete its period."
    )
    assert life.follow_up("contact").complete_by == later(hours=72)


def test_a_draft_pathway_begins_nothing_and_finishes_what_it_began():
    life = begun(discharge())
    life.pathways = (replace(life.pathways[0], status="retired"),)
    assert life.passes(hours=5).escalations() == {"contact/1/acceptance": ("active", 1)}

    assert begun(discharge(), status="draft").record.enrolments == ()


def test_each_pathway_decides_for_itself():
    other = pathway(stage("watching"), STABLE, id=PathwayId("watch"))
    life = World(pathways=(pathway(), other), record=record(discharge()), now=NOW).wake()

    assert enrolled(life) == ["transition/Encounter/stay", "watch/Encounter/stay"]


def test_without_a_holder_of_the_leads_role_the_accountable_person_leads():
    life = world(pathway(), record(discharge(), roster=without(ROSTER, LEAD)), NOW)

    assert life.enrolment.lead == ACCOUNTABLE.reference


# --- ended before its time ---


def escalated() -> World:
    return begun(discharge()).passes(hours=5)


def closed(life: World) -> None:
    assert life.enrolment.status.value == "revoked"
    assert life.follow_ups() == {"contact/1": "cancelled"}
    assert life.escalations() == {"contact/1/acceptance": ("completed", 1)}
    assert [r.status.value for r in life.escalation("contact/1/acceptance").rungs] == ["cancelled"]
    assert life.next_due_at() is None


def test_death_closes_everything_with_the_reason():
    life = escalated()
    life.record = replace(life.record, deceased_at=later(hours=5))
    closed(life.wake())

    assert life.enrolment.ended_reason == "the person has died"
    assert life.follow_up("contact").reason == "the pathway ended: the person has died"


def test_nobody_who_has_died_is_enrolled():
    assert world(pathway(), record(discharge(), deceased_at=NOW), NOW).record.enrolments == ()


def test_a_cancelled_discharge_closes_everything_with_the_reason():
    life = escalated().told(discharge(void=True))
    closed(life)

    assert (
        life.enrolment.ended_reason
        == "the resource that began this pathway was cancelled or entered in error"
    )


def test_a_deleted_discharge_closes_everything_with_the_reason():
    life = escalated()
    life.record = replace(life.record, facts=(), gone=frozenset({ANCHOR}))
    closed(life.wake())

    assert life.enrolment.ended_reason == "the resource that began this pathway was deleted from the record"


def test_a_discharge_that_was_merely_not_read_closes_nothing():
    # Reading is bounded by look-back windows: absence from what was read is not absence from the record.
    life = escalated()
    life.record = replace(life.record, facts=())

    assert life.wake().enrolment.status.value == "active"


def test_the_trail_says_which_rule_spoke():
    life = begun(discharge()).passes(hours=4)
    first, second = life.decided

    assert first.rules == ("opened contact/1: Contact",)
    assert second.rules == (
        "Contact: acceptance-overdue",
        "rung 1 of missed: Contact: nobody has accepted it by its time",
    )


def test_the_decision_at_an_earlier_instant_is_the_one_that_was_taken_then():
    life = begun(discharge())
    earlier = life.record
    life.passes(hours=5)

    assert decide_all(life.pathways, earlier, later(hours=4)) == (life.decided[1],)


def test_a_follow_up_of_an_ended_enrolment_is_left_alone():
    life = escalated().told(fact("Observation", "s", later(hours=5), says="stable"))
    life.set("contact", "in-progress")

    assert life.passes(days=9).follow_up("contact").status.value == "in-progress"
    assert CONTACT.id == "contact"
