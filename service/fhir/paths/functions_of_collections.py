"""Functions on all items at once: how many, which of them, which in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from service.fhir.paths.code import EMPTY, Code, Env, Shape, boolean_code, system
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.items import singleton, system_value
from service.fhir.paths.operators import contains_item, distinct
from service.fhir.paths.scope import Invocation


def not_(invocation: Invocation) -> Code:
    holds = invocation.target.truth

    def truth(focus: Any, env: Env) -> bool | None:
        answer = holds(focus, env)
        return None if answer is None else not answer

    return boolean_code(truth)


def count(invocation: Invocation) -> Code:
    items = invocation.target.run
    return Code(lambda focus, env: [len(items(focus, env))], system("Integer"))


def distinct_(invocation: Invocation) -> Code:
    items = invocation.target.run
    return Code(lambda focus, env: distinct(items(focus, env)), invocation.target.shape)


def is_distinct(invocation: Invocation) -> Code:
    items = invocation.target.run

    def truth(focus: Any, env: Env) -> bool:
        found = items(focus, env)
        return len(distinct(found)) == len(found)

    return boolean_code(truth)


def _ordered(invocation: Invocation) -> Code:
    if not invocation.target.shape.ordered:
        raise PathProblem("these items have no order to count in", invocation.call.column)
    return invocation.target


def _slice(invocation: Invocation, part: slice, *, many: bool) -> Code:
    target = _ordered(invocation)
    items = target.run
    shape = replace(target.shape, many=many and target.shape.many)
    return Code(lambda focus, env: items(focus, env)[part], shape)


def first(invocation: Invocation) -> Code:
    return _slice(invocation, slice(0, 1), many=False)


def last(invocation: Invocation) -> Code:
    return _slice(invocation, slice(-1, None), many=False)


def tail(invocation: Invocation) -> Code:
    return _slice(invocation, slice(1, None), many=True)


def skip(invocation: Invocation) -> Code:
    return _counted(invocation, lambda items, number: items[max(number, 0) :])


def take(invocation: Invocation) -> Code:
    return _counted(invocation, lambda items, number: items[: max(number, 0)])


def _counted(invocation: Invocation, choose: Callable[[list[Any], int], list[Any]]) -> Code:
    target, wanted = _ordered(invocation), invocation.argument(0)
    if wanted.shape.kinds and "Integer" not in wanted.shape.kinds:
        raise PathProblem(
            f"{invocation.call.name}() needs a whole number", invocation.call.arguments[0].column
        )
    name = f"{invocation.call.name}()"

    def run(focus: Any, env: Env) -> list[Any]:
        number = system_value(singleton(wanted.run(focus, env), name))
        if type(number) is not int:
            raise PathEvaluationError(f"{name} needs a whole number")
        return choose(target.run(focus, env), number)

    return Code(run, target.shape)


def single(invocation: Invocation) -> Code:
    items = invocation.target.run

    def run(focus: Any, env: Env) -> list[Any]:
        found = items(focus, env)
        singleton(found, "single()")
        return found

    return Code(run, replace(invocation.target.shape, many=False))


def _pairing(
    invocation: Invocation, pair: Callable[[list[Any], list[Any]], list[Any]], *, widens: bool = False
) -> Code:
    target, other = invocation.target, invocation.argument(0)
    types = target.shape.types
    if widens:
        types = None if types is None or other.shape.types is None else types | other.shape.types
    many = target.shape.many or widens
    return Code(lambda focus, env: pair(target.run(focus, env), other.run(focus, env)), Shape(types, many))


def union(invocation: Invocation) -> Code:
    return _pairing(invocation, lambda left, right: distinct([*left, *right]), widens=True)


def combine(invocation: Invocation) -> Code:
    return _pairing(invocation, lambda left, right: [*left, *right], widens=True)


def intersect(invocation: Invocation) -> Code:
    return _pairing(
        invocation, lambda left, right: distinct([item for item in left if contains_item(right, item)])
    )


def exclude(invocation: Invocation) -> Code:
    return _pairing(invocation, lambda left, right: [item for item in left if not contains_item(right, item)])


def subset_of(invocation: Invocation) -> Code:
    return _subset(invocation, lambda mine, other: (mine, other))


def superset_of(invocation: Invocation) -> Code:
    return _subset(invocation, lambda mine, other: (other, mine))


def _subset(
    invocation: Invocation, arrange: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]
) -> Code:
    mine, other = invocation.target.run, invocation.argument(0).run

    def truth(focus: Any, env: Env) -> bool:
        smaller, larger = arrange(mine(focus, env), other(focus, env))
        return all(contains_item(larger, item) for item in smaller)

    return boolean_code(truth)


def all_true(invocation: Invocation) -> Code:
    return _truths(invocation, all, wanted=True)


def any_true(invocation: Invocation) -> Code:
    return _truths(invocation, any, wanted=True)


def all_false(invocation: Invocation) -> Code:
    return _truths(invocation, all, wanted=False)


def any_false(invocation: Invocation) -> Code:
    return _truths(invocation, any, wanted=False)


def _truths(invocation: Invocation, quantifier: Callable[[list[bool]], bool], *, wanted: bool) -> Code:
    name, target = f"{invocation.call.name}()", invocation.target
    if target.shape.kinds and target.shape.kinds != {"Boolean"}:
        raise PathProblem(f"{name} needs items that are all true or false", invocation.call.column)

    def truth(focus: Any, env: Env) -> bool:
        values = [system_value(item) for item in target.run(focus, env)]
        if any(type(value) is not bool for value in values):
            raise PathEvaluationError(f"{name} needs items that are all true or false")
        return quantifier([value is wanted for value in values])

    return boolean_code(truth)


def join(invocation: Invocation) -> Code:
    items = invocation.target.run
    separator = invocation.argument(0).run if invocation.count else None

    def run(focus: Any, env: Env) -> list[Any]:
        between = system_value(singleton(separator(focus, env), "join()")) if separator else ""
        values = [system_value(item) for item in items(focus, env)]
        if not values or between is None:
            return EMPTY
        if not all(type(value) is str for value in [between, *values]):
            raise PathEvaluationError("join() needs strings")
        return [between.join(values)]

    return Code(run, system("String"))
