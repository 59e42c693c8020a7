"""is, as, ofType, type(): what kind of thing an item is (FHIRPath N1, section 6.3).

`is` follows inheritance (a code is a string); `as` and `ofType` take primitives by their own type only, as the official
suite has it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from service.fhir.paths.code import EMPTY, Code, Env, Shape, boolean_code
from service.fhir.paths.elements import Element, element_type, is_element_type, type_names
from service.fhir.paths.errors import PathProblem
from service.fhir.paths.items import singleton, type_name
from service.fhir.paths.scope import Invocation, did_you_mean
from service.fhir.paths.syntax import Member, Node

_SYSTEM = frozenset({"String", "Boolean", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"})
_HIDDEN = frozenset({"TypeInfo"})


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as written: the FHIR type, the System type, or both (`Quantity`) that it may mean."""

    fhir: str | None
    system: str | None

    def fits(self, item_type: str, *, exactly: bool) -> bool:
        if item_type.startswith("System."):
            return item_type == self.system
        if self.fhir is None:
            return False
        known = element_type(item_type)
        return item_type == self.fhir if exactly and known.is_primitive else known.is_a(self.fhir)

    def may_be(self, static: str) -> bool:
        """Can an item whose declared type is `static` turn out to be this? (contained: Resource -> Organization)"""
        if self.fits(static, exactly=True):
            return True
        return (
            static in ("Resource", "DomainResource")
            and self.fhir is not None
            and element_type(self.fhir).is_a(static)
        )


def _type_named(text: str, column: int) -> TypeName:
    namespace, _, name = text.rpartition(".")
    fhir = name if namespace in ("", "FHIR") and is_element_type(name) and name not in _HIDDEN else None
    system = f"System.{name}" if namespace in ("", "System") and name in _SYSTEM else None
    if (fhir is None and system is None) or "." in namespace:
        raise PathProblem(
            f"there is no type '{text}'", column, did_you_mean(name, (type_names() | _SYSTEM) - _HIDDEN)
        )
    return TypeName(fhir, system)


def _written(node: Node) -> str:
    """`System.Quantity` as an argument is parsed like a path."""
    if isinstance(node, Member):
        return f"{_written(node.target)}.{node.name}" if node.target is not None else node.name
    raise PathProblem("expected the name of a type", node.column, "write ofType(Quantity)")


def is_type(operand: Code, text: str, column: int) -> Code:
    wanted, items = _type_named(text, column), operand.run

    def truth(focus: Any, env: Env) -> bool | None:
        item = singleton(items(focus, env), "is")
        return None if item is None else wanted.fits(type_name(item), exactly=False)

    return boolean_code(truth)


def as_type(operand: Code, text: str, column: int) -> Code:
    wanted, items = _type_named(text, column), operand.run

    def run(focus: Any, env: Env) -> list[Any]:
        item = singleton(items(focus, env), "as")
        return EMPTY if item is None or not wanted.fits(type_name(item), exactly=True) else [item]

    return Code(run, replace(_narrowed(operand.shape, wanted, text, column), many=False))


def _narrowed(shape: Shape, wanted: TypeName, text: str, column: int) -> Shape:
    if shape.types is not None and shape.types and not any(wanted.may_be(t) for t in shape.types):
        declared = " / ".join(sorted(name.removeprefix("System.") for name in shape.types)[:4])
        raise PathProblem(f"this is {declared}, so it is never {text}", column)
    kept = frozenset(t for t in shape.types or () if wanted.fits(t, exactly=True))
    names = kept or frozenset(name for name in (wanted.fhir, wanted.system) if name is not None)
    return replace(shape, types=names)


def is_(invocation: Invocation) -> Code:
    argument = invocation.call.arguments[0]
    return is_type(invocation.target, _written(argument), argument.column)


def as_(invocation: Invocation) -> Code:
    argument = invocation.call.arguments[0]
    return as_type(invocation.target, _written(argument), argument.column)


def of_type(invocation: Invocation) -> Code:
    argument = invocation.call.arguments[0]
    text, items = _written(argument), invocation.target.run
    wanted = _type_named(text, argument.column)
    shape = _narrowed(invocation.target.shape, wanted, text, argument.column)
    return Code(
        lambda focus, env: [item for item in items(focus, env) if wanted.fits(type_name(item), exactly=True)],
        shape,
    )


def type_of(invocation: Invocation) -> Code:
    items, info = invocation.target.run, element_type("TypeInfo")

    def run(focus: Any, env: Env) -> list[Any]:
        found = []
        for item in items(focus, env):
            namespace, _, name = ("FHIR." + type_name(item)).removeprefix("FHIR.System.").rpartition(".")
            members = {"namespace": namespace or "System", "name": name}
            found.append(Element(members, info, members))
        return found

    return Code(run, Shape(frozenset({"TypeInfo"}), invocation.target.shape.many))
