"""A date or moment plus or minus a length of time (FHIRPath N1, section 6.6.7).

Years, months, weeks and days move along the calendar of the moment's own zone and keep its wall-clock time; hours and
shorter are elapsed time. So `+ 1 day` and `+ 24 hours` differ on the two nights a year when the clocks change.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from service.fhir.paths.errors import PathEvaluationError
from service.fhir.paths.quantities import FhirQuantity
from service.fhir.paths.temporal import FhirDate, FhirDateTime, FhirTime, Precision, Temporal

_UCUM = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
_ELAPSED = {
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
    "millisecond": timedelta(milliseconds=1),
}
_DAYS = {"week": 7, "day": 1}
_MONTHS = {"year": 12, "month": 1}
TIME_UNITS = frozenset(_UCUM) | frozenset(_ELAPSED) | frozenset(_DAYS) | frozenset(_MONTHS)


def shift(start: Temporal, quantity: FhirQuantity, sign: int) -> Temporal:
    """`start` moved by a whole number of units: decimals are cut off (N1, section 6.6.7). Keeps precision and zone."""
    unit = quantity.unit if quantity.calendar else _UCUM.get(quantity.unit)
    if unit is None:
        raise PathEvaluationError(
            f"'{quantity.unit}' cannot be added to a date: use years, months, weeks, days, hours, minutes or seconds"
        )
    amount = sign * int(quantity.value.to_integral_value("ROUND_DOWN"))
    try:
        return _shift(start, amount, unit)
    except (OverflowError, ValueError):
        raise PathEvaluationError("the date leaves the calendar (years 1 to 9999)") from None


def _shift(start: Temporal, amount: int, unit: str) -> Temporal:
    if isinstance(start, FhirTime):
        if unit not in _ELAPSED:
            raise PathEvaluationError(f"{unit}s cannot be added to a time of day")
        return FhirTime((start.since_midnight + amount * _ELAPSED[unit]) % timedelta(days=1), start.precision)
    amount, unit = _to_precision(amount, unit, start.precision)
    if isinstance(start, FhirDate):
        return FhirDate(_on_calendar(start.day, amount, unit), start.precision)
    return FhirDateTime(_move(start.moment, amount, unit), start.precision)


def _to_precision(amount: int, unit: str, precision: Precision) -> tuple[int, str]:
    """A date to the month moves by whole months, whatever finer unit was written: 60 days are 2 months of 30."""
    if precision >= Precision.DAY and (unit not in _ELAPSED or precision > Precision.DAY):
        return amount, unit
    if precision is Precision.DAY:
        return _quotient(amount * _ELAPSED[unit], timedelta(days=1)), "day"
    if unit not in _MONTHS:
        length = _ELAPSED.get(unit) or timedelta(days=_DAYS[unit])
        whole = timedelta(days=365 if precision is Precision.YEAR else 30)
        return _quotient(amount * length, whole), "year" if precision is Precision.YEAR else "month"
    if precision is Precision.YEAR and unit == "month":
        return int(Decimal(amount) / 12), "year"
    return amount, unit


def _quotient(length: timedelta, unit: timedelta) -> int:
    return length // unit if length >= timedelta(0) else -(-length // unit)


def _move(moment: datetime, amount: int, unit: str) -> datetime:
    if unit not in _ELAPSED:
        day = _on_calendar(moment.date(), amount, unit)
        moved = moment.replace(year=day.year, month=day.month, day=day.day)
        # A wall-clock time that the spring change skips becomes the instant it stands for (02:30 -> 03:30).
        return moved if moved.tzinfo is None else moved.astimezone(UTC).astimezone(moved.tzinfo)
    if moment.tzinfo is None:
        return moment + amount * _ELAPSED[unit]
    return (moment.astimezone(UTC) + amount * _ELAPSED[unit]).astimezone(moment.tzinfo)


def _on_calendar(day: date, amount: int, unit: str) -> date:
    if unit in _DAYS:
        return day + timedelta(days=amount * _DAYS[unit])
    month = day.year * 12 + day.month - 1 + amount * _MONTHS[unit]
    year, month = month // 12, month % 12 + 1
    return day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))
