"""Functions of one value: text, numbers and conversions. Nothing in, or any argument missing, gives nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import DecimalException
from typing import Any

from service.fhir.paths import conversions as to
from service.fhir.paths import numbers as number
from service.fhir.paths import texts as text
from service.fhir.paths.code import EMPTY, Code, Env, Shape, system
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.items import kind_of, singleton, system_value
from service.fhir.paths.scope import Invocation
from service.fhir.paths.syntax import Literal

_NUMBER = ("Integer", "Decimal")
_ANY: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueFunction:
    """`apply(value, *arguments)` is given System values of the kinds in `takes` and `arguments`; None is nothing.

    `gives` is the kind of the result; None stands for the kind of the input.
    """

    apply: Callable[..., Any]
    takes: tuple[str, ...]
    gives: str | None
    arguments: tuple[tuple[str, ...], ...] = ()
    optional: int = 0
    many: bool = False

    @property
    def least(self) -> int:
        return len(self.arguments) - self.optional

    @property
    def most(self) -> int:
        return len(self.arguments)


_S = ("String",)
_I = ("Integer",)


def _converts(convert: Callable[[Any], Any]) -> ValueFunction:
    return ValueFunction(lambda value: convert(value) is not None, _ANY, "Boolean")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Integer": to.to_integer,
    "Decimal": to.to_decimal,
    "String": to.to_string,
    "Boolean": to.to_boolean,
    "Date": to.to_date,
    "DateTime": to.to_date_time,
    "Time": to.to_time,
    "Quantity": to.to_quantity,
}

VALUE_FUNCTIONS: dict[str, ValueFunction] = {
    "matches": ValueFunction(text.matches, _S, "Boolean", (_S,)),
    "matchesFull": ValueFunction(text.matches_full, _S, "Boolean", (_S,)),
    "replaceMatches": ValueFunction(text.replace_matches, _S, "String", (_S, _S)),
    "contains": ValueFunction(lambda value, part: part in value, _S, "Boolean", (_S,)),
    "startsWith": ValueFunction(str.startswith, _S, "Boolean", (_S,)),
    "endsWith": ValueFunction(str.endswith, _S, "Boolean", (_S,)),
    "indexOf": ValueFunction(str.find, _S, "Integer", (_S,)),
    "lastIndexOf": ValueFunction(str.rfind, _S, "Integer", (_S,)),
    "substring": ValueFunction(text.substring, _S, "String", (_I, _I), optional=1),
    "replace": ValueFunction(str.replace, _S, "String", (_S, _S)),
    "length": ValueFunction(len, _S, "Integer"),
    "upper": ValueFunction(str.upper, _S, "String"),
    "lower": ValueFunction(str.lower, _S, "String"),
    "trim": ValueFunction(str.strip, _S, "String"),
    "split": ValueFunction(text.split, _S, "String", (_S,), many=True),
    "toChars": ValueFunction(list, _S, "String", many=True),
    "abs": ValueFunction(number.absolute, (*_NUMBER, "Quantity"), None),
    "ceiling": ValueFunction(number.ceiling, _NUMBER, "Integer"),
    "floor": ValueFunction(number.floor, _NUMBER, "Integer"),
    "truncate": ValueFunction(int, _NUMBER, "Integer"),
    "round": ValueFunction(number.rounded, _NUMBER, "Decimal", (_I,), optional=1),
    "sqrt": ValueFunction(number.square_root, _NUMBER, "Decimal"),
    "exp": ValueFunction(number.exponential, _NUMBER, "Decimal"),
    "ln": ValueFunction(number.natural_logarithm, _NUMBER, "Decimal"),
    "log": ValueFunction(number.logarithm, _NUMBER, "Decimal", (_NUMBER,)),
    "power": ValueFunction(number.power, _NUMBER, "Decimal", (_NUMBER,)),
    **{f"to{kind}": ValueFunction(convert, _ANY, kind) for kind, convert in _CONVERSIONS.items()},
    **{f"convertsTo{kind}": _converts(convert) for kind, convert in _CONVERSIONS.items()},
}


def value_code(invocation: Invocation, function: ValueFunction) -> Code:
    """Compile a call, refusing an input or argument that can never be of the right kind."""
    target, name = invocation.target, invocation.call.name
    _check(target, function.takes, f"{name}()", invocation.call.column)
    arguments = [invocation.argument(position) for position in range(invocation.count)]
    for position, argument in enumerate(arguments):
        column = invocation.call.arguments[position].column
        _check(argument, function.arguments[position], f"the argument of {name}()", column)
    if "atches" in name:
        _check_pattern(invocation)
    kinds = [function.takes, *function.arguments[: len(arguments)]]
    shape = (
        Shape(target.shape.types) if function.gives is None else system(function.gives, many=function.many)
    )
    if function.gives is None and target.shape.kinds is not None:
        shape = Shape(frozenset(f"System.{kind}" for kind in target.shape.kinds))
    return Code(_run([target, *arguments], kinds, function, f"{name}()"), shape)


def _run(parts: list[Code], kinds: list[tuple[str, ...]], function: ValueFunction, name: str) -> Any:
    runs, apply, many = [part.run for part in parts], function.apply, function.many

    def run(focus: Any, env: Env) -> list[Any]:
        values = []
        for one, expected in zip(runs, kinds, strict=True):
            value = system_value(singleton(one(focus, env), name))
            if value is None:
                return EMPTY
            if expected and kind_of(value) not in expected:
                raise PathEvaluationError(f"{name} needs {' or '.join(expected)}")
            values.append(value)
        result = _applied(apply, values, name)
        return EMPTY if result is None else result if many else [result]

    return run


def _applied(apply: Callable[..., Any], values: list[Any], name: str) -> Any:
    try:
        return apply(*values)
    except (DecimalException, OverflowError, re.error):
        raise PathEvaluationError(f"{name} has no usable result for this value") from None


def _check(code: Code, expected: tuple[str, ...], what: str, column: int) -> None:
    kinds = code.shape.kinds
    if expected and kinds and not kinds & set(expected):
        raise PathProblem(
            f"{what} must be {' or '.join(expected)}, not {' or '.join(sorted(kinds)[:4])}", column
        )


def _check_pattern(invocation: Invocation) -> None:
    pattern = invocation.call.arguments[0]
    if not isinstance(pattern, Literal):
        return
    try:
        text.compiled(pattern.value)
    except re.error as problem:
        raise PathProblem(f"the pattern is not a regular expression: {problem.msg}", pattern.column) from None
