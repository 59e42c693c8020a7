"""Dates, times and instants that know how precisely they were written (FHIRPath N1, sections 5.5 and 6.2).

Reads no clock and guesses no time zone: what cannot be compared compares to None, never to false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import IntEnum
from functools import lru_cache

_TEMPORAL = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?"
    r"(?P<t>T(?:(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?)?)?"
    r"(?P<zone>Z|[+-]\d{2}:\d{2})?)?"
)
_CLOCK = re.compile(
    r"T?(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?)?"
)
_REMEMBERED = 4096


class Precision(IntEnum):
    """The last component that was written; seconds and their fraction are one (N1, section 6.2.1)."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6


@dataclass(frozen=True, slots=True)
class FhirDate:
    """A date of the calendar, to the year, month or day. `day` is the first day of the period it names."""

    day: date
    precision: Precision = Precision.DAY

    @property
    def parts(self) -> tuple[int, ...]:
        return (self.day.year, self.day.month, self.day.day)[: self.precision]

    def as_instant(self, default_zone: tzinfo) -> datetime:
        """The first moment of the period it names, in `default_zone`."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=default_zone)

    def __str__(self) -> str:
        return self.day.isoformat()[: (4, 7, 10)[self.precision - 1]]


@dataclass(frozen=True, slots=True)
class FhirDateTime:
    """A moment to the year ... second. `moment` is aware if, and only if, a time zone was written."""

    moment: datetime
    precision: Precision = Precision.SECOND

    @property
    def has_zone(self) -> bool:
        return self.moment.tzinfo is not None

    def parts_in(self, zone: tzinfo | None) -> tuple[int, ...]:
        """Components down to the precision; in UTC if `zone` says so and there is a zone to convert from."""
        m = self.moment
        if zone is not None and m.tzinfo is not None and self.precision > Precision.DAY:
            m = m.astimezone(zone)
        second = m.second * 1_000_000 + m.microsecond
        return (m.year, m.month, m.day, m.hour, m.minute, second)[: self.precision]

    def as_instant(self, default_zone: tzinfo) -> datetime:
        """The first moment of the period it names; `default_zone` holds only where none was written."""
        return self.moment if self.has_zone else self.moment.replace(tzinfo=default_zone)

    def __str__(self) -> str:
        if self.precision <= Precision.DAY:
            return str(FhirDate(self.moment.date(), self.precision))
        text = self.moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
        length = {Precision.HOUR: 13, Precision.MINUTE: 16}.get(self.precision)
        text = text[:length].removesuffix(".000")
        offset = self.moment.strftime("%z")
        return text + (f"{offset[:3]}:{offset[3:5]}" if offset else "")


@dataclass(frozen=True, slots=True)
class FhirTime:
    """A time of day, to the hour, minute or second; `since_midnight` is its first moment."""

    since_midnight: timedelta
    precision: Precision = Precision.SECOND

    @property
    def parts(self) -> tuple[int, ...]:
        minutes, rest = divmod(self.since_midnight, timedelta(minutes=1))
        microseconds = rest // timedelta(microseconds=1)
        return (minutes // 60, minutes % 60, microseconds)[: self.precision - Precision.DAY]

    def __str__(self) -> str:
        text = (datetime(1, 1, 1, tzinfo=UTC) + self.since_midnight).time().isoformat(timespec="milliseconds")
        return text[: {Precision.HOUR: 2, Precision.MINUTE: 5}.get(self.precision)].removesuffix(".000")


Temporal = FhirDate | FhirDateTime | FhirTime


def parse_temporal_literal(text: str) -> Temporal:
    """`@2026`, `@2026-03-06T`, `@T16:30`. Raises ValueError for a day or hour that does not exist."""
    if text.startswith("@T"):
        return parse_time(text[1:])
    return parse_date_time(text[1:]) if "T" in text else parse_date(text[1:])


@lru_cache(_REMEMBERED)
def parse_date(text: str) -> FhirDate:
    match = _TEMPORAL.fullmatch(text)
    if match is None or match["t"] is not None:
        raise ValueError("not a date")
    return FhirDate(_day(match), _day_precision(match))


@lru_cache(_REMEMBERED)
def parse_date_time(text: str) -> FhirDateTime:
    """FHIR dateTime and instant, and the FHIRPath forms `2026T` and `2026-03-06T16` that FHIR lacks."""
    match = _TEMPORAL.fullmatch(text)
    if match is None or (match["hour"] is None and match["zone"] is not None):
        raise ValueError("not a dateTime")
    day = _day(match)
    start = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone, if one was written, is added below
    if match["hour"] is None:
        return FhirDateTime(start, _day_precision(match))
    if match["day"] is None:
        raise ValueError("a time needs a day")
    return FhirDateTime(
        (start + _since_midnight(match)).replace(tzinfo=_zone(match["zone"])), _clock_precision(match)
    )


@lru_cache(_REMEMBERED)
def parse_time(text: str) -> FhirTime:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError("not a time")
    return FhirTime(_since_midnight(match), _clock_precision(match))


def compare_temporal(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where precision or a missing time zone leaves it open, or a time meets a date.

    Component by component (N1, section 6.2.1). Two moments with zones are compared as instants. A date and a moment
    are compared on the calendar of the moment's own zone. A moment without zone and one with are not comparable.
    """
    if isinstance(left, FhirTime) or isinstance(right, FhirTime):
        both = isinstance(left, FhirTime) and isinstance(right, FhirTime)
        return _compare_parts(left.parts, right.parts) if both else None  # type: ignore[union-attr]
    if isinstance(left, FhirDateTime) and isinstance(right, FhirDateTime):
        return _compare_moments(left, right)
    return _compare_parts(_calendar_parts(left), _calendar_parts(right))


def _compare_moments(left: FhirDateTime, right: FhirDateTime) -> int | None:
    timed = left.precision > Precision.DAY and right.precision > Precision.DAY
    if timed and left.has_zone != right.has_zone:
        return None
    if left.precision == right.precision == Precision.SECOND:
        # Same-zone subtraction in Python is wall-clock arithmetic; across a clock change only instants are true.
        return (
            _sign(left.moment.astimezone(UTC), right.moment.astimezone(UTC))
            if left.has_zone
            else _sign(left.moment, right.moment)
        )
    zone = UTC if timed else None
    return _compare_parts(left.parts_in(zone), right.parts_in(zone))


def _calendar_parts(value: FhirDate | FhirDateTime) -> tuple[int, ...]:
    return value.parts if isinstance(value, FhirDate) else value.parts_in(None)


def _compare_parts(left: tuple[int, ...], right: tuple[int, ...]) -> int | None:
    for one, other in zip(left, right, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left) == len(right) else None


def _sign(left: datetime, right: datetime) -> int:
    return (left > right) - (left < right)


def _day(match: re.Match[str]) -> date:
    return date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))


def _day_precision(match: re.Match[str]) -> Precision:
    if match["month"] is None:
        return Precision.YEAR
    return Precision.MONTH if match["day"] is None else Precision.DAY


def _clock_precision(match: re.Match[str]) -> Precision:
    if match["minute"] is None:
        return Precision.HOUR
    return Precision.MINUTE if match["second"] is None else Precision.SECOND


def _since_midnight(match: re.Match[str]) -> timedelta:
    hour, minute, second = int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no such time of day")
    microseconds = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59), microseconds=microseconds)


def _zone(text: str | None) -> tzinfo | None:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo if text else None
