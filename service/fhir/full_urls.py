"""References to resources that do not exist yet: `urn:uuid:` full URLs, resolved or left out as a plan is written.

Pure; never changes the resource it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from service.ports import Resource

_DROPPED = object()
_HOLLOW = object()
"""An element that lost its Reference; the nearest list item around it goes with it."""


def full_urls(resource: Resource) -> frozenset[str]:
    """Every `urn:uuid:` that a Reference of the resource (or of its contained resources) points to."""
    found: set[str] = set()
    _collect(resource, found)
    return frozenset(found)


def resolved(resource: Resource, known: Mapping[str, str]) -> dict[str, Any]:
    """A copy whose References to full URLs in `known` are `Type/id`; others stay."""
    copy: dict[str, Any] = _resolved(resource, known)
    return copy


def without(resource: Resource, unknown: Collection[str]) -> dict[str, Any]:
    """A copy without References to `unknown` full URLs.

    The list item that holds such a Reference is left out as a whole (an `activity`, an `input`, an extension);
    a Reference outside any list (`focus`) is left out by itself. A list that becomes empty disappears.
    """
    copy: dict[str, Any] = _mapping_without(resource, unknown, in_list=False)
    return copy


def _collect(value: Any, found: set[str]) -> None:
    # Every write of every resource passes here: the classes that JSON gives are asked for before abstract ones.
    if value.__class__ is str:
        return
    if value.__class__ is dict or isinstance(value, Mapping):
        target = value.get("reference")
        if isinstance(target, str) and target.startswith("urn:uuid:"):
            found.add(target)
        for each in value.values():
            _collect(each, found)
    elif isinstance(value, list | tuple):
        for each in value:
            _collect(each, found)


def _resolved(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        copy = {name: _resolved(each, known) for name, each in value.items()}
        target = copy.get("reference")
        if isinstance(target, str) and target in known:
            copy["reference"] = known[target]
        return copy
    if isinstance(value, list | tuple):
        return [_resolved(each, known) for each in value]
    return value


def _without(value: Any, unknown: Collection[str], *, in_list: bool) -> Any:
    if isinstance(value, Mapping):
        target = value.get("reference")
        if isinstance(target, str) and target in unknown:
            return _HOLLOW
        return _mapping_without(value, unknown, in_list=in_list)
    if isinstance(value, list | tuple):
        kept = [
            each for each in (_without(item, unknown, in_list=True) for item in value) if each is not _HOLLOW
        ]
        return kept or (_DROPPED if value else [])
    return value


def _mapping_without(value: Mapping[str, Any], unknown: Collection[str], *, in_list: bool) -> Any:
    copy = {}
    for name, each in value.items():
        kept = _without(each, unknown, in_list=in_list)
        if kept is _HOLLOW and in_list:
            return _HOLLOW
        if kept is not _DROPPED and kept is not _HOLLOW:
            copy[name] = kept
    return copy
