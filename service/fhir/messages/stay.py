"""A newer message about a stay, put into the Encounter of the record: status, period, places, people, diagnoses.

Decides nothing about pathways; keeps the past (statusHistory, places left) that pathways read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from service.fhir.references import codings, mapping, mappings
from service.fhir.times import fhir_time
from service.ports import Resource

Json = dict[str, Any]

OPEN_STATUSES = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})
_PARTS = frozenset({"period", "hospitalization"})
_LEFT = "completed"


def merged_stay(
    before: Resource, told: Mapping[str, Any], *, removes: Collection[str], at: datetime, zone: tzinfo
) -> Json:
    """`before` with everything the message says of the stay; `removes`: what it takes back."""
    after: Json = {**before, **{name: value for name, value in told.items() if name not in _MERGED}}
    for name in _PARTS & told.keys():
        after[name] = {**mapping(before.get(name)), **mapping(told[name])}
    after = _without(after, [*removes, *_contradicted(told)])
    if "location" in told:
        after["location"] = _places(before, told, at, zone)
    if "participant" in told:
        after["participant"] = _people(before, told)
    if "diagnosis" in told:
        after["diagnosis"] = _diagnoses(before, told)
    if "status" in told and told["status"] != before.get("status"):
        after["statusHistory"] = [*mappings(before.get("statusHistory")), _past(before, at, zone)]
    return after


_MERGED = _PARTS | {"location", "participant", "diagnosis", "identifier", "extension", "statusHistory"}


def _contradicted(told: Mapping[str, Any]) -> Iterator[str]:
    """A stay that goes on has no end, unless the message itself gives one."""
    if told.get("status") in OPEN_STATUSES and "end" not in mapping(told.get("period")):
        yield "period.end"


def _without(resource: Json, removes: Sequence[str]) -> Json:
    after = dict(resource)
    for path in removes:
        name, _, inner = path.partition(".")
        if not inner:
            after.pop(name, None)
        elif inner in mapping(after.get(name)):
            after[name] = {key: value for key, value in mapping(after[name]).items() if key != inner}
            if not after[name]:
                del after[name]
    return after


def _past(before: Resource, at: datetime, zone: tzinfo) -> Json:
    """The status that ends now. Since when it held is known from the entry before, else from the stay's beginning."""
    ends = [mapping(each.get("period")).get("end") for each in mappings(before.get("statusHistory"))]
    known = [end for end in ends if isinstance(end, str)]
    start = known[-1] if known else mapping(before.get("period")).get("start")
    period = {"start": start} if start else {}
    return {"status": before.get("status"), "period": {**period, "end": fhir_time(at, zone)}}


def _places(before: Resource, told: Mapping[str, Any], at: datetime, zone: tzinfo) -> list[Any]:
    """Where somebody is now; where they were before has been left, unless the message says otherwise."""
    new = list(mappings(told["location"]))
    names = {_place(each) for each in new}
    moved = any(each.get("status", "active") == "active" for each in new)
    kept = [
        _left(each, at, zone) if moved and each.get("status", "active") == "active" else each
        for each in mappings(before.get("location"))
        if _place(each) not in names
    ]
    known = {_place(each): each for each in mappings(before.get("location"))}
    return [*kept, *({**mapping(known.get(_place(each))), **each} for each in new)]


def _left(place: Mapping[str, Any], at: datetime, zone: tzinfo) -> Json:
    return {**place, "status": _LEFT, "period": {**mapping(place.get("period")), "end": fhir_time(at, zone)}}


def _place(element: Mapping[str, Any]) -> str:
    pointer = mapping(element.get("location"))
    return str(pointer.get("reference") or pointer.get("display") or "")


def _people(before: Resource, told: Mapping[str, Any]) -> list[Any]:
    """Whoever is told for a part replaces whoever had that part; other parts stay."""
    new = list(mappings(told["participant"]))
    parts = {part for each in new for part in _parts_of(each)}
    kept = [each for each in mappings(before.get("participant")) if not parts & set(_parts_of(each))]
    return [*kept, *new]


def _parts_of(participant: Mapping[str, Any]) -> list[str]:
    return [code for _system, code in codings(participant.get("type"))] or [""]


def _diagnoses(before: Resource, told: Mapping[str, Any]) -> list[Any]:
    new = {str(mapping(each.get("condition")).get("reference")): each for each in mappings(told["diagnosis"])}
    known = {
        str(mapping(each.get("condition")).get("reference")): each
        for each in mappings(before.get("diagnosis"))
    }
    return list({**known, **new}.values())
