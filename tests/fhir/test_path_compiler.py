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
