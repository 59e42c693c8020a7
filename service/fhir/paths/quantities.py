"""Amounts with a unit: UCUM time units and calendar words exactly, and the everyday units of mass, length and volume.

A unit that is not in the table equals only itself: comparing it with another gives None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_SINGULAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR_WORDS = {word: word for word in _SINGULAR} | {f"{word}s": word for word in _SINGULAR}
"""Words that may follow a number without quotes, to their singular."""

_SECONDS = {
    "millisecond": "0.001",
    "second": "1",
    "minute": "60",
    "hour": "3600",
    "day": "86400",
    "week": "604800",
    "ms": "0.001",
    "s": "1",
    "min": "60",
    "h": "3600",
    "d": "86400",
    "wk": "604800",
}
_PREFIXES = {"k": "1000", "": "1", "d": "0.1", "c": "0.01", "m": "0.001", "u": "0.000001", "n": "0.000000001"}
_UNITS: dict[str, tuple[str, Decimal]] = {
    **{unit: ("time", Decimal(seconds)) for unit, seconds in _SECONDS.items()},
    # A calendar month is no fixed number of days and no UCUM month, which is 30.4375 days (N1, section 4.1.8).
    "month": ("calendar month", Decimal(1)),
    "year": ("calendar month", Decimal(12)),
    "mo": ("UCUM month", Decimal(1)),
    "a": ("UCUM month", Decimal(12)),
    **{prefix + "g": ("mass", Decimal(factor)) for prefix, factor in _PREFIXES.items()},
    "[lb_av]": ("mass", Decimal("453.59237")),
    "[oz_av]": ("mass", Decimal("28.349523125")),
    **{prefix + "m": ("length", Decimal(factor)) for prefix, factor in _PREFIXES.items()},
    "[in_i]": ("length", Decimal("0.0254")),
    "[ft_i]": ("length", Decimal("0.3048")),
    **{prefix + "L": ("volume", Decimal(factor)) for prefix, factor in _PREFIXES.items()},
    **{prefix + "l": ("volume", Decimal(factor)) for prefix, factor in _PREFIXES.items()},
}


@dataclass(frozen=True, slots=True)
class FhirQuantity:
    """A System.Quantity. `unit` is a UCUM code, or a calendar word in the singular when `calendar`."""

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        if not self.calendar:
            return f"{self.value} '{self.unit}'"
        return f"{self.value} {self.unit}" + ("" if self.value == 1 else "s")


def in_same_unit(left: FhirQuantity, right: FhirQuantity) -> tuple[Decimal, Decimal] | None:
    """Both values in one unit, or None if the units have nothing to do with each other."""
    if left.unit == right.unit:
        return left.value, right.value
    one, other = _UNITS.get(left.unit), _UNITS.get(right.unit)
    if one is None or other is None or one[0] != other[0]:
        return None
    return left.value * one[1], right.value * other[1]


def compare_quantities(left: FhirQuantity, right: FhirQuantity) -> int | None:
    values = in_same_unit(left, right)
    return None if values is None else (values[0] > values[1]) - (values[0] < values[1])
