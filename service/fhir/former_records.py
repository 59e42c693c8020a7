"""One person with several records: what is about them in the records that were merged away, and what of ours is there.

Pure. The record that stays says whom it replaces; a CarePlan that was moved remembers from where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.full_urls import resolved
from service.fhir.patient_links import replaces
from service.fhir.read.elements import extensions
from service.fhir.read.facts import is_ours
from service.fhir.references import reference_to, relative_reference
from service.fhir.searches import people_of
from service.fhir.systems import MOVED_FROM
from service.ports import Resource

MOVED_KINDS = frozenset({"CarePlan", "Task"})
"""What of ours follows a person; what was said to people (Communication) stays as it was said."""


def former_records(person: Reference, resources: Iterable[Resource], base: str) -> frozenset[Reference]:
    """The records that were merged into the person's, as far as these resources tell."""
    found: set[Reference] = set()
    for each in resources:
        kind = each.get("resourceType")
        if kind == "Patient":
            found.update(replaces(each, base))
        elif kind in MOVED_KINDS and (marks := list(_moved_from(each))) and is_ours(each):
            found.update(marks)
    return frozenset(found - {person})


def _moved_from(plan: Resource) -> Iterator[Reference]:
    for mark in extensions(plan, MOVED_FROM):
        if reference := relative_reference(mark.get("valueString")):
            yield reference


def readdressed(
    resources: Iterable[Resource], former: frozenset[Reference], person: Reference
) -> list[dict[str, Any]]:
    """The same as if all were about the person; the Patients that were merged away are left out."""
    places: dict[str, str] = {str(each): str(person) for each in former}
    return [resolved(each, places) for each in resources if reference_to(each) not in former]


def standing_under(
    records: Iterable[Reference], resources: Iterable[Resource], base: str
) -> list[tuple[Resource, Reference]]:
    """What of ours stands under one of these records: the resource as read, and which record."""
    wanted = set(records)
    if not wanted:
        return []
    found: dict[Reference, tuple[Resource, Reference]] = {}
    for each in resources:
        own = reference_to(each)
        if own is None or each.get("resourceType") not in MOVED_KINDS or not is_ours(each):
            continue
        for whose in people_of(each, base):
            if whose in wanted:
                found[own] = each, whose
    return list(found.values())
