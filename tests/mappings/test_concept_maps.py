"""The shipped concept maps: valid FHIR, and every mapping has an effect or a reason."""

import json

import pytest
from fhir.resources.R4B.conceptmap import ConceptMap

from tests.mappings.shipped import ACT_CODE, BASE, CONCEPT_MAPS, MAPPINGS, VALUE_SETS, contains

each_concept_map = pytest.mark.parametrize("path", CONCEPT_MAPS, ids=lambda path: path.stem)


@each_concept_map
def test_a_concept_map_is_valid_fhir_and_found_by_its_file_name(path):
    resource = json.loads(path.read_text(encoding="utf-8"))
    ConceptMap.model_validate(resource)
    assert resource["id"] == path.stem
    assert resource["url"] == f"{BASE}/ConceptMap/{path.stem}"


def targets(path):
    for group in json.loads(path.read_text(encoding="utf-8"))["group"]:
        for element in group["element"]:
            for target in element["target"]:
                yield group, element, target


@each_concept_map
def test_a_mapped_code_means_something_to_at_least_one_value_set(path):
    for group, element, target in targets(path):
        if target["equivalence"] not in {"unmatched", "disjoint"}:
            known = [each.stem for each in VALUE_SETS if contains(each.stem, group["target"], target["code"])]
            assert known, f"{element['code']} is mapped to {target['code']}, which no value set contains"


@each_concept_map
def test_a_mapping_that_is_not_plainly_true_says_why(path):
    for _, element, target in targets(path):
        if target["equivalence"] in {"narrower", "inexact", "unmatched"}:
            assert target.get("comment"), element["code"]
        assert ("code" in target) == (target["equivalence"] != "unmatched")


def test_the_example_map_brings_a_local_psychiatric_stay_to_the_inpatient_class():
    found = {
        element["code"]: target.get("code")
        for _, element, target in targets(MAPPINGS / "conceptmaps" / "site-codes.json")
    }
    assert contains("encounter-class-inpatient", ACT_CODE, found["PSY-IP"])
    assert found["SHADOW"] is None
