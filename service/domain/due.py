"""Due times: how long a pathway gives, and when that is on the clock of the site.

Minutes and hours are elapsed time. Days and weeks end at the close of that local calendar day. Working hours and
working days follow the site's calendar. All of it is safe across daylight-saving changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

END_OF_DAY = time(23, 59, 59)


class Unit(StrEnum):
    """The units a pathway file may use for a length of time."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    WORKING_HOURS = "working-hours"
    WORKING_DAYS = "working-days"


@dataclass(frozen=True, kw_only=True)
class Within:
    """A length of time as written in a pathway, e.g. 72 hours or 7 days. `0 working-days` is "the same working day"."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        if self.count == 0 and self.unit is Unit.WORKING_DAYS:
            return "same working day"
        return f"{self.count} {self.unit.value}"


@dataclass(frozen=True, kw_only=True)
class WorkingCalendar:
    """When a site is open.

    `hours` maps weekday (Monday = 0) to (opens, closes) local times; a weekday that is absent is closed.
    """

    timezone: ZoneInfo
    hours: Mapping[int, tuple[time, time]] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()

    def opening(self, day: date) -> tuple[datetime, datetime] | None:
        """The aware opening and closing instants of that day, or None when the site is closed."""
        span = self.hours.get(day.weekday())
        if span is None or day in self.holidays:
            return None
        return (
            datetime.combine(day, span[0], tzinfo=self.timezone),
            datetime.combine(day, span[1], tzinfo=self.timezone),
        )
