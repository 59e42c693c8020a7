"""What the shipped value sets mean: whom they count, whom they leave out, and that no two contradict each other."""

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mappings.shipped import (
    HL7_DISPOSITION,
    ICD_10,
    ICD_10_CM,
    NUBC,
    NUBC_OLD,
    UB92,
    VALUE_SETS,
    contains,
    members,
)

CONTRADICTORY = [
    (
        "encounter-class-inpatient",
        "encounter-class-emergency",
        "encounter-class-observation",
        "encounter-class-ambulatory",
    ),
    (
        "discharge-disposition-home",
        "discharge-disposition-against-advice",
        "discharge-disposition-died",
        "discharge-disposition-transfer-to-hospital",
    ),
    ("suicide-risk-high", "suicide-risk-moderate", "suicide-risk-low", "suicide-risk-level-observation"),
    ("mental-health-diagnosis", "self-harm-diagnosis", "community-need"),
    # An urgent contact must not count as the routine visit that closes a follow-up, nor as the request for one.
    ("crisis-encounter-type", "outpatient-behavioral-health-service"),
    ("crisis-encounter-type", "request-outpatient-follow-up"),
    ("crisis-encounter-type", "follow-up-contact"),
]


@pytest.mark.parametrize(
    ("one", "other"), [pair for group in CONTRADICTORY for pair in combinations(group, 2)]
)
def test_no_code_is_in_two_sets_that_contradict_each_other(one, other):
    assert not {pair for pair in members(one)[0] if contains(other, *pair)}
    assert not {pair for pair in members(other)[0] if contains(one, *pair)}


@given(data=st.data())
def test_no_icd_code_is_a_disorder_and_self_harm_and_a_community_need_at_once(data):
    disjoint = ("mental-health-diagnosis", "self-harm-diagnosis", "community-need")
    name = data.draw(st.sampled_from(disjoint))
    system, regex = data.draw(st.sampled_from(sorted(members(name)[1])))
    code = data.draw(st.from_regex(regex, fullmatch=True))
    assert [other for other in disjoint if contains(other, system, code)] == [name]


@pytest.mark.parametrize(
    "code", ["F01.50", "F10.20", "F20.9", "F32.A", "F32.9", "F329", "F84.0", "F98.8", "F99"]
)
def test_the_whole_behavioural_chapter_counts_as_a_mental_health_diagnosis(code):
    assert contains("mental-health-diagnosis", ICD_10_CM, code)


@pytest.mark.parametrize(
    "code", ["F00.0", "F", "F3", "E11.9", "G30.9", "R45.851", "f32.9", " F32.9", "F32.9 ", "F32.12345"]
)
def test_nothing_outside_the_behavioural_chapter_counts_as_a_mental_health_diagnosis(code):
    assert not contains("mental-health-diagnosis", ICD_10_CM, code)


def test_the_dementia_codes_of_who_icd_10_begin_one_category_earlier_than_in_icd_10_cm():
    assert contains("mental-health-diagnosis", ICD_10, "F00.1")
    assert contains("mental-health-diagnosis", ICD_10, "F32.9")


@pytest.mark.parametrize(
    "code",
    [
        *(
            "X71.0XXA",
            "X72.XXXA",
            "X74.01XA",
            "X78.9XXD",
            "X83.8XXS",
            "T14.91XA",
            "T14.91",
            "R45.851",
            "R45.88",
        ),
        # Intentional poisoning and asphyxiation: the intent is the character 2, in one of two places.
        *("T36.0X2A", "T42.72XA", "T50.902A", "T50.Z12A", "T58.12XA", "T65.92XA", "T71.112A", "T39012A"),
    ],
)
def test_self_harm_is_found_wherever_icd_10_cm_codes_the_intent(code):
    assert contains("self-harm-diagnosis", ICD_10_CM, code)


