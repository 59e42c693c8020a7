"""Whatever a file or a sender writes, there are three outcomes: an answer, a PathProblem, a PathEvaluationError."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from service.fhir.paths import PathEvaluationError, PathProblem, compile_path

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
PIECES = ["status", "class.code", "period.start", "period.end", "type.coding", "location", "extension", "contained", "length", "'x'", "'in-progress'", "5", "1.5", "true", "{}", "@2026-03-06", "@2026-03-06T10:00:00Z", "@T10:00", "4", "hours", "2", "'kg'", "=", "!=", "~", "<", ">=", "+", "-", "*", "/", "div", "mod", "&", "|", "and", "or", "xor", "implies", "in", "contains", "is", "as", "not", "Quantity", "code", "(", ")", "[", "]", ".", ",", "$this", "$index", "%resource", "now()", "today()", ".exists()", ".where(", ".select(", ".first()", ".count()", ".repeat(", ".ofType(Reference)", ".toString()", ".toQuantity()", ".children()", ".descendants()", "iif(", ".value", ".length()", ".power("]  # fmt: skip
PREDICATES = [
    "status = 'x' or class.code in ('x' | 'y')",
    "type.coding.where(code = 'x' and system.exists()).exists()",
    "period.start <= now() - 4 hours and period.end.empty()",
    "extension('x').value.ofType(Quantity) > 5 'kg'",
    "length >= 1 hour or descendants().count() > 3",
    "contained.ofType(Patient).name.given.join(' ').length() > 2",
    "status.extension('x').value = 'x'",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "2026-03-06", "Patient", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PIECES[:8], "coding", "code"]), inner)
    ),
    max_leaves=8,
)
ELEMENTS = ["status", "_status", "class", "type", "period", "extension", "contained", "length"]
MINUTES = st.integers(-14 * 60, 14 * 60)
MOMENTS = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),
    MINUTES,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map(" ".join))
def test_any_expression_is_answered_or_refused(text: str) -> None:
    encounter = {"resourceType": "Encounter", "status": "in-progress", "period": {"start": "2026-03-06"}}
    with contextlib.suppress(PathProblem, PathEvaluationError):
        compile_path(text, "Encounter").values(encounter, now=NOW)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PREDICATES), st.dictionaries(st.sampled_from(ELEMENTS), JSON))
def test_any_resource_is_answered_or_an_evaluation_error(text: str, content: dict[str, Any]) -> None:
    with contextlib.suppress(PathEvaluationError):
        assert compile_path(text, "Encounter").is_true({**content, "resourceType": "Encounter"}, now=NOW) in (
            True,
            False,
        )


@settings(max_examples=100, deadline=None)
@given(MOMENTS, MOMENTS)
def test_moments_are_ordered_as_instants_whatever_their_zones(one: datetime, other: datetime) -> None:
    encounter = {"resourceType": "Encounter", "period": {"start": one.isoformat(), "end": other.isoformat()}}

    expected = [one < other, one == other, one > other]

    found = [compile_path(f"period.start {op} period.end", "Encounter") for op in ("<", "=", ">")]
    assert [path.is_true(encounter, now=NOW) for path in found] == expected


@settings(max_examples=50, deadline=None)
@given(MOMENTS, st.integers(0, 100_000))
def test_hours_are_elapsed_time(start: datetime, hours: int) -> None:
    path = compile_path(f"period.start + {hours} hours", "Encounter")

    [found] = path.values({"resourceType": "Encounter", "period": {"start": start.isoformat()}}, now=NOW)

    assert found.as_instant(UTC) == start + timedelta(hours=hours)
    assert found.as_instant(UTC).utcoffset() == start.utcoffset()
