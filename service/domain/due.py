"""Due times: how long a pathway gives, and when that is on the clock of the site.

Minutes and hours are elapsed time. Days and weeks end at the close of that local calendar day. Working hours and
working days follow the site's calendar. All of it is safe across daylight-saving changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
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
    """The instant at which `within` ends when it begins at `start_at`, with the calendar's UTC offset at that instant.

    Hours are elapsed time and days are local calendar days (FHIRPath calendar durations are not used: they would add
    wall-clock hours across a daylight-saving change). Raises ValueError when the calendar never opens.
    """
    ends_at = _ends_at(start_at.astimezone(UTC), within, calendar).astimezone(calendar.timezone)
    # A fixed offset, as the record gives it back: two datetimes of one ZoneInfo compare by the wall clock, and one in
    # the hour that comes twice in autumn equals nothing that was read.
    return ends_at.astimezone(timezone(ends_at.utcoffset() or timedelta()))


def nominal_length(within: Within) -> timedelta:
    """About how long that is at the most, for deciding how far back to read; due times are computed on a calendar."""
    days = {Unit.DAYS: 1, Unit.WEEKS: 7, Unit.WORKING_DAYS: 3, Unit.WORKING_HOURS: 1}
    if within.unit in days:
        return timedelta(days=within.count * days[within.unit] + 1)
    return timedelta(**{within.unit.value: within.count})


def elapsed(start_at: datetime, length: timedelta) -> datetime:
    """`length` of elapsed time after `start_at`. Adding to a zoned datetime would move the wall clock instead."""
    return (start_at.astimezone(UTC) + length).astimezone(start_at.tzinfo)


def _ends_at(start_at: datetime, within: Within, calendar: WorkingCalendar) -> datetime:
    """`start_at` in UTC; the answer in any zone."""
    match within.unit:
        case Unit.MINUTES:
            return start_at + timedelta(minutes=within.count)
        case Unit.HOURS:
            return start_at + timedelta(hours=within.count)
        case Unit.DAYS:
            return _end_of_day(start_at, within.count, calendar)
        case Unit.WEEKS:
            return _end_of_day(start_at, 7 * within.count, calendar)
        case Unit.WORKING_HOURS:
            return _working_hours(start_at, within.count, calendar)
        case Unit.WORKING_DAYS:
            return _working_days(start_at, within.count, calendar)


def _end_of_day(start_at: datetime, days: int, calendar: WorkingCalendar) -> datetime:
    day = start_at.astimezone(calendar.timezone).date() + timedelta(days=days)
    return datetime.combine(day, END_OF_DAY, tzinfo=calendar.timezone)


def _openings(start_at: datetime, calendar: WorkingCalendar) -> Iterator[tuple[datetime, datetime]]:
    """Opening spans that end after `start_at`, in order, until a closure is longer than anybody could wait."""
    day = start_at.astimezone(calendar.timezone).date()
    closed_since = day
    while day - closed_since < LONGEST_CLOSURE:
        span = calendar.opening(day)
        if span is not None and span[1] > start_at:
            yield span
            closed_since = day
        day += timedelta(days=1)
    message = f"the calendar has no opening hours in the {LONGEST_CLOSURE.days} days after {closed_since}"
    raise ValueError(message)


def _working_hours(start_at: datetime, hours: int, calendar: WorkingCalendar) -> datetime:
    left = timedelta(hours=hours)
    for opens, closes in _openings(start_at, calendar):
        begins = max(opens, start_at).astimezone(UTC)
        open_for = closes.astimezone(UTC) - begins
        if open_for >= left:
            return begins + left
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
