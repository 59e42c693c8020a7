"""Operators compiled to closures; comparisons that can never hold are refused while the file is loaded.

The common shapes (a code against a literal, a code in a list of literals) get closures that read the JSON directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.fhir.paths.calendar_arithmetic import TIME_UNITS
from service.fhir.paths.code import EMPTY, Code, Env, Shape, Truth, boolean_code, system
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.items import singleton, system_value
from service.fhir.paths.logic import LOGIC
from service.fhir.paths.operators import calculate, contains_item, distinct, equal, equivalent, order
from service.fhir.paths.quantities import FhirQuantity
from service.fhir.paths.syntax import Literal, Operation
from service.fhir.paths.temporal import FhirDateTime, Precision

_FAMILIES = {"Integer": "number", "Decimal": "number", "Date": "date", "DateTime": "date"}
_ORDERED = frozenset({"number", "date", "String", "Time", "Quantity"})
_STRING, _NUMBER, _INTEGER = frozenset({"String"}), frozenset({"number"}), frozenset({"Integer"})
_COMPARED: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def compile_operation(node: Operation, left: Code, right: Code) -> Code:
    """One binary operator. Raises PathProblem where the two sides can never go together."""
    match node.operator:
        case "and" | "or" | "xor" | "implies":
            return boolean_code(LOGIC[node.operator](left.truth, right.truth))
        case "=" | "!=":
            _check_comparable(node, left, right)
            return _equality(left, right, wanted=node.operator == "=")
        case "~" | "!~":
            return _equivalence(left, right, wanted=node.operator == "~")
        case "<" | "<=" | ">" | ">=":
            _check_comparable(node, left, right)
            _check_ordered(node, left, right)
            return _ordering(node.operator, left, right)
        case "in":
            return _membership(left, right)
        case "contains":
            return _membership(right, left)
        case "|":
            return _union(left, right)
    return _arithmetic(node, left, right)


def _families(code: Code) -> frozenset[str] | None:
    kinds = code.shape.kinds
    return None if kinds is None else frozenset(_FAMILIES.get(kind, kind) for kind in kinds)


def _check_comparable(node: Operation, left: Code, right: Code) -> None:
    """Refuse `status = 5` and `birthDate = '1980-01-01'`: always false, so always a mistake."""
    one, other = _families(left), _families(right)
    if one and other and not one & other:
        helped = "dates are written @2026-03-06" if {"date", "String"} <= one | other else None
        raise PathProblem(
            f"{_said(one)} and {_said(other)} can never be compared with {node.operator}", node.column, helped
        )
    for code, against in ((left, node.right), (right, node.left)):
        moment = against.value if isinstance(against, Literal) else None
        stamped = code.shape.types and code.shape.types <= {"dateTime", "instant"}
        if (
            stamped
            and isinstance(moment, FhirDateTime)
            and not moment.has_zone
            and moment.precision > Precision.DAY
        ):
            raise PathProblem(
                "a time without a time zone cannot be compared with the record",
                against.column,
                "add Z or an offset such as -07:00",
            )


def _check_ordered(node: Operation, left: Code, right: Code) -> None:
    for code in (left, right):
        families = _families(code)
        if families and not families & _ORDERED:
            raise PathProblem(f"{_said(families)} has no order for {node.operator}", node.column)


def _said(families: frozenset[str]) -> str:
    return " or ".join(
        sorted(name.lower() if name in ("Boolean", "String", "Time") else name for name in families)
    )


def _equality(left: Code, right: Code, *, wanted: bool) -> Code:
    one, other = left.run, right.run

    def truth(focus: Any, env: Env) -> bool | None:
        answer = equal(one(focus, env), other(focus, env))
        return answer if answer is None or wanted else not answer

    for code, literal in ((left, right.constant), (right, left.constant)):
        if code.raw is not None and type(literal) in (str, bool) and _plain_kind(code, literal):
            return boolean_code(_raw_equality(code.raw, literal, wanted=wanted, general=truth))
    return boolean_code(truth)


def _plain_kind(code: Code, literal: Any) -> bool:
    return code.shape.kinds == frozenset({"String" if type(literal) is str else "Boolean"})


def _raw_equality(raw: Callable[[Any], Any], literal: Any, *, wanted: bool, general: Truth) -> Truth:
    expected = type(literal)

    def truth(focus: Any, env: Env) -> bool | None:
        value = raw(focus)
        if type(value) is expected:
            return (value == literal) is wanted
        return None if value is None else general(focus, env)

    return truth


def _equivalence(left: Code, right: Code, *, wanted: bool) -> Code:
    one, other = left.run, right.run
    return boolean_code(lambda focus, env: equivalent(one(focus, env), other(focus, env)) is wanted)


def _ordering(symbol: str, left: Code, right: Code) -> Code:
    one, other, holds = left.run, right.run, _COMPARED[symbol]

    def truth(focus: Any, env: Env) -> bool | None:
        sign = order(one(focus, env), other(focus, env), symbol)
        return None if sign is None else holds(sign)

    return boolean_code(truth)


def _membership(item: Code, items: Code) -> Code:
    one, many = item.run, items.run

    def truth(focus: Any, env: Env) -> bool | None:
        wanted = singleton(one(focus, env), "in")
        return None if wanted is None else contains_item(many(focus, env), wanted)

    strings = items.constant
    if item.raw is not None and isinstance(strings, frozenset) and item.shape.kinds == _STRING:
        return boolean_code(_raw_membership(item.raw, strings, truth))
    return boolean_code(truth)


def _raw_membership(raw: Callable[[Any], Any], strings: frozenset[str], general: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool | None:
        value = raw(focus)
        if type(value) is str:
            return value in strings
        return None if value is None else general(focus, env)

    return truth


def _union(left: Code, right: Code) -> Code:
    one, other = left.run, right.run
    types = (
        None
        if left.shape.types is None or right.shape.types is None
        else left.shape.types | right.shape.types
    )
    shape = Shape(types, many=True)
    parts = [_as_strings(left.constant), _as_strings(right.constant)]
    if parts[0] and parts[1]:
        strings = parts[0] | parts[1]
        items = distinct([*one(None, _NO_ENV), *other(None, _NO_ENV)])
        return Code(lambda _focus, _env: items, shape, constant=strings)
    return Code(lambda focus, env: distinct([*one(focus, env), *other(focus, env)]), shape)


_NO_ENV: Any = None
"""Constants look at no environment."""


def _as_strings(constant: Any) -> frozenset[str] | None:
    if isinstance(constant, frozenset):
        return constant
    return frozenset({constant}) if isinstance(constant, str) else None


def _arithmetic(node: Operation, left: Code, right: Code) -> Code:
    symbol, one, other = node.operator, left.run, right.run
    shape = _arithmetic_shape(node, left, right)

    def run(focus: Any, env: Env) -> list[Any]:
        value = calculate(one(focus, env), other(focus, env), symbol)
        return EMPTY if value is None else [value]

    return Code(run, shape)


def _arithmetic_shape(node: Operation, left: Code, right: Code) -> Shape:
    symbol, one, other = node.operator, _families(left), _families(right)
    if symbol == "&":
        return system("String")
    if not one or not other:
        return Shape(None)
    if symbol in "+-" and "Quantity" in other and one & {"date", "Time"}:
        _check_time_unit(node)
        return _system_shape(left)
    fits = one & other if symbol in ("+", "-") else (one | other) & {"number"}
    allowed = {"number", "Quantity"} | ({"String"} if symbol == "+" else set())
    if not fits & allowed or not one & allowed or not other & allowed:
        helped = "say how long: 4 hours, 7 days" if "date" in one and "number" in other else None
        raise PathProblem(f"{_said(one)} {symbol} {_said(other)} has no meaning", node.column, helped)
    if one == other == _NUMBER:
        whole = left.shape.kinds == right.shape.kinds == _INTEGER and symbol != "/"
        return system("Integer" if whole or symbol == "div" else "Decimal")
    return system("Quantity" if "Quantity" in one | other else "String" if "String" in fits else "Decimal")


def _system_shape(code: Code) -> Shape:
    """What an operator makes of a value is a System value, even if it came from an element."""
    kinds = code.shape.kinds
    return Shape(None if kinds is None else frozenset(f"System.{kind}" for kind in kinds))


def _check_time_unit(node: Operation) -> None:
    quantity = node.right.value if isinstance(node.right, Literal) else None
    if not isinstance(quantity, FhirQuantity):
        return
    ambiguous = {"mo": "month", "a": "year"}
    if quantity.unit in ambiguous:
        word = ambiguous[quantity.unit]
        raise PathProblem(
            f"'{quantity.unit}' is no calendar {word}",
            node.right.column,
            f"write {FhirQuantity(quantity.value, word, calendar=True)}",
        )
    if quantity.unit not in TIME_UNITS:
        raise PathProblem(
            f"'{quantity.unit}' is not a length of time", node.right.column, "write 4 hours, 7 days"
        )


def compile_sign(sign: str, operand: Code, column: int) -> Code:
    """`-x`, `+x` of a number or quantity."""
    families = _families(operand)
    if families and not families & {"number", "Quantity"}:
        raise PathProblem(
            f"{_said(families)} cannot have a sign", column, "put the signed number in brackets: (-1)"
        )
    run, factor = operand.run, -1 if sign == "-" else 1

    def signed(focus: Any, env: Env) -> list[Any]:
        value = system_value(singleton(run(focus, env), f"the sign {sign}"))
        if value is None:
            return EMPTY
        if isinstance(value, FhirQuantity):
            return [FhirQuantity(factor * value.value, value.unit, value.calendar)]
        if isinstance(value, bool) or not hasattr(value, "as_integer_ratio"):
            raise PathEvaluationError("only a number or a quantity can have a sign")
        return [factor * value]

    return Code(signed, _system_shape(operand))
