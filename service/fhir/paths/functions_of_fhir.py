"""FHIR's own functions (FHIR, section 2.9.1) and those that read the tree or the time of the evaluation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from service.fhir.paths.code import Code, Env, Shape, boolean_code, system
from service.fhir.paths.elements import Element, element_type, is_element_type
from service.fhir.paths.errors import PathProblem
from service.fhir.paths.items import singleton, system_value
from service.fhir.paths.scope import Invocation
from service.fhir.paths.temporal import FhirDate, FhirDateTime, FhirTime


def extension(invocation: Invocation) -> Code:
    """Extensions with a url, of complex elements and of primitives (`_status`) alike."""
    types = invocation.target.shape.types
    if types and not any(is_element_type(t) and "extension" in element_type(t).fields for t in types):
        raise PathProblem("this has no extensions", invocation.call.column)
    items, wanted = invocation.target.run, invocation.argument(0)
    if wanted.shape.kinds and "String" not in wanted.shape.kinds:
        raise PathProblem("extension() needs the url as a string", invocation.call.arguments[0].column)

    def run(focus: Any, env: Env) -> list[Any]:
        url = system_value(singleton(wanted.run(focus, env), "extension()"))
        return [
            found
            for item in items(focus, env)
            for found in _extensions(item)
            if found.members.get("url") == url
        ]

    return Code(run, Shape(frozenset({"Extension"}), many=True))


def _extensions(item: Any) -> list[Element]:
    field = item.type.fields.get("extension") if type(item) is Element else None
    return field.read(item) if field is not None else []


def has_value(invocation: Invocation) -> Code:
    """One primitive that has a value, not only extensions."""
    items = invocation.target.run

    def truth(focus: Any, env: Env) -> bool:
        found = items(focus, env)
        if len(found) != 1:
            return False
        item = found[0]
        return type(item) is not Element or (item.type.is_primitive and item.data is not None)

    return boolean_code(truth)


def get_value(invocation: Invocation) -> Code:
    target = invocation.target
    kinds = target.shape.kinds
    shape = Shape(
        None if kinds is None else frozenset(f"System.{kind}" for kind in kinds if kind[0].isupper())
    )

    def run(focus: Any, env: Env) -> list[Any]:
        found = target.run(focus, env)
        value = system_value(found[0]) if len(found) == 1 else None
        return [] if value is None else [value]

    return Code(run, shape if target.shape.types and _all_primitive(target.shape.types) else Shape(None))


def _all_primitive(types: frozenset[str]) -> bool:
    return all(t.startswith("System.") or element_type(t).is_primitive for t in types)


def children(invocation: Invocation) -> Code:
    items, types = invocation.target.run, invocation.target.shape.types
    below = None
    if types is not None and "Resource" not in types:
        known = [element_type(t) for t in types if is_element_type(t)]
        below = frozenset(name for t in known for field in t.fields.values() for name in field.types)
    return Code(
        lambda focus, env: [child for item in items(focus, env) for child in _children(item)],
        Shape(below, many=True, ordered=False),
    )


def descendants(invocation: Invocation) -> Code:
    items = invocation.target.run

    def run(focus: Any, env: Env) -> list[Any]:
        found: list[Any] = []
        waiting = list(items(focus, env))
        while waiting:
            waiting = [child for item in waiting for child in _children(item)]
            found += waiting
        return found

    return Code(run, Shape(None, many=True, ordered=False))


def _children(item: Any) -> list[Element]:
    if type(item) is not Element or not item.members:
        return []
    return [child for field in item.type.fields.values() for child in field.read(item)]


def now(_invocation: Invocation) -> Code:
    return Code(lambda _focus, env: [FhirDateTime(env.now)], system("DateTime"))


def today(_invocation: Invocation) -> Code:
    return Code(lambda _focus, env: [FhirDate(env.now.date())], system("Date"))


def time_of_day(_invocation: Invocation) -> Code:
    return Code(lambda _focus, env: [_since_midnight(env)], system("Time"))


def _since_midnight(env: Env) -> FhirTime:
    clock = env.now.time()
    return FhirTime(
        timedelta(
            hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
        )
    )
