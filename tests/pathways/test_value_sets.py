"""Membership of value sets, and files that cannot be honoured word for word."""

import json

import pytest

from service.pathways.value_set_files import read_terminology
from tests.pathways.conftest import MAPPINGS

ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.fixture(scope="module")
def matchers():
    return read_terminology(MAPPINGS).matchers


@pytest.mark.parametrize(
    ("name", "system", "code", "belongs"),
    [
        ("mood-disorder", ICD, "F32.1", True),
        ("mood-disorder", ICD, "F32.12345", False),
        ("mood-disorder", ICD, "XF32.1", False),
        ("mood-disorder", ICD, "F39", False),
        ("mood-disorder", None, "F32.1", False),
        ("mood-disorder", "http://snomed.info/sct", "35489007", True),
        ("mental-health", ICD, "F32.1", True),
        ("mental-health", ICD, "F20.0", True),
        ("mental-health", ICD, "F39", False),
        ("mental-health", ICD, "I10", False),
        ("inpatient", "https://hospital.example/class", "PSY", True),
        ("inpatient", "https://hospital.example/class", "IMP", False),
    ],
)
def test_a_code_belongs_or_not(matchers, name, system, code, belongs):
    assert matchers[name].contains(system, code) is belongs


def write(folder, name, **resource):
    folder.mkdir(exist_ok=True)
    content = {"resourceType": "ValueSet", "id": name, "url": f"https://x.example/{name}"} | resource
    (folder / f"{name}.json").write_text(json.dumps(content))


def problems_of(folder):
    found = read_terminology(folder)
    return sorted(p.code for source in found.sources for p in source.problems), found


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"compose": {"include": [{"system": "s", "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}]}},
         "unknown-filter"),
        ({"compose": {"include": [{"system": "s", "filter": [{"property": "code", "op": "regex", "value": "("}]}]}},
         "bad-pattern"),
        ({"compose": {"include": [{"valueSet": ["https://x.example/nowhere"]}]}}, "unknown-value-set"),
        ({"compose": {"include": [{"valueSet": ["https://x.example/a"]}]}}, "circular-value-set"),
        ({"compose": {"include": [{"valueSet": ["https://x.example/b", "https://x.example/c"]}]}}, "value-sets-in-one-include"),
        ({"compose": {"include": []}}, "missing-key"),
        ({"compose": {"include": [{"concept": [{"code": "1"}]}]}}, "missing-key"),
        ({"id": "b", "compose": {"include": [{"system": "s"}]}}, "id-and-file-differ"),
        ({"resourceType": "Patient"}, "wrong-resource"),
    ],
)  # fmt: skip
def test_a_value_set_that_cannot_be_answered_is_refused(tmp_path, resource, code):
    write(tmp_path / "valuesets", "a", **resource)
    codes, found = problems_of(tmp_path)

    assert codes == [code]
    assert found.matchers == {}
    assert found.broken == {"a"}


def test_a_value_set_composed_of_a_broken_one_is_not_used(tmp_path):
    write(tmp_path / "valuesets", "a", compose={"include": [{"valueSet": ["https://x.example/b"]}]})
    write(tmp_path / "valuesets", "b", compose={"include": [{"valueSet": ["https://x.example/c"]}]})
    write(tmp_path / "valuesets", "c", compose={"include": [{"system": "s", "filter": [{"op": "is-a"}]}]})

    assert problems_of(tmp_path)[1].matchers == {}


def test_mappings_that_lose_meaning_are_not_used_and_told(tmp_path):
    element = {"code": "DAY", "target": [{"code": "AMB", "equivalence": "inexact"}]}
    write(
        tmp_path / "conceptmaps",
        "m",
        resourceType="ConceptMap",
        group=[{"source": "s", "target": "t", "element": [element]}],
    )
    codes, found = problems_of(tmp_path)

    assert codes == ["lossy-mapping"]
    assert found.maps.meanings("s", "DAY") == (("s", "DAY"),)
