"""Due times: how long a pathway gives, and when that is on the clock of the site.

Minutes and hours are elapsed time. Days and weeks end at the close of that local calendar day. Working hours and
working days follow the site's calendar. All of it is safe across daylight-saving changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

END_OF_DAY = time(23, 59, 59)
LONGEST_CLOSURE = timedelta(days=400)


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


def due_at(start_at: datetime, within: Within, calendar: WorkingCalendar) -> datetime:
    """The instant at which `within` ends when it begins at `start_at`, in the calendar's time zone.

    Hours are elapsed time and days are local calendar days (FHIRPath calendar durations are not used: they would add
    wall-clock hours across a daylight-saving change). Raises ValueError when the calendar never opens.
    """
    match within.unit:
        case Unit.MINUTES:
            return _elapsed(start_at, timedelta(minutes=within.count), calendar)
        case Unit.HOURS:
            return _elapsed(start_at, timedelta(hours=within.count), calendar)
        case Unit.DAYS:
            return _end_of_day(start_at, within.count, calendar)
        case Unit.WEEKS:
            return _end_of_day(start_at, 7 * within.count, calendar)
        case Unit.WORKING_HOURS:
            return _working_hours(start_at, within.count, calendar)
        case Unit.WORKING_DAYS:
            return _working_days(start_at, within.count, calendar)


def _elapsed(start_at: datetime, length: timedelta, calendar: WorkingCalendar) -> datetime:
    # Through UTC: adding to a zoned datetime would move the wall clock, not the elapsed time.
    return (start_at.astimezone(UTC) + length).astimezone(calendar.timezone)


def _end_of_day(start_at: datetime, days: int, calendar: WorkingCalendar) -> datetime:
    day = start_at.astimezone(calendar.timezone).date() + timedelta(days=days)
    return datetime.combine(day, END_OF_DAY, tzinfo=calendar.timezone)


def _openings(start_at: datetime, calendar: WorkingCalendar) -> Iterator[tuple[datetime, datetime]]:
    """Opening spans that end after `start_at`, in order, for as long as anybody could wait."""
    first = start_at.astimezone(calendar.timezone).date()
    for offset in range(LONGEST_CLOSURE.days):
        span = calendar.opening(first + timedelta(days=offset))
        if span is not None and span[1] > start_at:
            yield span
    message = f"the calendar has no opening hours in the {LONGEST_CLOSURE.days} days after the start"
    raise ValueError(message)


def _working_hours(start_at: datetime, hours: int, calendar: WorkingCalendar) -> datetime:
    left = timedelta(hours=hours)
    for opens, closes in _openings(start_at, calendar):
        begins = max(opens, start_at).astimezone(UTC)
        open_for = closes.astimezone(UTC) - begins
        if open_for >= left:
            return (begins + left).astimezone(calendar.timezone)
        left -= open_for
    raise AssertionError  # _openings either yields enough or raises


def _working_days(start_at: datetime, days: int, calendar: WorkingCalendar) -> datetime:
    today = start_at.astimezone(calendar.timezone).date()
    spans = _openings(start_at, calendar)
    if days == 0:
        return next(spans)[1]
    later = (span for span in spans if span[0].date() > today)
    for _ in range(days - 1):
        next(later)
    return next(later)[1]
