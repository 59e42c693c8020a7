"""Number functions on int and Decimal (FHIRPath N1, section 5.7). None where there is no real result."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from service.fhir.paths.errors import PathEvaluationError
from service.fhir.paths.quantities import FhirQuantity

Number = int | Decimal
DIGITS = 28
"""Of Python's default decimal context, and what FHIRPath asks for (N1, section 4.1.5: at least 28)."""


def absolute(value: Number | FhirQuantity) -> Number | FhirQuantity:
    if isinstance(value, FhirQuantity):
        return FhirQuantity(abs(value.value), value.unit, value.calendar)
    return value if value >= 0 else -value


def ceiling(value: Number) -> int:
    return int(Decimal(value).to_integral_value(ROUND_CEILING))


def floor(value: Number) -> int:
    return int(Decimal(value).to_integral_value(ROUND_FLOOR))


def rounded(value: Number, decimals: int = 0) -> Decimal:
    if decimals < 0:
        raise PathEvaluationError("round() needs a number of decimals that is not negative")
    return Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def square_root(value: Number) -> Decimal | None:
    return None if value < 0 else Decimal(value).sqrt()


def exponential(value: Number) -> Decimal:
    return _bounded(Decimal(value).exp())


def natural_logarithm(value: Number) -> Decimal | None:
    return None if value <= 0 else Decimal(value).ln()


def logarithm(value: Number, base: Number) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    # 100.log(10) is 2, not 2.000...01: two logarithms of 28 digits divide to 27 that hold.
    return (Decimal(value).ln() / Decimal(base).ln()).quantize(Decimal("1e-20")).normalize()


def power(value: Number, exponent: Number) -> Number | None:
    if value < 0 and exponent != int(exponent):
        return None
    result = _bounded(Decimal(value) ** Decimal(exponent))
    whole = isinstance(value, int) and isinstance(exponent, int) and exponent >= 0
    return int(result) if whole else result


def _bounded(value: Decimal) -> Decimal:
    """Beyond the digits that are kept exactly, a number is a mistake, and turning it into an int could take for ever."""
    if value.adjusted() >= DIGITS:
        raise PathEvaluationError(f"a number has more than {DIGITS} digits")
    return value
