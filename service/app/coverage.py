"""The coverage figure: how many of those who should be on a pathway are. Counted by a worker, shown by whoever asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.measures import MeasureCount
from service.domain.vocabulary import MeasureId, PathwayId
from service.flow.population import Coverage

MEASURE = MeasureId("coverage")


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One pathway when it was last counted."""

    expected: int
    enrolled: int
    missed: int
    pending: int


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The last count of all pathways."""

    at: datetime
    days: int
    pathways: Mapping[str, Covered]


def counted_mark(found: Mapping[PathwayId, Coverage], now: datetime, lookback: timedelta) -> str:
    """The watermark of one count; numbers only."""
    return json.dumps(
        {
            "at": now.isoformat(),
            "days": lookback.days,
            "pathways": {
                name: {
                    "expected": each.expected,
                    "enrolled": len(each.enrolled),
                    "missed": len(each.missed),
                    "pending": len(each.pending),
                }
                for name, each in found.items()
            },
        }
    )


def counted(mark: str | None) -> Counted | None:
    """The last count from its watermark; None when there was none, or it cannot be read."""
    try:
        kept = json.loads(mark or "")
        return Counted(
            at=datetime.fromisoformat(kept["at"]),
            days=int(kept["days"]),
            pathways={
                str(name): Covered(**{key: int(number) for key, number in each.items()})
                for name, each in kept["pathways"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def as_measure(coverage: Coverage, lookback: timedelta) -> MeasureCount:
    """Coverage as one more measure of its pathway; what is not enrolled and not pending is missed."""
    return MeasureCount(
        measure=MEASURE,
        title=f"Enrolled, of everything that began this pathway in the last {lookback.days} days",
        denominator=(*coverage.enrolled, *coverage.missed, *coverage.pending),
        numerator=coverage.enrolled,
        pending=coverage.pending,
    )
