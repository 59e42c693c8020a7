"""Resources of a message made fit for our record: own ids gone, references local or gone, no narrative of strangers.

What a reference cannot lead to here is left with its words (display, identifier) and without its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.fhir.references import mapping, mappings
from service.ports import Resource

_GONE = object()


class Names:
    """What references inside a Bundle may call its entries (R4 Bundle, resolving references)."""

    def __init__(self, entries: Iterable[tuple[str, Resource]]) -> None:
        """(fullUrl, resource) of each entry."""
        self._urls: dict[str, str] = {}
        ambiguous = set()
        for url, resource in entries:
            self._urls[url] = url
            relative = f"{resource.get('resourceType')}/{resource.get('id')}"
            if self._urls.get(relative, url) != url:
                ambiguous.add(relative)
            self._urls.setdefault(relative, url)
        for relative in ambiguous:
            del self._urls[relative]

    def target(self, reference: object) -> str | None:
        """The fullUrl of the entry that a reference means, with or without a version; None when it is none of them."""
        if not isinstance(reference, str):
            return None
        return self._urls.get(reference) or self._urls.get(reference.partition("/_history/")[0])

    def spelled(self, urls: Mapping[str, str]) -> dict[str, str]:
        """Every name of these fullUrls -> what they are called from now on."""
        return {name: urls[url] for name, url in self._urls.items() if url in urls}


def localized(resource: Resource, known: Mapping[str, str]) -> dict[str, Any]:
    """A copy for our record; `known`: what a reference may say -> full URL of the entry it means."""
    kept = {name: value for name, value in resource.items() if name not in _LEFT_OUT}
    labels = list(mappings(mapping(resource.get("meta")).get("security")))
    copy: dict[str, Any] = _copied(kept, known)
    return {**copy, "meta": {"security": labels}} if labels else copy


_LEFT_OUT = frozenset({"id", "meta", "text", "implicitRules"})
"""Ids and versions are the record's own; a narrative may hold anything and says nothing that the data do not."""


def _copied(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        copy = {name: _copied(each, known) for name, each in value.items() if not _is_narrative(name, each)}
        copy = {name: each for name, each in copy.items() if each is not _GONE}
        if isinstance(value.get("reference"), str):
            copy |= {"reference": _address(value["reference"], known)}
            copy = {name: each for name, each in copy.items() if each is not _GONE}
        return copy or _GONE
    if isinstance(value, list | tuple):
        items = [each for each in (_copied(item, known) for item in value) if each is not _GONE]
        return items or _GONE
    return value


def _address(reference: str, known: Mapping[str, str]) -> Any:
    if reference.startswith("#"):
        return reference
    return known.get(reference) or known.get(reference.partition("/_history/")[0]) or _GONE


def _is_narrative(name: str, value: Any) -> bool:
    return name == "text" and isinstance(value, Mapping) and "div" in value
