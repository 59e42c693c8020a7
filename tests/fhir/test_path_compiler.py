"""Expressions of pathway files as closures over resources, and faults that say where."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from service.fhir.path_compiler import StrictPathCompiler
from service.ports import PathCompiler, PathFaultError
from tests.builders import a_service_request, an_encounter
from tests.fhir.decisions import NOW

COMPILER: PathCompiler = StrictPathCompiler(
    zone=ZoneInfo("America/Denver"), base="https://fhir.clinic.example/r4"
)


def test_a_predicate_holds_or_not():
    finished = COMPILER.predicate("status = 'finished' and period.end < now()", "Encounter")

    assert finished(an_encounter(), NOW)
    assert not finished(an_encounter(status="in-progress"), NOW)


def test_references_are_literal_ones_of_the_own_server():
    performers = COMPILER.references("performer", "ServiceRequest")
    people = [
        "Practitioner/tess",
        "https://fhir.clinic.example/r4/PractitionerRole/x",
        "https://other.example/Practitioner/y",
    ]
    request = a_service_request(performer=[{"reference": each} for each in people])

    assert performers(request) == ["Practitioner/tess", "PractitionerRole/x"]
    assert performers(a_service_request()) == []


def test_codings_come_from_codings_concepts_and_codes():
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    encounter = an_encounter(
        reasonCode=[{"coding": [{"system": "s", "code": "a"}, {"code": "b"}]}, {"text": "only words"}]
    )

    assert COMPILER.codings("class", "Encounter")(encounter) == [(act, "IMP")]
    assert COMPILER.codings("reasonCode", "Encounter")(encounter) == [("s", "a"), (None, "b")]
    assert COMPILER.codings("status", "Encounter")(encounter) == [(None, "finished")]


def test_an_instant_is_aware_also_when_only_a_date_was_written():
    ends = COMPILER.instant("period.end", "Encounter")

    assert str(ends(an_encounter())) == "2026-03-06 14:00:00-07:00"
    assert str(ends(an_encounter(period={"end": "2026-03-06"}))) == "2026-03-06 00:00:00-07:00"
    assert ends(an_encounter(period=None)) is None


@pytest.mark.parametrize("compiled", ["predicate", "references", "codings", "instant"])
def test_a_misspelt_element_is_refused_with_its_column(compiled):
    with pytest.raises(PathFaultError) as refused:
        getattr(COMPILER, compiled)("status.exists() and perid.end.exists()", "Encounter")

    assert refused.value.fault.column == 20
    assert "perid" in refused.value.fault.message


WRONG = [
    ("references", "status", "this is code, so no Reference", "name an element that refers to a resource"),
    ("references", "period", "this is Period, so no Reference", "name an element that refers to a resource"),
    ("references", "serviceProvider.display", "this is string, so no Reference", "name an element that refers to a resource"),
    ("references", "serviceProvider.exists()", "this is Boolean, so no Reference", "name an element that refers to a resource"),
    ("codings", "period", "this is Period, so nothing coded", "name a CodeableConcept, Coding or code"),
    ("codings", "serviceProvider", "this is Reference, so nothing coded", "name a CodeableConcept, Coding or code"),
    ("codings", "serviceType.text", "this is string, so nothing coded", "name a CodeableConcept, Coding or code"),
    ("codings", "{}", "this is always empty, so nothing coded", "name a CodeableConcept, Coding or code"),
    ("instant", "period", "this is Period, so no date or time", "name an element such as period.start"),
    ("instant", "status", "this is code, so no date or time", "name an element such as period.start"),
]  # fmt: skip


@pytest.mark.parametrize(("compiled", "text", "message", "help_text"), WRONG)
def test_a_path_that_can_never_give_what_is_asked_is_refused_when_it_is_loaded(
    compiled, text, message, help_text
):
    with pytest.raises(PathFaultError) as refused:
        getattr(COMPILER, compiled)(text, "Encounter")

    assert (refused.value.fault.message, refused.value.fault.help) == (message, help_text)


@pytest.mark.parametrize(
    ("compiled", "text", "kind"),
    [
        ("codings", "value", "Observation"),
        ("codings", "value.ofType(CodeableConcept)", "Observation"),
        ("codings", "extension.value", "Encounter"),
        ("codings", "reasonCode.coding.code", "Encounter"),
        ("references", "extension.value", "Encounter"),
        ("references", "location.location", "Encounter"),
        ("references", "medication", "MedicationRequest"),
        ("instant", "effective", "Observation"),
        ("instant", "birthDate", "Patient"),
        ("instant", "meta.lastUpdated", "Patient"),
        ("references", "children()", "Encounter"),
    ],
)
def test_a_path_that_may_give_it_is_accepted(compiled, text, kind):
    assert callable(getattr(COMPILER, compiled)(text, kind))


def test_many_possible_types_are_shown_in_short():
    with pytest.raises(PathFaultError) as refused:
        COMPILER.references("onset", "Condition")

    assert refused.value.fault.message == "this is Age / Period / Range / ..., so no Reference"
