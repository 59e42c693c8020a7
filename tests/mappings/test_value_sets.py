"""Every shipped value set: valid FHIR, sourced, versioned, and within the forms that the guide allows."""

import re

import pytest
from fhir.resources.R4B.valueset import ValueSet

from tests.mappings.shipped import BASE, ICD_10, MAPPINGS, NUBC, VALUE_SETS, members, table_in, value_set

each_value_set = pytest.mark.parametrize("name", [path.stem for path in VALUE_SETS])


# ---------------------------------------------------------------- every set


@each_value_set
def test_a_value_set_is_valid_fhir(name):
    ValueSet.model_validate(value_set(name))


@each_value_set
def test_a_value_set_is_found_by_its_file_name_its_id_and_its_url(name):
    resource = value_set(name)
    assert resource["id"] == name
    assert resource["url"] == f"{BASE}/ValueSet/{name}"
    assert resource["status"] == "active"
    assert re.fullmatch(r"\d+\.\d+\.\d+", resource["version"])


@each_value_set
def test_a_value_set_has_a_computable_name_that_no_other_has(name):
    names = [value_set(path.stem)["name"] for path in VALUE_SETS]
    assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{0,254}", value_set(name)["name"])
    assert names.count(value_set(name)["name"]) == 1


@each_value_set
def test_a_value_set_uses_only_the_three_forms_that_the_guide_allows(name):
    compose = value_set(name)["compose"]
    assert set(compose) == {"include"}
    for include in compose["include"]:
        form = set(include) - {"version"}
        assert form in ({"system", "concept"}, {"system", "filter"}, {"valueSet"})
        for each in include.get("filter", []):
            assert (each["property"], each["op"]) == ("code", "regex")


@each_value_set
def test_every_concept_has_a_display_and_stands_only_once(name):
    for include in value_set(name)["compose"]["include"]:
        concepts = include.get("concept", [])
        assert all(concept["display"].strip() == concept["display"] != "" for concept in concepts)
        assert len({concept["code"] for concept in concepts}) == len(concepts)
        assert all(re.fullmatch(r"[^\s]+(\s[^\s]+)*", concept["code"]) for concept in concepts)


@each_value_set
def test_every_import_is_a_set_in_this_folder(name):
    urls = {value_set(path.stem)["url"] for path in VALUE_SETS}
    for include in value_set(name)["compose"]["include"]:
        assert set(include.get("valueSet", [])) <= urls
        assert len(include.get("valueSet", [])) <= 1, "several are a union in R4 and an intersection in R5"


@each_value_set
def test_every_set_has_members(name):
    codes, patterns = members(name)
    assert codes or patterns


@each_value_set
def test_a_filter_is_a_regex_for_whole_codes_that_matches_neither_nothing_nor_everything(name):
    for _, regex in members(name)[1]:
        assert not regex.startswith("^")
        assert not regex.endswith("$")
        assert re.fullmatch(regex, "") is None
        assert re.fullmatch(regex, "A00.0") is None


# ---------------------------------------------------------------- sources, versions, licences


@each_value_set
def test_a_value_set_says_what_it_means_and_where_its_codes_were_checked(name):
    resource = value_set(name)
    assert len(resource["description"].split()) >= 6
    assert re.match(r"Sources: \S{2,}", resource["purpose"])


def test_the_guide_lists_every_set_with_its_purpose_and_its_sources():
    rows = table_in(MAPPINGS / "valuesets" / "README.md", "The sets")
    assert sorted(row[0] for row in rows) == sorted(path.stem for path in VALUE_SETS)
    assert all(row[1] and row[2] for row in rows)


@each_value_set
def test_every_system_has_the_version_that_the_guide_names_or_a_reason_for_none(name):
    guide = {
        row[0]: row
        for row in table_in(MAPPINGS / "valuesets" / "README.md", "Code systems and their versions")
    }
    for include in value_set(name)["compose"]["include"]:
        if "system" in include:
            _, version, reason = guide[include["system"]]
            assert include.get("version", "") == version
            assert bool(version) != bool(reason)


@each_value_set
@pytest.mark.parametrize(
    ("system", "owner"),
    [
        ("http://snomed.info/sct", "SNOMED"),
        ("http://loinc.org", "Regenstrief"),
        ("http://www.ama-assn.org/go/cpt", "American Medical Association"),
        (NUBC, "American Hospital Association"),
        (ICD_10, "World Health Organization"),
    ],
)
def test_a_set_with_licensed_codes_names_their_owner(name, system, owner):
    systems = {include.get("system") for include in value_set(name)["compose"]["include"]}
    assert (owner in value_set(name).get("copyright", "")) == (system in systems)


@each_value_set
def test_snomed_identifiers_carry_the_right_check_digit(name):
    for system, code in members(name)[0]:
        if system == "http://snomed.info/sct":
            assert verhoeff(code) == 0, code


@each_value_set
def test_loinc_codes_carry_the_right_check_digit(name):
    for system, code in members(name)[0]:
        if system == "http://loinc.org":
            number, check = code.split("-")
            assert number.startswith("LA") or luhn(number) == int(check), code


def luhn(number):
    """LOINC's check digit (modulus 10): from the right, every second digit is doubled, the first one included."""
    doubled = [
        int(digit) * 2 if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(number))
    ]
    return -sum(sum(divmod(value, 10)) for value in doubled) % 10


def verhoeff(number):
    """SNOMED CT's check (dihedral group of order ten): 0 when the last digit is right."""
    order = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = order[value]
        check = dihedral(check, value)
    return check


def dihedral(left, right):
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right - 5) % 5
    return 5 + (left - 5 - right) % 5 if right < 5 else (left - right) % 5
