"""Steps into elements: checked against the types that can stand there, specialised where only one can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.fhir.paths.code import ABSENT, EMPTY, UNEXPECTED, Code, Env, Shape
from service.fhir.paths.elements import (
    PRIMITIVE_KINDS,
    Element,
    Field,
    Reader,
    element_names,
    element_type,
    is_element_type,
    is_resource_type,
)
from service.fhir.paths.errors import PathProblem
from service.fhir.paths.scope import Scope, did_you_mean
from service.fhir.paths.syntax import Member


def this_code(shape: Shape) -> Code:
    code = Code(lambda focus, _env: EMPTY if focus is ABSENT else [focus], shape)
    if shape.types is not None and not any(name.startswith("System.") for name in shape.types):
        code.raw = lambda focus: focus.members
    return code


def compile_first(node: Member, scope: Scope) -> Code:
    """A name at the start of a path: the type of the focus, or an element of it."""
    focus = scope.focus
    if focus.types is not None and node.name in focus.types and is_resource_type(node.name):
        return this_code(focus)
    if is_element_type(node.name) and is_resource_type(node.name):
        read = "/".join(sorted(focus.types or ())) or "an unknown type"
        raise PathProblem(f"this looks at {read}, not at {node.name}", node.column)
    return step(this_code(focus), node)


def step(target: Code, node: Member) -> Code:
    """`target.name`. Raises PathProblem if none of the types that can stand there has such an element."""
    types = target.shape.types
    if types is None:
        return _unchecked_step(target, node)
    fields = [element_type(t).fields[node.name] for t in types if _has(t, node.name)]
    if not fields:
        raise _no_such_element(node, types)
    names = frozenset(name for field in fields for name in field.types)
    many = target.shape.many or any(field.many for field in fields)
    shape = Shape(names, many, target.shape.ordered)
    if len(types) == 1:
        return _typed_step(target, fields[0], shape)
    return Code(_dynamic_run(target, node.name), shape)


def _has(type_name: str, element: str) -> bool:
    return is_element_type(type_name) and element in element_type(type_name).fields


def _unchecked_step(target: Code, node: Member) -> Code:
    if node.name not in element_names():
        raise PathProblem(
            f"no FHIR type has an element '{node.name}'",
            node.column,
            did_you_mean(node.name, element_names()),
        )
    return Code(_dynamic_run(target, node.name), Shape(None, many=True, ordered=target.shape.ordered))


def _typed_step(target: Code, field: Field, shape: Shape) -> Code:
    before, read = target.run, field.read
    code = Code(_run_one(before, read) if not target.shape.many else _run_many(before, read), shape)
    if target.raw is not None and not field.many and not field.is_choice and field.types[0] != "Resource":
        code.raw = _raw_step(target.raw, field.name)
    return code


def _run_one(before: Callable[[Any, Env], list[Any]], read: Reader) -> Callable[[Any, Env], list[Any]]:
    def run(focus: Any, env: Env) -> list[Any]:
        items = before(focus, env)
        if len(items) == 1:
            return read(items[0])
        return [found for item in items for found in read(item)]

    return run


def _run_many(before: Callable[[Any, Env], list[Any]], read: Reader) -> Callable[[Any, Env], list[Any]]:
    return lambda focus, env: [found for item in before(focus, env) for found in read(item)]


def _raw_step(before: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """The JSON value under a name; UNEXPECTED where JSON has no object, so that `run` judges it."""

    def raw(focus: Any) -> Any:
        members = before(focus)
        if type(members) is dict:
            return members.get(name)
        return None if members is None else UNEXPECTED

    return raw


def _dynamic_run(target: Code, name: str) -> Callable[[Any, Env], list[Any]]:
    """Read by the type that each item turns out to have; items without such an element give nothing."""
    before = target.run

    def run(focus: Any, env: Env) -> list[Any]:
        found: list[Any] = []
        for item in before(focus, env):
            if type(item) is Element:
                field = item.type.fields.get(name)
                if field is not None:
                    found += field.read(item)
        return found

    return run


def _no_such_element(node: Member, types: frozenset[str]) -> PathProblem:
    names = " / ".join(sorted(name.removeprefix("System.") for name in types)[:4]) or "nothing"
    known = {name for t in types if is_element_type(t) for name in element_type(t).fields}
    message = f"{names} has no element '{node.name}'"
    return PathProblem(message, node.column, _choice_hint(node.name, types) or did_you_mean(node.name, known))


def _choice_hint(name: str, types: frozenset[str]) -> str | None:
    """'valueQuantity' is how JSON writes it; FHIRPath writes value.ofType(Quantity)."""
    for type_name in types:
        if not is_element_type(type_name):
            continue
        for field in element_type(type_name).fields.values():
            if field.is_choice and name.startswith(field.name):
                for chosen in field.types:
                    if name == field.name + chosen[0].upper() + chosen[1:]:
                        return f"write {field.name}.ofType({chosen})"
    if types and types <= PRIMITIVE_KINDS.keys():
        return "this is a plain value, it has no elements"
    if types == {"Resource"}:
        return "say which resource it is: .ofType(Organization)"
    return None
