"""Reads the reserved capacities that a decision asks about; a site without schedules gets the places of the file.

Knows nothing of who is given a place: that is decided, and written like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo

from service.domain.evidence import CapacityKey, CapacitySeen
from service.domain.intents import Decision
from service.domain.pathway import Capacity, Pathway
from service.fhir.capacities import (
    kept_by_count,
    place_searches,
    queue_of,
    read_capacity,
    schedule_search,
)
from service.ports import FhirRecord, Resource, Write


def unread(decisions: Iterable[Decision]) -> list[CapacityKey]:
    """The capacities that these decisions asked about without having seen them."""
    return sorted({(d.enrolment.pathway, capacity) for d in decisions for capacity in d.unread})


def read_capacities(
    wanted: Iterable[CapacityKey],
    pathways: Iterable[Pathway],
    record: FhirRecord,
    *,
    write: Callable[[Sequence[Write]], object],
    now: datetime,
    zone: tzinfo,
    base: str,
) -> tuple[dict[CapacityKey, CapacitySeen], list[Resource]]:
    """Each capacity as it stands now, and the Slots it was read from; `write` makes places where a site has none."""
    seen: dict[CapacityKey, CapacitySeen] = {}
    slots: list[Resource] = []
    # A reserved place is the same place in every version of a pathway; where they differ, the current one says how.
    known = {(p.id, name): c for p in reversed(list(pathways)) for name, c in p.capacities.items()}
    for pathway, name in wanted:
        queue = queue_of(pathway, name)
        read = _read(known[pathway, name], queue, record, write, now=now, zone=zone)
        seen[pathway, name] = read_capacity(read, queue, now=now, zone=zone, base=base)
        slots += [each for each in read if each.get("resourceType") == "Slot"]
    return seen, slots


def _read(
    capacity: Capacity,
    queue: str,
    record: FhirRecord,
    write: Callable[[Sequence[Write]], object],
    *,
    now: datetime,
    zone: tzinfo,
) -> list[Resource]:
    schedules = list(record.search(schedule_search(capacity)))
    if not schedules:
        write(kept_by_count(capacity, queue, now=now, zone=zone))
        schedules = list(record.search(schedule_search(capacity)))
    return [resource for answer in record.search_all(place_searches(schedules, queue)) for resource in answer]
