"""References between resources: which ones are literal `Type/id` on the record's own server, and which are not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from service.domain.vocabulary import Reference
from service.ports import Resource

_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
_STEPS_OF_A_PATH = frozenset({".", ".."})
"""FHIR's pattern for ids allows them, but in a URL they lead to another resource (RFC 3986, 5.2.4)."""
_REMEMBERED = 8192
"""The same references are read many times in one reconcile."""
_ORDINARY = 512
"""Longer texts are not remembered: foreign JSON may hold anything."""


def relative_reference(text: object, base: str = "") -> Reference | None:
    """`Type/id` without version; None for contained (`#x`), `urn:`, another server, or anything malformed.

    `base` is the record server's base URL; an absolute URL counts only below it (R4 References, 2.3.0.2).
    """
    if not isinstance(text, str):
        return None
    return _literal(text, base) if len(text) <= _ORDINARY else _literal.__wrapped__(text, base)


@lru_cache(maxsize=_REMEMBERED)
def _literal(text: str, base: str) -> Reference | None:
    root = base.rstrip("/") + "/"
    tail = text.removeprefix(root) if base else text
    found = _LITERAL.fullmatch(tail)
    if found is None or found[2] in _STEPS_OF_A_PATH:
        return None
    return Reference(f"{found[1]}/{found[2]}")


def referred(element: object, base: str = "") -> Reference | None:
    """The literal reference of a Reference element."""
    if element is None:
        return None
    return relative_reference(mapping(element).get("reference"), base)


def reference_to(resource: Resource) -> Reference | None:
    """The literal reference of a resource that has an id."""
    text = f"{resource.get('resourceType')}/{resource.get('id')}"
    return _literal(text, "") if len(text) <= _ORDINARY else _literal.__wrapped__(text, "")


def version_of(resource: Resource) -> str:
    """meta.versionId, or empty."""
    version = mapping(resource.get("meta")).get("versionId")
    return version if isinstance(version, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """The value when it is a JSON object, else an empty one: foreign JSON may hold anything anywhere."""
    if value is None:
        return {}
    # The class is looked at first because asking an abstract class takes ten times as long, and JSON objects are dicts.
    return value if value.__class__ is dict or isinstance(value, Mapping) else {}


def mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a list; a single object counts as a list of one."""
    if value is None:
        return iter(())
    items = value if isinstance(value, list | tuple) else [value]
    return iter([item for item in items if item.__class__ is dict or isinstance(item, Mapping)])


def codings(concept: object) -> Iterator[tuple[str | None, str]]:
    """(system, code) of a CodeableConcept's codings, or of a list of them."""
    for each in mappings(concept):
        for coding in mappings(each.get("coding")):
            code = coding.get("code")
            if isinstance(code, str):
                system = coding.get("system")
                yield (system if isinstance(system, str) else None), code


def identifier_values(resource: Resource, system: str) -> list[str]:
    """The values of a resource's identifiers in one system."""
    # Communication, CarePlan and Task have 0..*; QuestionnaireResponse and others have a single one.
    return [
        item["value"]
        for item in mappings(resource.get("identifier"))
        if item.get("system") == system and isinstance(item.get("value"), str)
    ]
