"""Predicates against hand-written Python on the same Encounter, in one run: `python benchmarks/fhirpath.py`.

The ratio is what counts; the microseconds are this machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from timeit import repeat
from typing import Any
from zoneinfo import ZoneInfo

from service.fhir.paths import compile_path

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
ROUNDS = 20_000
ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "example",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "type": [
        {"coding": [{"system": "http://example.org/visit", "code": "intake"}]},
        {
            "coding": [
                {"system": "http://example.org/visit", "code": "crisis"},
                {"system": "http://snomed.info/sct", "code": "50849002"},
            ]
        },
    ],
    "subject": {"reference": "Patient/example"},
    "period": {"start": "2026-03-06T09:00:00-07:00"},
    "location": [
        {"location": {"reference": "Location/1"}, "status": "completed"},
        {"location": {"reference": "Location/2"}, "status": "active"},
    ],
}

Handwritten = Callable[[Mapping[str, Any]], bool]
PAIRS: dict[str, Handwritten] = {
    "status = 'in-progress' and class.code = 'IMP'": lambda e: (
        e.get("status") == "in-progress" and e.get("class", {}).get("code") == "IMP"
    ),
    "status in ('planned' | 'arrived' | 'in-progress')": lambda e: (
        e.get("status") in {"planned", "arrived", "in-progress"}
    ),
    "period.end.exists()": lambda e: e.get("period", {}).get("end") is not None,
    "type.coding.where(system = 'http://snomed.info/sct' and code = '50849002').exists()": lambda e: any(
        c.get("system") == "http://snomed.info/sct" and c.get("code") == "50849002"
        for t in e.get("type", ())
        for c in t.get("coding", ())
    ),
    "location.where(status = 'active').location.reference = 'Location/2'": lambda e: (
        [p["location"].get("reference") for p in e.get("location", ()) if p.get("status") == "active"]
        == ["Location/2"]
    ),
    "period.start <= now() - 4 hours": lambda e: (
        datetime.fromisoformat(e["period"]["start"]) <= NOW - timedelta(hours=4)
    ),
}


def microseconds(call: Callable[[], bool]) -> float:
    return min(repeat(call, number=ROUNDS, repeat=5)) / ROUNDS * 1e6


def main() -> None:
    print(f"{'compiled us':>12} {'python us':>10} {'ratio':>6}  predicate")
    for text, handwritten in PAIRS.items():
        path = compile_path(text, "Encounter")
        assert path.is_true(ENCOUNTER, now=NOW) == handwritten(ENCOUNTER)
        compiled = microseconds(partial(path.is_true, ENCOUNTER, now=NOW))
        plain = microseconds(partial(handwritten, ENCOUNTER))
        print(f"{compiled:12.2f} {plain:10.2f} {compiled / plain:6.1f}  {text}")
    loading = (
        min(repeat(lambda: compile_path(next(iter(PAIRS)), "Encounter"), number=200, repeat=3)) / 200 * 1e6
    )
    print(f"{loading:12.0f} us to compile the first of these")


if __name__ == "__main__":
    main()
