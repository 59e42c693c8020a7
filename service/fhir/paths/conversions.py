"""toInteger() and its kin (FHIRPath N1, section 5.5). None where a value does not convert."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from service.fhir.paths.quantities import CALENDAR_WORDS, FhirQuantity
from service.fhir.paths.temporal import (
    FhirDate,
    FhirDateTime,
    FhirTime,
    Precision,
    parse_date_time,
    parse_time,
)

_WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?")
_QUANTITY = re.compile(r"(?P<value>[+-]?\d+(?:\.\d+)?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-z]+))?")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def to_decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_boolean(value: Any) -> bool | None:
    if isinstance(value, int | Decimal):
        return None if value not in (0, 1) else value == 1
    if not isinstance(value, str):
        return None
    word = value.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def to_date(value: Any) -> FhirDate | None:
    if isinstance(value, FhirDateTime):
        return FhirDate(value.moment.date(), min(value.precision, Precision.DAY))
    if isinstance(value, str):
        moment = to_date_time(value)
        return None if moment is None else to_date(moment)
    return value if isinstance(value, FhirDate) else None


def to_date_time(value: Any) -> FhirDateTime | None:
    if isinstance(value, FhirDate):
        return parse_date_time(str(value))
    if isinstance(value, str):
        try:
            return parse_date_time(value)
        except ValueError:
            return None
    return value if isinstance(value, FhirDateTime) else None


def to_time(value: Any) -> FhirTime | None:
    if isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError:
            return None
    return value if isinstance(value, FhirTime) else None


def to_quantity(value: Any) -> FhirQuantity | None:
    if isinstance(value, int | Decimal):
        return FhirQuantity(Decimal(value))
    if isinstance(value, FhirQuantity):
        return value
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    if match["word"] is None:
        return FhirQuantity(Decimal(match["value"]), match["unit"] or "1")
    word = CALENDAR_WORDS.get(match["word"])
    return None if word is None else FhirQuantity(Decimal(match["value"]), word, calendar=True)
