"""Reserved capacities on the record: Schedules, their Slots, and the open requests that wait for one.

Builds searches and resources and reads what they bring; sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from service.domain.evidence import CapacitySeen, PlaceSeen, WaitingSeen
from service.domain.pathway import Capacity
from service.domain.vocabulary import OPEN, CapacityId, PathwayId, Reference
from service.fhir import systems
from service.fhir.read.elements import Notes, extension_value
from service.fhir.read.follow_ups import opened, priority_of
from service.fhir.references import identifier_values, mapping, reference_to, referred, version_of
from service.fhir.times import fhir_time, parse_time
from service.ports import Resource, Search, Write

STANDING_FOR = timedelta(days=36500)
"""A place that is kept by count has no end of its own; FHIR asks every Slot for one (R4 Slot.end 1..1)."""


def queue_of(pathway: PathwayId, capacity: CapacityId) -> str:
    """What the requests for one capacity have in common."""
    return f"{pathway}/{capacity}"


def schedule_search(capacity: Capacity) -> Search:
    """The site's schedules of this capacity."""
    codes = ",".join(f"{system}|{code}" for system, code in capacity.service_types)
    return Search(kind="Schedule", params=(("service-type", codes),))


def place_searches(schedules: Sequence[Resource], queue: str) -> list[Search]:
    """The Slots of these schedules, and the open requests of the queue."""
    references = ",".join(sorted(reference for each in schedules if (reference := reference_to(each))))
    open_statuses = ",".join(sorted(OPEN))
    waiting = (("group-identifier", f"{systems.QUEUE}|{queue}"), ("status", open_statuses))
    return [Search(kind="Slot", params=(("schedule", references),)), Search(kind="Task", params=waiting)]


def read_capacity(
    resources: Iterable[Resource], queue: str, *, now: datetime, zone: tzinfo, base: str
) -> CapacitySeen:
    """The places that have not passed, and who waits; in an order of our own."""
    read = list(resources)
    slots = (each for each in read if each.get("resourceType") == "Slot")
    tasks = (each for each in read if each.get("resourceType") == "Task")
    places = [place for each in slots if (place := _place(each, now, zone))]
    waiting = [one for each in tasks if (one := _waiting(each, queue, zone, base))]
    return CapacitySeen(
        places=tuple(sorted(places, key=lambda place: place.reference)),
        waiting=tuple(sorted(waiting, key=lambda one: one.enrolment)),
    )


def _place(slot: Resource, now: datetime, zone: tzinfo) -> PlaceSeen | None:
    reference = reference_to(slot)
    ends_at = parse_time(slot.get("end"), zone)
    starts_at = parse_time(slot.get("start"), zone)
    holder = next(iter(identifier_values(slot, systems.PLACE_HOLDER)), "")
    over = ends_at is not None and ends_at <= now
    if reference is None or starts_at is None or (over and not holder):
        return None
    return PlaceSeen(
        reference=reference,
        version=version_of(slot),
        starts_at=starts_at,
        free=slot.get("status") == "free" and not holder,
        holder=holder,
        held_since=parse_time(extension_value(slot, systems.HELD_SINCE, "valueDateTime"), zone),
        standing=bool(identifier_values(slot, systems.PLACE)),
    )


def _waiting(task: Resource, queue: str, zone: tzinfo, base: str) -> WaitingSeen | None:
    group = mapping(task.get("groupIdentifier"))
    named = next(iter(identifier_values(task, systems.FOLLOW_UP)), "")
    is_open = task.get("status") in {status.value for status in OPEN}
    if (group.get("system"), group.get("value")) != (systems.QUEUE, queue) or not named or not is_open:
        return None
    if referred(task.get("for"), base) is None:
        return None
    reference = reference_to(task) or Reference("")
    return WaitingSeen(
        enrolment=named.rsplit("/", 2)[0],
        priority=priority_of(task, reference, Notes()),
        asked_at=opened(task, zone),
    )


def kept_by_count(capacity: Capacity, queue: str, *, now: datetime, zone: tzinfo) -> list[Write]:
    """The Schedule and its Slots for a site that has none of its own; each exists once, however often it is made."""
    system, code = capacity.service_types[0]
    common = {"serviceType": [{"coding": [{"system": system, "code": code}], "text": capacity.title}]}
    schedule = {
        "resourceType": "Schedule",
        "identifier": [{"system": systems.PLACE, "value": queue}],
        "active": True,
        **common,
        "actor": [{"display": capacity.title}],
        "comment": "Reserved places that Throughline keeps by count.",
    }
    slots = [_standing(queue, number, common, now, zone) for number in range(1, capacity.count + 1)]
    return [_once(queue, schedule), *(_once(f"{queue}/{n}", slot) for n, slot in enumerate(slots, start=1))]


def _standing(queue: str, number: int, common: dict[str, Any], now: datetime, zone: tzinfo) -> dict[str, Any]:
    return {
        "resourceType": "Slot",
        "identifier": [{"system": systems.PLACE, "value": f"{queue}/{number}"}],
        **common,
        "schedule": {"reference": systems.full_url(systems.PLACE, queue)},
        "status": "free",
        "start": fhir_time(now, zone),
        "end": fhir_time(now + STANDING_FOR, zone),
    }


def _once(value: str, resource: dict[str, Any]) -> Write:
    return Write(
        resource=resource,
        full_url=systems.full_url(systems.PLACE, value),
        create_if_none=systems.condition(systems.PLACE, value),
    )


def other_identifiers(slot: Resource) -> Iterator[Any]:
    """The identifiers of a Slot that do not say who holds it."""
    identifiers = slot.get("identifier")
    for each in identifiers if isinstance(identifiers, list) else []:
        if mapping(each).get("system") != systems.PLACE_HOLDER:
            yield each
