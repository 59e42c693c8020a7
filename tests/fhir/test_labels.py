"""Whatever is written is protected at least as well as what it was made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.fhir.labels import high_water, labelled, strictest
from service.fhir.systems import CONFIDENTIALITY
from tests.builders import a_condition, an_encounter

LEVELS = ["U", "L", "M", "N", "R", "V"]
PART_2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}


def level(code):
    return {"system": CONFIDENTIALITY, "code": code}


def test_the_highest_confidentiality_and_every_other_label_are_carried():
    normal = an_encounter(meta={"security": [level("N")]})
    part_2 = a_condition(meta={"security": [level("R"), PART_2]})

    assert high_water([normal, part_2, a_condition()]) == [PART_2, level("R")]


@given(st.lists(st.sampled_from(LEVELS), max_size=6), st.lists(st.sampled_from(LEVELS), max_size=6))
def test_labels_only_rise(before, more):
    resource = labelled(
        {"meta": {"security": [level(code) for code in before]}}, [level(code) for code in more]
    )
    after = [each["code"] for each in resource["meta"]["security"]]

    assert max(map(LEVELS.index, after), default=-1) == max(map(LEVELS.index, before + more), default=-1)
    assert len(after) <= max(1, len(before))


def test_a_resource_that_has_the_labels_is_left_as_it_is():
    resource = {"meta": {"security": [PART_2, {**level("R"), "display": "Restricted"}], "versionId": "3"}}

    assert labelled(resource, [level("R"), PART_2]) == resource
    assert labelled({"resourceType": "Task"}, []) == {"resourceType": "Task"}


def test_the_order_of_labels_does_not_matter():
    assert strictest([PART_2, level("R"), level("N")]) == strictest([level("N"), level("R"), PART_2])
