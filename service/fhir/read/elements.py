"""Reading single elements of our own resources: extensions, codes, times. Says what is wrong by raising NotOurs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, TypeVar

from service.domain.vocabulary import Reference
from service.fhir.read.identifiers import NotOurs
from service.fhir.references import identifier_values, mapping, mappings, reference_to
from service.fhir.times import parse_time
from service.ports import Resource

Code = TypeVar("Code", bound=StrEnum)


@dataclass
class Notes:
    """What could not be understood while reading: one sentence each, with the reference, in the order found."""

    sentences: list[str] = field(default_factory=list)

    def add(self, about: Reference | str | None, says: str) -> None:
        sentence = f"{about or 'A resource without an id'}: {says}"
        if sentence not in self.sentences:
            self.sentences.append(sentence)


def own_identifier(resource: Resource, system: str) -> str:
    """The one identifier in our system."""
    values = identifier_values(resource, system)
    if len(set(values)) != 1:
        raise NotOurs(f"it carries {len(values)} Throughline identifiers where one belongs")
    return values[0]


def own_reference(resource: Resource) -> Reference:
    """`Type/id`; a resource read from a server always has one."""
    reference = reference_to(resource)
    if reference is None:
        raise NotOurs("it has no id")
    return reference


def code_of(kind: type[Code], text: object, element: str) -> Code:
    """A code of one of our enumerations."""
    try:
        return kind(str(text))
    except ValueError:
        raise NotOurs(f"its {element} is not a code that is known here") from None


def extensions(element: Mapping[str, Any], url: str) -> Iterator[Mapping[str, Any]]:
    return (each for each in mappings(element.get("extension")) if each.get("url") == url)


def extension_value(element: Mapping[str, Any], url: str, name: str) -> Any:
    """`value[x]` of the first such extension, or None."""
    return next((each.get(name) for each in extensions(element, url)), None)


def codes(element: Mapping[str, Any], url: str) -> tuple[str, ...]:
    """All valueCodes of a repeating extension, in order."""
    found = (each.get("valueCode") for each in extensions(element, url))
    return tuple(code for code in found if isinstance(code, str))


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def last_updated(resource: Resource, zone: tzinfo) -> datetime | None:
    return parse_time(mapping(resource.get("meta")).get("lastUpdated"), zone)


def needed_time(value: object, zone: tzinfo, element: str) -> datetime:
    moment = parse_time(value, zone)
    if moment is None:
        raise NotOurs(f"its {element} is missing or not a time")
    return moment


def optional_time(
    value: object, zone: tzinfo, element: str, about: Reference, notes: Notes
) -> datetime | None:
    """None when absent; None with a note when it is there and is not a time."""
    moment = parse_time(value, zone)
    if moment is None and value is not None:
        notes.add(about, f"its {element} is not a time")
    return moment
