"""Who could own a person's follow-ups: only named people, in a fixed order, never an empty chair."""

from __future__ import annotations

from itertools import permutations

import pytest

from service.domain.vocabulary import Reference
from service.fhir.references import mappings, referred
from tests.builders import (
    PARTICIPATION,
    a_care_team,
    a_patient,
    a_practitioner,
    a_practitioner_role,
    a_role,
    a_service_request,
    an_encounter,
    coded,
)
from tests.fhir.read.reading import COORDINATOR, SUPERVISOR, read

TESS = a_practitioner("tess", "Tess", "Moreau")
SAM = a_practitioner("sam", "Sam", "Okafor")
TESS_COORDINATES = a_practitioner_role("coordinator", "Practitioner/tess", COORDINATOR)


def roster(*resources, **catalogue):
    return read(a_patient(), *resources, **catalogue).roster


def accountable(result):
    assert result.accountable is not None
    return result.accountable


def seen(holders):
    return [(holder.reference, holder.display, sorted(holder.roles)) for holder in holders]


def test_care_team_members_hold_the_roles_the_team_gives_them():
    team = a_care_team(("Practitioner/sam", SUPERVISOR), ("PractitionerRole/coordinator", COORDINATOR))

    assert seen(roster(team, TESS, SAM, TESS_COORDINATES).care_team) == [
        ("Practitioner/sam", "Sam Okafor", [SUPERVISOR]),
        ("PractitionerRole/coordinator", "Tess Moreau", [COORDINATOR]),
    ]


def test_a_member_named_twice_is_one_person_with_both_roles():
    team = a_care_team(("Practitioner/sam", SUPERVISOR), ("Practitioner/sam", COORDINATOR))

    assert seen(roster(team, SAM).care_team) == [
        ("Practitioner/sam", "Sam Okafor", [SUPERVISOR, COORDINATOR])
    ]


@pytest.mark.parametrize(
    "reference", ["Organization/clinic", "Patient/ada", "RelatedPerson/niece", "CareTeam/other", "#contained"]
)
def test_what_is_not_a_practitioner_owns_nothing(reference):
    assert roster(a_care_team((reference, SUPERVISOR))).care_team == ()


def test_on_behalf_of_is_not_the_member():
    member = {"onBehalfOf": {"reference": "Practitioner/sam"}, "role": [a_role(SUPERVISOR)]}

    assert roster(a_care_team(participant=[member]), SAM).care_team == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "inactive"},
        {"status": "proposed"},
        {"status": "entered-in-error"},
        {"period": {"end": "2026-03-05"}},
        {"period": {"start": "2026-03-07"}},
    ],
)
def test_a_team_that_is_not_at_work_now_owns_nothing(changes):
    assert roster(a_care_team(("Practitioner/sam", SUPERVISOR), **changes), SAM).care_team == ()


def test_a_team_that_ends_today_is_at_work_all_day():
    team = a_care_team(("Practitioner/sam", SUPERVISOR), period={"start": "2026-01-01", "end": "2026-03-06"})

    assert len(roster(team, SAM).care_team) == 1


def test_a_member_whose_time_in_the_team_is_over_is_not_asked():
    member = {
        "member": {"reference": "Practitioner/sam"},
        "role": [a_role(SUPERVISOR)],
        "period": {"end": "2026-01-01"},
    }

    assert roster(a_care_team(participant=[member]), SAM).care_team == ()


def test_a_practitioner_who_has_left_is_not_asked():
    left = a_practitioner("sam", "Sam", "Okafor", active=False)
    role = a_practitioner_role("supervisor", "Practitioner/sam", SUPERVISOR)
    result = roster(a_care_team(("Practitioner/sam", SUPERVISOR)), role, left)

    assert (result.care_team, result.directory, result.accountable) == ((), (), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"period": {"end": "2026-03-05"}},
        {"practitioner": None},
        {"practitioner": {"reference": "Organization/clinic"}},
        {"notAvailable": [{"description": "Leave", "during": {"start": "2026-03-01", "end": "2026-03-08"}}]},
        {"code": None},
    ],
)
def test_a_directory_role_that_nobody_fills_now_is_not_asked(changes):
    role = a_practitioner_role("coordinator", "Practitioner/tess", COORDINATOR, **changes)

    assert roster(role, TESS).directory == ()


def test_leave_that_is_over_does_not_count():
    away = [{"description": "Leave", "during": {"start": "2026-01-01", "end": "2026-02-01"}}]

    assert len(roster({**TESS_COORDINATES, "notAvailable": away}, TESS).directory) == 1


def test_the_directory_asks_the_serving_organization_first_then_by_id():
    clinic, other = {"reference": "Organization/clinic"}, {"reference": "Organization/other"}
    roles = [
        a_practitioner_role("a", "Practitioner/tess", COORDINATOR, organization=other),
        a_practitioner_role("c", "Practitioner/tess", COORDINATOR, organization=clinic),
        a_practitioner_role("b", "Practitioner/tess", COORDINATOR, organization=clinic),
        a_practitioner_role("d", "Practitioner/tess", COORDINATOR),
    ]
    encounter = an_encounter(serviceProvider=clinic)

    results = {
        tuple(holder.reference for holder in roster(*order, TESS, encounter).directory)
        for order in permutations(roles)
    }

    assert results == {
        ("PractitionerRole/b", "PractitionerRole/c", "PractitionerRole/a", "PractitionerRole/d"),
    }


