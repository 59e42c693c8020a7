"""What = ~ < + and the other operators mean on items (FHIRPath N1, section 6). Lists in, values out; None is empty."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from service.fhir.paths.calendar_arithmetic import shift
from service.fhir.paths.elements import Element
from service.fhir.paths.errors import PathEvaluationError
from service.fhir.paths.items import singleton, system_value
from service.fhir.paths.quantities import FhirQuantity, compare_quantities, in_same_unit
from service.fhir.paths.temporal import FhirDate, FhirDateTime, FhirTime, compare_temporal

_TEMPORAL = (FhirDate, FhirDateTime, FhirTime)
_NUMBERS = (int, Decimal)
_SPACES = re.compile(r"\s+")


def equal(left: list[Any], right: list[Any]) -> bool | None:
    """`=`: None if either side is empty or precision leaves it open; order counts."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [same(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def same(left: Any, right: Any) -> bool | None:
    """Are two items equal? None where it cannot be known."""
    if _is_complex(left) or _is_complex(right):
        return _same_objects(left, right)
    one, other = system_value(left), system_value(right)
    if one is None or other is None:
        return None
    if isinstance(one, FhirQuantity) and isinstance(other, FhirQuantity):
        order = compare_quantities(one, other)
        return None if order is None else order == 0
    if isinstance(one, _TEMPORAL) and isinstance(other, _TEMPORAL):
        if isinstance(one, FhirTime) != isinstance(other, FhirTime):
            return False
        order = compare_temporal(one, other)
        return None if order is None else order == 0
    return _family(one) is _family(other) and bool(one == other)


def _is_complex(item: Any) -> bool:
    return type(item) is Element and item.type.kind is None


def _same_objects(left: Any, right: Any) -> bool:
    return type(left) is Element and type(right) is Element and bool(left.data == right.data)


def _family(value: Any) -> type:
    """Bool is an int in Python, not in FHIRPath; whole and decimal numbers are one family."""
    return Decimal if type(value) in _NUMBERS else type(value)


def equivalent(left: list[Any], right: list[Any]) -> bool:
    """`~`: never None; order, letter case and precision beyond the coarser number do not count."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        position = next((i for i, other in enumerate(rest) if alike(one, other)), None)
        if position is None:
            return False
        del rest[position]
    return True


def alike(left: Any, right: Any) -> bool:
    if _is_complex(left) or _is_complex(right):
        return type(left) is Element and type(right) is Element and _alike_json(left.data, right.data)
    one, other = system_value(left), system_value(right)
    if isinstance(one, str) and isinstance(other, str):
        return _SPACES.sub(" ", one).casefold() == _SPACES.sub(" ", other).casefold()
    if _family(one) is Decimal and _family(other) is Decimal:
        return _alike_numbers(Decimal(one), Decimal(other))
    if isinstance(one, FhirQuantity) and isinstance(other, FhirQuantity):
        return _alike_quantities(one, other)
    return same(left, right) is True


def _alike_numbers(left: Decimal, right: Decimal) -> bool:
    exponent = Decimal(1).scaleb(-min(_decimals(left), _decimals(right)))
    return left.quantize(exponent, ROUND_HALF_UP) == right.quantize(exponent, ROUND_HALF_UP)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _alike_quantities(left: FhirQuantity, right: FhirQuantity) -> bool:
    """4 'g' ~ 4040 'mg': compared in the unit, and to the decimals, of the coarser one."""
    words = {"month": "mo", "year": "a"}
    units = [FhirQuantity(Decimal(1), words.get(quantity.unit, quantity.unit)) for quantity in (left, right)]
    sizes = in_same_unit(units[0], units[1])
    if sizes is None:
        return False
    coarse = max(sizes)
    return _alike_numbers(left.value * sizes[0] / coarse, right.value * sizes[1] / coarse)


def _alike_json(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_alike_json(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        rest = list(right)
        for one in left:
            position = next((i for i, other in enumerate(rest) if _alike_json(one, other)), None)
            if position is None:
                return False
            del rest[position]
        return not rest
    return bool(left == right)


def order(left: list[Any], right: list[Any], symbol: str) -> int | None:
    """-1, 0, 1 for < and its kin; None if either is empty or it cannot be known. Raises for kinds without order."""
    one = system_value(singleton(left, symbol))
    other = system_value(singleton(right, symbol))
    if one is None or other is None:
        return None
    if isinstance(one, FhirQuantity) and isinstance(other, FhirQuantity):
        return compare_quantities(one, other)
    if isinstance(one, _TEMPORAL) and isinstance(other, _TEMPORAL):
        return compare_temporal(one, other)
    if _family(one) is _family(other) and isinstance(one, str | int | Decimal) and not isinstance(one, bool):
        return int(one > other) - int(one < other)
    raise PathEvaluationError(f"{symbol} cannot put these two kinds of value in order")


def calculate(left: list[Any], right: list[Any], symbol: str) -> Any:
    """`+ - * / div mod &` on single items; None is empty. Division by zero is empty, not an error."""
    one = system_value(singleton(left, symbol))
    other = system_value(singleton(right, symbol))
    if symbol == "&":
        return _text(one) + _text(other)
    if one is None or other is None:
        return None
    try:
        return _calculated(one, other, symbol)
    except DecimalException:
        raise PathEvaluationError(f"the result of {symbol} is not a number that can be kept") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PathEvaluationError("& joins strings only: use toString()")
    return value


def _calculated(one: Any, other: Any, symbol: str) -> Any:
    if _family(one) is Decimal and _family(other) is Decimal:
        return _ARITHMETIC[symbol](one, other)
    if isinstance(one, str) and isinstance(other, str) and symbol == "+":
        return one + other
    if isinstance(other, FhirQuantity) and symbol in "+-":
        if isinstance(one, _TEMPORAL):
            return shift(one, other, 1 if symbol == "+" else -1)
        if isinstance(one, FhirQuantity) and one.unit == other.unit:
            return FhirQuantity(_ARITHMETIC[symbol](one.value, other.value), one.unit, one.calendar)
    if isinstance(one, FhirQuantity) and _family(other) is Decimal and symbol in ("*", "/"):
        value = _ARITHMETIC[symbol](one.value, Decimal(other))
        return None if value is None else FhirQuantity(value, one.unit, one.calendar)
    if isinstance(other, FhirQuantity) and _family(one) is Decimal and symbol == "*":
        return FhirQuantity(other.value * one, other.unit, other.calendar)
    raise PathEvaluationError(f"{symbol} does not fit these two kinds of value")


def _whole_quotient(left: Any, right: Any) -> int | None:
    return None if right == 0 else int(Decimal(left) / Decimal(right))


def _remainder(left: Any, right: Any) -> Any:
    if right == 0:
        return None
    rest = Decimal(left) % Decimal(right)
    return int(rest) if isinstance(left, int) and isinstance(right, int) else rest


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: None if right == 0 else Decimal(left) / Decimal(right),
    "div": _whole_quotient,
    "mod": _remainder,
}


def contains_item(items: list[Any], item: Any) -> bool:
    return any(same(one, item) or _identical(one, item) for one in items)


def _identical(left: Any, right: Any) -> bool:
    """Elements without a value (only extensions) equal nothing under `=`, but the same one twice is still one."""
    if type(left) is not Element or type(right) is not Element:
        return False
    return left.data == right.data and left.members == right.members and left.type is right.type


def distinct(items: list[Any]) -> list[Any]:
    """First of each set of equal items, in order."""
    found: list[Any] = []
    for item in items:
        if not contains_item(found, item):
            found.append(item)
    return found