@pytest.mark.parametrize(
    "code",
    [
        # Accident, assault, undetermined intent, side effect and too low a dose of the same substance.
        *("T36.0X1A", "T36.0X3A", "T36.0X4A", "T36.0X5A", "T36.0X6A", "T42.71XA", "T71.111A", "T71.21XA"),
        # Neighbours: the block before, assault, legal intervention, another injury, homicidal ideas, a history.
        *("X70.0XXA", "X84", "X92.0XXA", "Y35.00", "T14.90XA", "R45.850", "Z91.51"),
    ],
)
def test_injury_without_intent_to_harm_oneself_is_not_self_harm(code):
    assert not contains("self-harm-diagnosis", ICD_10_CM, code)


@pytest.mark.parametrize(
    ("code", "expected"), [("X60", True), ("X84.9", True), ("X59.9", False), ("X85", False)]
)
def test_who_icd_10_codes_self_harm_as_x60_to_x84(code, expected):
    assert contains("self-harm-diagnosis", ICD_10, code) is expected


def test_the_combined_diagnosis_set_is_both_of_its_parts():
    combined = "mental-health-or-self-harm-diagnosis"
    assert contains(combined, ICD_10_CM, "F32.9")
    assert contains(combined, ICD_10_CM, "X78.1XXA")
    assert not contains(combined, ICD_10_CM, "Z59.00")


@pytest.mark.parametrize(
    ("name", "hl7", "nubc"),
    [
        ("home", "home", "01"),
        ("against-advice", "aadvice", "07"),
        ("died", "exp", "20"),
        ("psychiatric-transfer", "psy", "65"),
        ("transfer-to-hospital", "psy", "02"),
        ("any", "snf", "03"),
    ],
)
def test_a_disposition_is_recognised_in_each_of_the_four_systems(name, hl7, nubc):
    name = f"discharge-disposition-{name}"
    assert contains(name, HL7_DISPOSITION, hl7)
    assert all(contains(name, system, nubc) for system in (NUBC, NUBC_OLD, UB92))


@pytest.mark.parametrize(
    "name", [path.stem for path in VALUE_SETS if path.stem.startswith("discharge-disposition-")]
)
def test_only_the_ub92_list_is_also_read_without_the_leading_zero(name):
    by_system = {
        system: {code for of, code in members(name)[0] if of == system} for system in (NUBC, NUBC_OLD, UB92)
    }
    assert by_system[NUBC] == by_system[NUBC_OLD]
    assert all(re.fullmatch(r"[0-9]{2}", code) for code in by_system[NUBC])
    assert by_system[UB92] == by_system[NUBC] | {code[1:] for code in by_system[NUBC] if code[0] == "0"}


@pytest.mark.parametrize(
    "kind", ["home", "against-advice", "died", "psychiatric-transfer", "transfer-to-hospital"]
)
def test_every_way_of_leaving_is_a_discharge(kind):
    assert members(f"discharge-disposition-{kind}")[0] < members("discharge-disposition-any")[0]


def test_a_person_who_is_still_a_patient_has_not_been_discharged():
    assert not any(contains("discharge-disposition-any", system, "30") for system in (NUBC, NUBC_OLD, UB92))


def test_any_discharge_has_every_code_of_the_hl7_list():
    hl7 = {code for system, code in members("discharge-disposition-any")[0] if system == HL7_DISPOSITION}
    assert hl7 == {
        "home",
        "alt-home",
        "other-hcf",
        "hosp",
        "long",
        "aadvice",
        "exp",
        "psy",
        "rehab",
        "snf",
        "oth",
    }


@pytest.mark.parametrize("code", ["other-hcf", "snf", "long", "rehab"])
def test_a_transfer_that_may_be_to_a_care_home_does_not_stop_follow_up(code):
    assert not contains("discharge-disposition-transfer-to-hospital", HL7_DISPOSITION, code)


def test_an_inpatient_or_crisis_service_does_not_count_as_an_outpatient_visit():
    service_type = "http://terminology.hl7.org/CodeSystem/service-type"
    for inpatient_or_crisis in ("138", "140", "242", "135", "308", "541"):
        assert not contains("outpatient-behavioral-health-service", service_type, inpatient_or_crisis)


def test_our_own_alert_does_not_count_as_a_contact_with_the_person():
    category = "http://terminology.hl7.org/CodeSystem/communication-category"
    for code in ("alert", "notification", "reminder", "instruction"):
        assert not contains("follow-up-contact", category, code)