def test_a_site_value_set_makes_a_real_world_code_a_role():
    team = a_care_team(
        participant=[
            {
                "member": {"reference": "Practitioner/sam"},
                "role": [coded("http://snomed.info/sct", "768820003")],
            }
        ]
    )
    matcher = {COORDINATOR: lambda system, code: (system, code) == ("http://snomed.info/sct", "768820003")}

    assert seen(roster(team, SAM, roles=matcher).care_team) == [
        ("Practitioner/sam", "Sam Okafor", [COORDINATOR])
    ]


def performers(request):
    return [found for each in mappings(request.get("performer")) if (found := referred(each))]


NAMED_BY = {COORDINATOR: [("ServiceRequest", performers)]}


def test_whoever_the_newest_request_names_is_asked_first():
    older = a_service_request("a", performer=[{"reference": "Practitioner/sam"}], authoredOn="2026-03-01")
    newer = a_service_request(
        "b", performer=[{"reference": "Organization/x"}, {"reference": "Practitioner/tess"}]
    )

    explicit = roster(older, newer, TESS, SAM, named_by=NAMED_BY).explicit

    assert seen(explicit.values()) == [("Practitioner/tess", "Tess Moreau", [COORDINATOR])]


def test_a_revoked_request_names_nobody():
    request = a_service_request(status="revoked", performer=[{"reference": "Practitioner/sam"}])

    assert roster(request, SAM, named_by=NAMED_BY).explicit == {}


def test_a_role_that_is_named_but_could_not_be_read_is_told_and_owns_nothing():
    request = a_service_request(performer=[{"reference": "PractitionerRole/unread"}])

    record = read(a_patient(), request, named_by=NAMED_BY)

    assert record.roster.explicit == {}
    assert record.unreadable == (
        "PractitionerRole/unread: it is named on the record but could not be read, so it owns nothing yet",
    )


def test_a_person_is_called_by_name_else_as_the_record_calls_them_else_by_reference():
    named = a_service_request(performer=[{"reference": "Practitioner/ann", "display": "Ann (north)"}])
    unnamed = a_service_request(performer=[{"reference": "Practitioner/ann"}])

    assert roster(named, named_by=NAMED_BY).explicit[COORDINATOR].display == "Ann (north)"
    assert roster(unnamed, named_by=NAMED_BY).explicit[COORDINATOR].display == "Practitioner/ann"


def test_an_old_name_is_not_used():
    names = [
        {"use": "old", "text": "Tess Bell"},
        {"use": "usual", "prefix": ["Dr."], "given": ["Tess"], "family": "Moreau"},
    ]
    team = a_care_team(("Practitioner/tess", COORDINATOR))

    assert roster(team, a_practitioner("tess", "", "", name=names)).care_team[0].display == "Dr. Tess Moreau"


def attending(code, who):
    return {"type": [coded(PARTICIPATION, code)], "individual": {"reference": who}}


def test_the_accountable_person_is_the_one_the_site_names():
    result = roster(
        SAM, a_care_team(("Practitioner/tess", COORDINATOR)), accountable=Reference("Practitioner/sam")
    )

    assert accountable(result).display == "Sam Okafor"


def test_the_accountable_person_is_never_missing_only_because_they_could_not_be_read():
    record = read(a_patient(), accountable=Reference("PractitionerRole/duty"))

    assert accountable(record.roster).reference == "PractitionerRole/duty"
    assert (
        "PractitionerRole/duty: it is the accountable person in the settings but is not at work on the record"
        in record.unreadable
    )


def test_else_whoever_attended_the_newest_stay_is_accountable():
    older = an_encounter(
        "1", participant=[attending("ATND", "Practitioner/tess")], period={"end": "2026-01-01"}
    )
    newer = an_encounter(
        "2", participant=[attending("DIS", "Practitioner/tess"), attending("ATND", "Practitioner/sam")]
    )
    visit = an_encounter(
        "3",
        class_={"code": "AMB"},
        participant=[attending("ATND", "Practitioner/x")],
        period={"end": "2026-03-07"},
    )

    assert accountable(roster(older, newer, visit, TESS, SAM)).display == "Sam Okafor"


def test_else_the_general_practitioner_is_accountable():
    practice = {"reference": "Organization/practice"}
    patient = a_patient(
        generalPractitioner=[practice, {"reference": "Practitioner/sam", "display": "Dr Okafor"}]
    )

    assert accountable(read(patient, an_encounter()).roster).display == "Dr Okafor"


def test_else_somebody_known_is_accountable_always_the_same_one():
    team = a_care_team(("Practitioner/sam", SUPERVISOR), ("Practitioner/zoe", COORDINATOR))

    assert accountable(roster(team, SAM, TESS, TESS_COORDINATES)).reference == "Practitioner/sam"


def test_absolute_references_to_the_records_own_server_are_understood():
    team = a_care_team(("https://fhir.clinic.example/r4/Practitioner/sam", SUPERVISOR))
    elsewhere = a_care_team(("https://elsewhere.example/r4/Practitioner/sam", SUPERVISOR))
    base = "https://fhir.clinic.example/r4/"

    assert len(roster(team, SAM, base_url=base).care_team) == 1
    assert roster(elsewhere, SAM, base_url=base).care_team == ()
