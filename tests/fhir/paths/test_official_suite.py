"""The official FHIRPath suite for R4: inside the subset every answer agrees; what is refused is written down.

After widening the subset: `python -m tests.fhir.paths.test_official_suite` rewrites official/refused.json; review the diff.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from service.fhir.paths import PathEvaluationError, PathProblem, compile_path
from service.fhir.paths.conversions import to_quantity
from service.fhir.paths.temporal import (
    Temporal,
    compare_temporal,
    parse_temporal_literal,
)

OFFICIAL = Path(__file__).parent / "official"
REFUSED = OFFICIAL / "refused.json"
NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    expression: str
    input_name: str
    outputs: tuple[tuple[str, str], ...]
    invalid: bool
    predicate: bool
    ordered: bool


@cache
def cases() -> tuple[Case, ...]:
    root = ET.parse(OFFICIAL / "tests-fhir-r4.xml").getroot()
    found = []
    for group in root.iter("group"):
        for number, test in enumerate(group.iter("test")):
            expression = test.find("expression")
            assert expression is not None
            found.append(
                Case(
                    id=f"{group.get('name')}/{number}/{test.get('name')}",
                    expression=expression.text or "",
                    input_name=test.get("inputfile", "patient-example.xml"),
                    outputs=tuple((o.get("type", ""), o.text or "") for o in test.findall("output")),
                    invalid="invalid" in expression.attrib,
                    predicate=test.get("predicate") == "true",
                    ordered=test.get("ordered") != "false",
                )
            )
    return tuple(found)


@cache
def resource(name: str) -> dict[str, Any]:
    path = (OFFICIAL / "inputs" / name).with_suffix(".json")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    return loaded


@cache
def known_differences() -> dict[str, str]:
    loaded: dict[str, str] = json.loads((OFFICIAL / "known_differences.json").read_text(encoding="utf-8"))
    return loaded


def answer(case: Case) -> list[Any] | Exception:
    """The values, or why there are none: PathProblem (refused at load) or PathEvaluationError."""
    given = resource(case.input_name)
    try:
        path = compile_path(case.expression, given["resourceType"])
        if case.predicate:
            return [path.is_true(given, now=NOW)]
        return path.values(given, now=NOW)
    except (PathProblem, PathEvaluationError) as problem:
        return problem


def expected_value(kind: str, text: str) -> Any:
    match kind:
        case "boolean":
            return text == "true"
        case "integer":
            return int(text)
        case "decimal":
            return Decimal(text)
        case "date" | "dateTime" | "time":
            return parse_temporal_literal(text if text.startswith("@") else f"@{text}")
        case "Quantity":
            return to_quantity(text)
    return text


def agrees(found: Any, expected: Any) -> bool:
    if isinstance(found, Temporal) and isinstance(expected, Temporal):
        return compare_temporal(found, expected) == 0
    numbers = isinstance(found, int | Decimal) and isinstance(expected, int | Decimal)
    return (numbers or type(found) is type(expected)) and bool(found == expected)


def is_right(case: Case, found: list[Any] | Exception) -> bool:
    if case.invalid or isinstance(found, Exception):
        return case.invalid and isinstance(found, Exception)
    expected = [expected_value(kind, text) for kind, text in case.outputs]
    if not case.ordered:
        found, expected = sorted(found, key=str), sorted(expected, key=str)
    return len(found) == len(expected) and all(map(agrees, found, expected))


def refused() -> dict[str, list[str]]:
    """Reason -> cases that the compiler refuses although the suite has an answer for them."""
    reasons: dict[str, list[str]] = {}
    for case in cases():
        found = answer(case)
        if isinstance(found, PathProblem) and not case.invalid:
            reasons.setdefault(found.message, []).append(case.id)
    return {reason: sorted(reasons[reason]) for reason in sorted(reasons)}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_what_the_subset_accepts_is_answered_as_the_suite_says(case: Case) -> None:
    found = answer(case)
    refused_at_load = isinstance(found, PathProblem) and not case.invalid

    expected = case.id not in known_differences()

    assert refused_at_load or is_right(case, found) == expected, (case.expression, found, case.outputs)


def test_what_the_subset_refuses_is_what_was_agreed() -> None:
    """If this fails because coverage grew, run this module as a program and commit refused.json."""
    expected = json.loads(REFUSED.read_text(encoding="utf-8"))

    assert refused() == expected


def test_every_known_difference_is_a_case_of_the_suite() -> None:
    assert known_differences().keys() <= {case.id for case in cases()}


if __name__ == "__main__":
    REFUSED.write_text(json.dumps(refused(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
