"""Which functions a pathway file may call, and why it may not call the others.

A name is here once; its builder stands in the functions_of_* module of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.fhir.paths import functions_of_collections as collections
from service.fhir.paths import functions_of_fhir as fhir
from service.fhir.paths import functions_of_loops as loops
from service.fhir.paths import functions_of_types as types
from service.fhir.paths.code import Code
from service.fhir.paths.errors import PathProblem
from service.fhir.paths.functions_of_values import VALUE_FUNCTIONS, ValueFunction, value_code
from service.fhir.paths.scope import Invocation, Scope, did_you_mean
from service.fhir.paths.syntax import Call, Node

MANY = 20
"""Enough arguments for coalesce()."""


@dataclass(frozen=True, slots=True)
class Function:
    """How many arguments a function takes, and what compiles its call."""

    least: int
    most: int
    build: Callable[[Invocation], Code]


def _value_builder(function: ValueFunction) -> Function:
    return Function(function.least, function.most, lambda invocation: value_code(invocation, function))


_FUNCTIONS: dict[str, Function] = {
    "where": Function(1, 1, loops.where),
    "select": Function(1, 1, loops.select),
    "all": Function(1, 1, loops.all_),
    "exists": Function(0, 1, loops.exists),
    "repeat": Function(1, 1, loops.repeat),
    "aggregate": Function(1, 2, loops.aggregate),
    "iif": Function(2, 3, loops.iif),
    "coalesce": Function(1, MANY, loops.coalesce),
    "empty": Function(0, 0, loops.empty),
    "not": Function(0, 0, collections.not_),
    "count": Function(0, 0, collections.count),
    "distinct": Function(0, 0, collections.distinct_),
    "isDistinct": Function(0, 0, collections.is_distinct),
    "first": Function(0, 0, collections.first),
    "last": Function(0, 0, collections.last),
    "tail": Function(0, 0, collections.tail),
    "skip": Function(1, 1, collections.skip),
    "take": Function(1, 1, collections.take),
    "single": Function(0, 0, collections.single),
    "union": Function(1, 1, collections.union),
    "combine": Function(1, 1, collections.combine),
    "intersect": Function(1, 1, collections.intersect),
    "exclude": Function(1, 1, collections.exclude),
    "subsetOf": Function(1, 1, collections.subset_of),
    "supersetOf": Function(1, 1, collections.superset_of),
    "allTrue": Function(0, 0, collections.all_true),
    "anyTrue": Function(0, 0, collections.any_true),
    "allFalse": Function(0, 0, collections.all_false),
    "anyFalse": Function(0, 0, collections.any_false),
    "join": Function(0, 1, collections.join),
    "is": Function(1, 1, types.is_),
    "as": Function(1, 1, types.as_),
    "ofType": Function(1, 1, types.of_type),
    "type": Function(0, 0, types.type_of),
    "extension": Function(1, 1, fhir.extension),
    "hasValue": Function(0, 0, fhir.has_value),
    "getValue": Function(0, 0, fhir.get_value),
    "children": Function(0, 0, fhir.children),
    "descendants": Function(0, 0, fhir.descendants),
    "now": Function(0, 0, fhir.now),
    "today": Function(0, 0, fhir.today),
    "timeOfDay": Function(0, 0, fhir.time_of_day),
    **{name: _value_builder(function) for name, function in VALUE_FUNCTIONS.items()},
}

_REFUSED = {
    "resolve": "a predicate sees one resource only; name the other one as a requirement of its own",
    "memberOf": "codes are compared in `coded: {element: value-set}`, not in a predicate",
    "subsumes": "codes are compared in `coded: {element: value-set}`, not in a predicate",
    "subsumedBy": "codes are compared in `coded: {element: value-set}`, not in a predicate",
    "conformsTo": "profiles are checked when a resource is received, not in a predicate",
    "htmlChecks": "profiles are checked when a resource is received, not in a predicate",
    "trace": "`throughline pathways simulate` shows what each predicate saw",
    "sort": "use where() to choose an item, not its place",
    "elementDefinition": "a predicate sees the resource, not its profile",
    "slice": "a predicate sees the resource, not its profile",
    "checkModifiers": "a predicate sees the resource, not its profile",
    **dict.fromkeys(
        ("lowBoundary", "highBoundary", "precision", "comparable"), "compare the values themselves"
    ),
    **dict.fromkeys(("encode", "decode", "escape", "unescape"), "compare the text as it is in the record"),
    "defineVariable": "repeat the path, or split the predicate",
}


def known_functions() -> frozenset[str]:
    return frozenset(_FUNCTIONS)


def build_call(call: Call, target: Code, scope: Scope, compile_in: Callable[[Node, Scope], Code]) -> Code:
    """Compile one call. Raises PathProblem for an unknown or refused name or a wrong number of arguments."""
    function = _FUNCTIONS.get(call.name)
    if function is None:
        raise _unavailable(call)
    if not function.least <= len(call.arguments) <= function.most:
        raise PathProblem(
            f"{call.name}() takes {_arguments(function)}, not {len(call.arguments)}", call.column
        )
    return function.build(Invocation(call=call, target=target, scope=scope, compile_in=compile_in))


def _unavailable(call: Call) -> PathProblem:
    if call.name in _REFUSED:
        message = f"{call.name}() is not available in a pathway file: {_REFUSED[call.name]}"
        return PathProblem(message, call.column)
    return PathProblem(
        f"there is no function {call.name}()", call.column, did_you_mean(call.name, _FUNCTIONS)
    )


def _arguments(function: Function) -> str:
    if function.most == 0:
        return "no argument"
    if function.least == function.most:
        return f"{function.most} argument" + ("s" if function.most > 1 else "")
    if function.most == MANY:
        return f"at least {function.least} argument"
    return f"{function.least} to {function.most} arguments"
