"""Security labels of what was read, so that whatever is written from it is protected at least as well.

High-water mark for v3-Confidentiality (R4 Security Labels, 6.1.3); every other label is carried along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.fhir.references import mapping, mappings
from service.fhir.systems import CONFIDENTIALITY
from service.ports import Resource

_RISING = ("U", "L", "M", "N", "R", "V")


def high_water(resources: Iterable[Resource]) -> list[Mapping[str, Any]]:
    """The labels that anything derived from these resources must carry: sorted, each once."""
    return strictest(
        coding for each in resources for coding in mappings(mapping(each.get("meta")).get("security"))
    )


def strictest(codings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each label once, in a fixed order; of the confidentiality levels only the highest."""
    kept: dict[tuple[str, str], Mapping[str, Any]] = {}
    for coding in codings:
        kept.setdefault((str(coding.get("system", "")), str(coding.get("code", ""))), coding)
    levels = sorted((key for key in kept if key[0] == CONFIDENTIALITY and key[1] in _RISING), key=_height)
    for lower in levels[:-1]:
        del kept[lower]
    return [kept[key] for key in sorted(kept)]


def labelled(resource: Mapping[str, Any], labels: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A copy of the resource that carries these labels too; unchanged when it does already."""
    meta = mapping(resource.get("meta"))
    before = list(mappings(meta.get("security")))
    after = strictest([*before, *labels])
    if {_key(c) for c in after} == {_key(c) for c in before}:
        return dict(resource)
    return {**resource, "meta": {**meta, "security": [dict(coding) for coding in after]}}


def _key(coding: Mapping[str, Any]) -> tuple[str, str]:
    return str(coding.get("system", "")), str(coding.get("code", ""))


def _height(key: tuple[str, str]) -> int:
    return _RISING.index(key[1])
