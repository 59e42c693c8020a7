"""What a message tells, put into what the record already says. An older message fills gaps and replaces nothing.

Changes only elements that the message speaks of; whoever else wrote the others keeps them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from service.fhir.labels import labelled
from service.fhir.messages.content import Entry
from service.fhir.messages.stay import merged_stay
from service.fhir.references import mapping, mappings
from service.fhir.systems import REPORTED_AT
from service.fhir.times import fhir_time, parse_time
from service.ports import Resource

Json = dict[str, Any]


def first_told(entry: Entry, *, at: datetime, zone: tzinfo) -> Json:
    """The resource as it is made when the record does not have it yet."""
    return _stamped({**entry.if_new, **entry.resource}, at, zone)


def merged(before: Resource, entry: Entry, *, at: datetime, zone: tzinfo) -> Json:
    """The resource as it should be now; equal to `before` when the message tells nothing new.

    `at`: when the message was sent. References of `entry` are resolved already.
    """
    told = dict(entry.resource)
    labels = list(mappings(mapping(told.pop("meta", {})).get("security")))
    since = _reported_at(before, zone)
    if since is not None and at < since:
        return labelled({**before, **_gaps(before, told), **_identifiers(before, told)}, labels)
    if entry.kind == "Encounter":
        after = merged_stay(before, told, removes=entry.removes, at=at, zone=zone)
    else:
        after = {**_without_choices(before, told, entry.removes), **told}
    after = {**after, **_identifiers(before, told), **_extensions(before, told)}
    # A stay is marked also by news that change nothing: what is older than they are must not change it later.
    is_news = after != dict(before) or (entry.kind == "Encounter" and since != at)
    return labelled(_stamped(after, at, zone) if is_news else after, labels)


def _gaps(before: Resource, told: Mapping[str, Any]) -> Json:
    """What an older message still adds: elements nobody has spoken of, and when a stay began. Never its end."""
    gaps = {name: value for name, value in told.items() if name not in _NEVER_LATE}
    start = mapping(told.get("period")).get("start")
    if start and told.get("resourceType") == "Encounter":
        gaps["period"] = {"start": start, **mapping(before.get("period"))}
    return {name: value for name, value in gaps.items() if name == "period" or not _is_told(before, name)}


_NEVER_LATE = frozenset({"period", "status", "statusHistory", "hospitalization", "extension", "identifier"})
_CHOICES = ("deceased", "multipleBirth", "onset", "abatement")
"""Elements of choice type on what is merged: one of their forms replaces another."""


def _choice_of(name: str) -> str:
    return next((stem for stem in _CHOICES if name.startswith(stem)), name)


def _is_told(resource: Resource, name: str) -> bool:
    return any(_choice_of(each) == _choice_of(name) for each in resource)


def _without_choices(before: Resource, told: Mapping[str, Any], removes: Collection[str]) -> Json:
    return {
        name: value
        for name, value in before.items()
        if name not in removes and (name in told or _choice_of(name) == name or not _is_told(told, name))
    }


def _identifiers(before: Resource, told: Mapping[str, Any]) -> Json:
    """All that are known; one that is told again is told better."""
    if "identifier" not in told and "identifier" not in before:
        return {}
    kept: dict[Any, Any] = {}
    for each in (*mappings(before.get("identifier")), *mappings(told.get("identifier"))):
        name = (each.get("system"), each.get("value"))
        kept[name] = {**kept.get(name, {}), **each}
    return {"identifier": list(kept.values())}


def _extensions(before: Resource, told: Mapping[str, Any]) -> Json:
    """Those the message speaks of replace those of the same URL, where they stood."""
    new = list(mappings(told.get("extension")))
    old = list(mappings(before.get("extension")))
    urls = {each.get("url") for each in new}
    kept: list[Any] = []
    for each in old:
        if each.get("url") not in urls:
            kept.append(each)
        elif each.get("url") not in {one.get("url") for one in kept}:
            kept += [one for one in new if one.get("url") == each.get("url")]
    kept += [one for one in new if one.get("url") not in {each.get("url") for each in old}]
    return {"extension": kept} if kept else {}


def _stamped(resource: Mapping[str, Any], at: datetime, zone: tzinfo) -> Json:
    others = [each for each in mappings(resource.get("extension")) if each.get("url") != REPORTED_AT]
    mark = {"url": REPORTED_AT, "valueDateTime": fhir_time(at, zone)}
    return {**resource, "extension": [*others, mark]}


def _reported_at(resource: Resource, zone: tzinfo) -> datetime | None:
    marks: Iterator[Any] = (
        each.get("valueDateTime")
        for each in mappings(resource.get("extension"))
        if each.get("url") == REPORTED_AT
    )
    return parse_time(next(marks, None), zone)
