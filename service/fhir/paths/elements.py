"""Which elements a FHIR type has, and how to read them from JSON (FHIR R4B; JSON format, section 2.6.2).

The table is read at first use, not at import. Reading never changes a resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import zip_longest
from typing import Any, Final

from service.fhir.paths.errors import PathEvaluationError

_STRINGS = (
    "string",
    "code",
    "id",
    "markdown",
    "uri",
    "url",
    "canonical",
    "oid",
    "uuid",
    "base64Binary",
    "xhtml",
)
PRIMITIVE_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_STRINGS, "String"),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), "Integer"),
    **dict.fromkeys(("dateTime", "instant"), "DateTime"),
    "boolean": "Boolean",
    "decimal": "Decimal",
    "date": "Date",
    "time": "Time",
}
"""FHIR primitive type to the System type it stands for (FHIR, section 2.9.1 'Using FHIR types in expressions')."""

_PRIMITIVE_BASES = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "oid", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}
_TYPE_INFO = {"^": "", "namespace": "string", "name": "string"}
"""What type() answers: not in the FHIR tables, but read like any element."""


class ElementType:
    """One FHIR type. `kind` is the System type of a primitive or of a Quantity; None for everything else."""

    __slots__ = ("_entries", "_fields", "base", "is_primitive", "kind", "name")

    def __init__(self, name: str, entries: Mapping[str, str]) -> None:
        self.name = name
        self.base = entries["^"]
        self.is_primitive = name in PRIMITIVE_KINDS
        quantity = "Quantity" if "Quantity" in (name, self.base) else None
        self.kind: str | None = PRIMITIVE_KINDS.get(name, quantity)
        self._entries = entries
        self._fields: dict[str, Field] | None = None

    @property
    def fields(self) -> Mapping[str, Field]:
        if self._fields is None:
            self._fields = {name: Field(name, kinds) for name, kinds in self._entries.items() if name != "^"}
        return self._fields

    def is_a(self, name: str) -> bool:
        """Is this the type `name`, or built on it?"""
        current: ElementType | None = self
        while current is not None:
            if current.name == name:
                return True
            current = element_type(current.base) if current.base else None
        return False


class Element:
    """An element of a resource as it stands: its JSON value (None if only `_name` is there), its type, its members.

    `members` is the JSON object itself, or for a primitive the object under `_name` (id and extensions).
    """

    __slots__ = ("data", "members", "type")

    def __init__(self, data: Any, type_: ElementType, members: Mapping[str, Any]) -> None:
        self.data = data
        self.type = type_
        self.members = members


Reader = Callable[[Element], list[Element]]
_NO_MEMBERS: Mapping[str, Any] = {}


class Field:
    """An element as a type declares it. `read(owner)` gives its items; the list must not be changed."""

    __slots__ = ("is_choice", "many", "name", "read", "types")

    def __init__(self, name: str, declared: str) -> None:
        self.name = name
        self.is_choice = declared.startswith("?")
        self.many = declared.endswith("*")
        self.types = tuple(declared.strip("?*").split("|"))
        self.read: Reader = (
            _choice_reader(name, self.types) if self.is_choice else _reader(name, self.types[0])
        )


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    text = files("service.fhir.paths").joinpath("r4_elements.json").read_text(encoding="utf-8")
    table: dict[str, Mapping[str, str]] = json.loads(text)
    extra = {"id": "string", "extension": "Extension*"}
    primitives = {name: {"^": _PRIMITIVE_BASES.get(name, "Element"), **extra} for name in PRIMITIVE_KINDS}
    return {**table, **primitives, "TypeInfo": _TYPE_INFO}


@cache
def element_type(name: str) -> ElementType:
    """Raises KeyError for a name that is no FHIR type."""
    return ElementType(name, _table()[name])


def is_element_type(name: str) -> bool:
    return name in _table()


def is_a(name: str, wanted: str) -> bool:
    """Is the type `name` the type `wanted`, or built on it? A System type is only itself."""
    return name == wanted or (is_element_type(name) and element_type(name).is_a(wanted))


def type_names() -> frozenset[str]:
    return frozenset(_table())


def is_resource_type(name: str) -> bool:
    return is_element_type(name) and element_type(name).is_a("Resource")


@cache
def element_names() -> frozenset[str]:
    """Every element name of any type, for where the type is not known before the resource is."""
    return frozenset(name for entries in _table().values() for name in entries if name != "^")


def as_resource(resource: Mapping[str, Any]) -> Element:
    """The root Element of a resource. Raises PathEvaluationError if it does not say what it is."""
    name = resource.get("resourceType")
    if not isinstance(name, str) or not is_resource_type(name):
        raise PathEvaluationError("a resource without a known resourceType cannot be looked at")
    return Element(resource, element_type(name), resource)


def _reader(name: str, type_name: str) -> Reader:
    if type_name in PRIMITIVE_KINDS:
        return _primitive_reader(name, type_name)
    if type_name == "Resource":
        return lambda owner: [as_resource(value) for value in _objects(owner.members.get(name))]
    return _complex_reader(name, type_name)


def _objects(value: Any) -> list[Any]:
    """The JSON objects under a name, whether or not they stand in an array."""
    if value is None:
        return []
    found = [item for item in value if item is not None] if isinstance(value, list) else [value]
    for item in found:
        if not isinstance(item, dict):
            raise PathEvaluationError("an element of the resource is a plain value where FHIR has an object")
    return found


def _complex_reader(name: str, type_name: str) -> Reader:
    resolved: list[ElementType] = []  # types refer to each other in circles: look up at first use

    def read(owner: Element) -> list[Element]:
        value = owner.members.get(name)
        if value is None:
            return []
        if not resolved:
            resolved.append(element_type(type_name))
        type_ = resolved[0]
        if type(value) is dict:
            return [Element(value, type_, value)]
        return [Element(item, type_, item) for item in _objects(value)]

    return read


def _primitive_reader(name: str, type_name: str) -> Reader:
    type_ = element_type(type_name)
    companion = "_" + name

    def read(owner: Element) -> list[Element]:
        members = owner.members
        value, extra = members.get(name), members.get(companion)
        if extra is None:
            if value is None:
                return []
            if type(value) is not list:
                return [Element(value, type_, _NO_MEMBERS)]
        return _primitives(value, extra, type_)

    return read


def _primitives(value: Any, extra: Any, type_: ElementType) -> list[Element]:
    """Values and their `_name` objects side by side: in arrays, position by position (JSON format, 2.6.2.2)."""
    values = value if isinstance(value, list) else [value]
    extras = extra if isinstance(extra, list) else [extra]
    found = []
    for one, other in zip_longest(values, extras):
        if one is None and other is None:
            continue
        if other is not None and not isinstance(other, dict):
            raise PathEvaluationError("an element's extensions are not a JSON object")
        found.append(Element(one, type_, other or _NO_MEMBERS))
    return found


def _choice_reader(name: str, type_names: tuple[str, ...]) -> Reader:
    json_names = {name + type_name[0].upper() + type_name[1:]: type_name for type_name in type_names}
    readers: dict[str, Reader] = {}  # filled as types are met: Extension.value has fifty

    def read(owner: Element) -> list[Element]:
        for key in owner.members:
            type_name = json_names.get(key) or json_names.get(key.removeprefix("_"))
            if type_name is not None:
                if type_name not in readers:
                    readers[type_name] = _reader(key.removeprefix("_"), type_name)
                return readers[type_name](owner)
        return []

    return read
