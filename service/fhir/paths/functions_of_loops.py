"""Functions that evaluate an argument once per item, or only if needed: where, select, all, exists, repeat, iif ..."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.fhir.paths.code import ABSENT, EMPTY, UNKNOWN, Code, Env, Shape, Truth, boolean_code
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.items import singleton
from service.fhir.paths.operators import contains_item
from service.fhir.paths.scope import Invocation

MAX_REPEATED = 2000
"""repeat() with a calculation can go on for ever; no resource has this many nested items."""


def where(invocation: Invocation) -> Code:
    items, holds = invocation.target.run, invocation.criterion(0).truth

    def run(focus: Any, env: Env) -> list[Any]:
        outer, found = env.index, []
        for index, item in enumerate(items(focus, env)):
            env.index = index
            if holds(item, env):
                found.append(item)
        env.index = outer
        return found

    return Code(run, invocation.target.shape, loop=(items, holds))


def exists(invocation: Invocation) -> Code:
    target = invocation.target
    if invocation.count:
        return boolean_code(_any(target.run, invocation.criterion(0).truth))
    if target.loop is not None:
        return boolean_code(_any(*target.loop))
    return boolean_code(_present(target))


def _any(items: Any, holds: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool:
        outer, answer = env.index, False
        for index, item in enumerate(items(focus, env)):
            env.index = index
            if holds(item, env):
                answer = True
                break
        env.index = outer
        return answer

    return truth


def _present(target: Code) -> Truth:
    run, raw = target.run, target.raw
    if raw is None:
        return lambda focus, env: bool(run(focus, env))

    def truth(focus: Any, env: Env) -> bool:
        value = raw(focus)
        return type(value) in (str, dict, bool) or bool(run(focus, env))

    return truth


def empty(invocation: Invocation) -> Code:
    present = exists(invocation).truth
    return boolean_code(lambda focus, env: not present(focus, env))


def all_(invocation: Invocation) -> Code:
    items, holds = invocation.target.run, invocation.criterion(0).truth

    def truth(focus: Any, env: Env) -> bool:
        outer, answer = env.index, True
        for index, item in enumerate(items(focus, env)):
            env.index = index
            if not holds(item, env):
                answer = False
                break
        env.index = outer
        return answer

    return boolean_code(truth)


def select(invocation: Invocation) -> Code:
    items, chosen = invocation.target.run, invocation.lambda_argument(0)
    project = chosen.run

    def run(focus: Any, env: Env) -> list[Any]:
        outer, found = env.index, []
        for index, item in enumerate(items(focus, env)):
            env.index = index
            found += project(item, env)
        env.index = outer
        return found

    many = invocation.target.shape.many or chosen.shape.many
    return Code(run, replace(chosen.shape, many=many))


def repeat(invocation: Invocation) -> Code:
    """The argument is compiled against every type that it can itself arrive at (Questionnaire, then its items)."""
    scope = replace(invocation.scope, in_repeat=True)
    if invocation.scope.in_repeat:
        raise PathProblem(
            "repeat() inside repeat() is not available in a pathway file", invocation.call.column
        )
    argument, types = invocation.call.arguments[0], invocation.target.shape.types
    step = invocation.compile_in(argument, scope.looping_over(Shape(types)))
    while types is not None and step.shape.types is not None and not step.shape.types <= types:
        types |= step.shape.types
        step = invocation.compile_in(argument, scope.looping_over(Shape(types)))
    return Code(_repeated(invocation.target, step), replace(step.shape, many=True))


def _repeated(target: Code, step: Code) -> Any:
    items, project = target.run, step.run

    def run(focus: Any, env: Env) -> list[Any]:
        found: list[Any] = []
        waiting = list(items(focus, env))
        while waiting:
            arrived = [new for item in waiting for new in project(item, env)]
            waiting = []
            for item in arrived:
                if not contains_item(found, item):
                    found.append(item)
                    waiting.append(item)
            if len(found) > MAX_REPEATED:
                raise PathEvaluationError(f"repeat() found more than {MAX_REPEATED} items")
        return found

    return run


def aggregate(invocation: Invocation) -> Code:
    scope = replace(invocation.scope.looping_over(invocation.target.shape), in_aggregate=True)
    items, step = invocation.target.run, invocation.compile_in(invocation.call.arguments[0], scope)
    start = invocation.argument(1).run if invocation.count > 1 else lambda _focus, _env: EMPTY

    def run(focus: Any, env: Env) -> list[Any]:
        outer_index, outer_total = env.index, env.total
        total = start(focus, env)
        for index, item in enumerate(items(focus, env)):
            env.index = index
            env.total = total
            total = step.run(item, env)
        env.index, env.total = outer_index, outer_total
        return total

    return Code(run, UNKNOWN)


def iif(invocation: Invocation) -> Code:
    """Only the branch that is chosen is evaluated. The input, at most one item, is $this in all arguments."""
    call, target = invocation.call, invocation.target
    scope = replace(invocation.scope, focus=Shape(target.shape.types))
    parts = [invocation.compile_in(argument, scope) for argument in call.arguments]
    kinds = parts[0].shape.kinds
    if kinds and "Boolean" not in kinds:
        raise PathProblem("iif() needs a condition that is true or false", call.arguments[0].column)
    otherwise = parts[2].run if len(parts) > 2 else lambda _focus, _env: EMPTY
    has_target = call.target is not None

    def run(focus: Any, env: Env) -> list[Any]:
        if has_target:
            item = singleton(target.run(focus, env), "iif()")
            focus = ABSENT if item is None else item
        return (parts[1].run if parts[0].truth(focus, env) else otherwise)(focus, env)

    return Code(run, _either([part.shape for part in parts[1:]]))


def coalesce(invocation: Invocation) -> Code:
    parts = [invocation.argument(position) for position in range(invocation.count)]

    def run(focus: Any, env: Env) -> list[Any]:
        return next((found for part in parts if (found := part.run(focus, env))), EMPTY)

    return Code(run, _either([part.shape for part in parts]))


def _either(shapes: list[Shape]) -> Shape:
    types: frozenset[str] | None = frozenset()
    for shape in shapes:
        types = None if types is None or shape.types is None else types | shape.types
    return Shape(types, any(shape.many for shape in shapes), all(shape.ordered for shape in shapes))
