"""A named person for every follow-up, always; and what happens when nobody holds a role."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.evidence import Holder, Roster
from service.domain.follow_up_task import Choice
from service.domain.owners import FoundBy, NoAccountablePerson, is_held, known_holder, resolve_owner
from service.domain.pathway import Criterion
from service.domain.vocabulary import Reference, RoleId
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    ACCOUNTABLE,
    CONTACT,
    COORDINATOR,
    DIRECTOR,
    LEAD,
    NOW,
    ROSTER,
    SECOND_COORDINATOR,
    STABLE,
    discharge,
    hours,
    in_record,
    joined_by,
    ladder,
    pathway,
    record,
    rung,
    stage,
    task,
    without,
)

ROLE = RoleId("coordinator")
IN_DIRECTORY = Holder(
    reference=Reference("PractitionerRole/carl-north"),
    practitioner=SECOND_COORDINATOR.reference,
    display="Carl",
    roles=frozenset({ROLE}),
)
VACANT = without(ROSTER, COORDINATOR)


def test_the_person_named_on_the_record_comes_first():
    roster = replace(ROSTER, explicit={ROLE: SECOND_COORDINATOR}, directory=(IN_DIRECTORY,))

    assert resolve_owner(ROLE, roster).holder == SECOND_COORDINATOR
    assert resolve_owner(ROLE, roster).found_by is FoundBy.EXPLICIT


def test_then_the_care_team_then_the_directory_then_the_accountable_person():
    roster = replace(ROSTER, directory=(IN_DIRECTORY,))
    assert resolve_owner(ROLE, roster).holder == COORDINATOR

    roster = without(roster, COORDINATOR)
    assert resolve_owner(ROLE, roster).holder == IN_DIRECTORY

    found = resolve_owner(ROLE, VACANT)
    assert found.holder == ACCOUNTABLE
    assert found.is_stand_in


def test_who_refused_is_not_asked_again_under_either_reference():
    roster = replace(VACANT, directory=(IN_DIRECTORY,))

    for refused in (IN_DIRECTORY.reference, IN_DIRECTORY.practitioner):
        assert resolve_owner(ROLE, roster, not_again=[refused]).holder == ACCOUNTABLE


def test_a_role_held_by_the_accountable_person_alone_is_not_held():
    assert is_held(ROLE, ROSTER)
    assert not is_held(ROLE, VACANT)


def test_nobody_at_all_is_an_error_that_says_what_to_set():
    with pytest.raises(NoAccountablePerson) as problem:
        resolve_owner(ROLE, Roster())

    assert str(problem.value) == (
        "nobody holds the role 'coordinator' and the site has no accountable person: set "
        "THROUGHLINE_ACCOUNTABLE_PRACTITIONER to the Practitioner who answers for unowned follow-ups"
    )


def test_deciding_with_nobody_at_all_is_that_error_and_not_an_unowned_follow_up():
    with pytest.raises(NoAccountablePerson):
        world(pathway(), record(discharge(), roster=Roster()), NOW)


def test_a_reference_that_the_roster_does_not_know_is_still_a_person():
    stranger = Reference("Practitioner/somebody")

    assert known_holder(stranger, ROSTER).reference == stranger


# --- nobody holds the role ---


def vacant() -> World:
    return world(pathway(), record(discharge(), roster=VACANT), NOW)


def test_an_unheld_role_falls_to_the_accountable_person_and_escalates_at_once():
    life = vacant()

    assert life.follow_up("contact").owner == ACCOUNTABLE.reference
    (opened,) = life.decided[0].open
    assert opened.owner_found_by == "accountable"
    assert life.escalations() == {"unowned/1/unowned": ("active", 1)}
    (told,) = life.escalation("unowned/1/unowned").rungs
    assert (told.owner, told.raised_at) == (LEAD.reference, NOW)
    assert life.variances() == [("unowned", "coordinator")]


def test_the_escalation_names_the_role_and_what_to_do():
    (plan,) = vacant().decided[0].escalations
    (told,) = vacant().decided[0].rungs

    assert plan.because == (
        "nobody is named for: coordinator; until somebody is, the accountable person holds these follow-ups"
    )
    assert (
        told.asked == "Name a person for each of these roles, in the care team or the practitioner directory."
    )


def test_an_unheld_role_climbs_its_own_ladder():
    life = vacant().passes(hours=8)

    assert [r.owner for r in life.escalation("unowned/1/unowned").rungs] == [
        LEAD.reference,
        DIRECTOR.reference,
    ]


def test_naming_somebody_closes_the_escalation_and_keeps_the_variance():
    life = vacant().passes(hours=1).staffed(joined_by(VACANT, SECOND_COORDINATOR))

    assert life.escalations() == {"unowned/1/unowned": ("completed", 1)}
    assert life.variances() == [("unowned", "coordinator")]


def test_a_role_that_falls_vacant_again_is_a_new_escalation_for_the_next_follow_up():
    two = stage("received", CONTACT, task("call-back", opens_after=hours(3)))
    life = world(pathway(two, STABLE), record(discharge(), roster=VACANT), NOW)
    life.staffed(ROSTER).passes(hours=1).staffed(VACANT)
    assert life.escalations() == {"unowned/1/unowned": ("completed", 1)}, "what is open has a named owner"

    life.passes(hours=2)

    assert life.escalations()["unowned/2/unowned"] == ("active", 1)


def test_a_role_that_falls_vacant_late_does_not_climb_the_ladder_in_one_leap():
    life = (
        world(pathway(), record(discharge()), NOW).set("contact", "accepted").passes(hours=40).staffed(VACANT)
    )

    assert life.escalations() == {"unowned/1/unowned": ("active", 1)}


def test_a_patient_ladder_for_vacancies_still_comes_to_its_first_rung():
    slow = ladder(rung(hours(1), "lead"), name="unowned")
    life = world(pathway(unowned=slow), record(discharge(), roster=VACANT), NOW).passes(hours=2)

    (told,) = life.escalation("unowned/1/unowned").rungs
    assert told.raised_at == NOW + timedelta(hours=1)


# --- refusals ---


def test_a_rejected_follow_up_goes_to_somebody_else_of_the_same_role():
    life = world(pathway(), record(discharge(), roster=joined_by(ROSTER, SECOND_COORDINATOR)), NOW)
    life.passes(hours=1).set("contact", "rejected", reason="on leave")

    again = life.follow_up("contact", 2)
    assert again.owner == SECOND_COORDINATOR.reference
    assert again.complete_by == life.follow_up("contact").complete_by, "the person's clock runs on"
    assert again.accept_by == NOW + timedelta(hours=5)
    assert life.escalations() == {"contact/1/refusal": ("active", 1)}


def test_with_nobody_else_in_the_role_it_goes_up_the_ladder():
    life = world(pathway(), record(discharge()), NOW).set("contact", "rejected")

    assert life.follow_up("contact", 2).owner == Reference("Practitioner/sara")


def test_acceptance_by_the_next_owner_closes_the_refusal():
    life = world(pathway(), record(discharge()), NOW).set("contact", "rejected")
    life.set("contact", "accepted", occurrence=2)

    assert life.escalations() == {"contact/1/refusal": ("completed", 1)}


def test_when_everybody_refuses_the_accountable_person_holds_it():
    life = world(pathway(), record(discharge()), NOW)
    for occurrence in range(1, 5):
        life.set("contact", "rejected", occurrence=occurrence)

    assert life.follow_up("contact", 5).owner == ACCOUNTABLE.reference
    owners = [life.follow_up("contact", n).owner for n in range(1, 6)]
    assert len(set(owners)) == 5, "nobody is asked twice"


def test_whom_a_criterion_would_choose_is_not_asked_again_what_they_refused():
    by_risk = Choice(otherwise=ROLE, criterion="risk", by_level={"high": RoleId("supervisor")})
    call = task("call", owner_by=by_risk, escalation=None)
    criteria = {
        "risk": Criterion(id="risk", levels=(("high", (in_record("RiskAssessment", level="high"),)),))
    }
    life = world(pathway(stage("received", call), STABLE, lead=RoleId("supervisor"), criteria=criteria),
                 record(discharge()), NOW)  # fmt: skip
    life.set("call", "rejected")

    assert life.follow_up("call", 2).owner == Reference("Practitioner/sara")
    assert life.passes(hours=1).wake().follow_up("call", 2).owner == Reference("Practitioner/sara")


def test_who_refused_as_practitioner_role_is_not_asked_again_as_practitioner():
    both = replace(VACANT, directory=(IN_DIRECTORY, SECOND_COORDINATOR))
    life = world(pathway(), record(discharge(), roster=both), NOW).set("contact", "rejected")

    assert life.follow_up("contact", 2).owner == Reference("Practitioner/sara")


def test_a_follow_up_that_is_cancelled_without_a_word_counts_as_refused():
    life = world(pathway(), record(discharge()), NOW).set("contact", "cancelled")

    assert life.follow_ups() == {"contact/1": "cancelled", "contact/2": "requested"}
    assert life.follow_up("contact", 2).owner != COORDINATOR.reference
    assert life.escalations() == {"contact/1/refusal": ("active", 1)}


def test_a_follow_up_that_is_cancelled_with_a_reason_is_a_variance_and_not_asked_again():
    life = world(pathway(), record(discharge()), NOW).set("contact", "cancelled", reason="moved abroad")
    life.passes(days=5)

    assert life.follow_ups() == {"contact/1": "cancelled"}
    assert life.escalations() == {}
    (variance,) = life.enrolment.variances
    assert (variance.kind.value, variance.subject, variance.reason) == (
        "cancelled-by-owner", "contact/1", "moved abroad",
    )  # fmt: skip


def test_a_refusal_is_over_when_the_next_owner_cancels_with_a_reason():
    life = world(pathway(), record(discharge()), NOW).set("contact", "rejected")
    life.set("contact", "cancelled", occurrence=2, reason="moved abroad")

    assert life.escalations() == {"contact/1/refusal": ("completed", 1)}


def test_a_follow_up_entered_in_error_is_opened_again_for_the_same_owner():
    life = world(pathway(), record(discharge()), NOW).set("contact", "entered-in-error")

    assert life.follow_ups() == {"contact/1": "entered-in-error", "contact/2": "requested"}
    assert life.follow_up("contact", 2).owner == COORDINATOR.reference
    assert life.escalations() == {}
