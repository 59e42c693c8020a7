"""One person with several records: what is about them in the records that were merged away, and what of ours is there.

Decides nothing. The record that stays says whom it replaces; a CarePlan that was moved remembers from where, until the
record from where it came says that it stands for itself again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.full_urls import resolved
from service.fhir.patient_links import Ambiguous, Read, replaces, survivor
from service.fhir.read.elements import extensions
from service.fhir.read.facts import OURS, is_ours
from service.fhir.references import identifier_values, reference_to, relative_reference
from service.fhir.searches import people_of
from service.fhir.systems import MOVED_FROM
from service.ports import NotInRecord, Resource

MOVED_KINDS = frozenset({"CarePlan", "Task"})
"""What of ours follows a person whose records were merged; what was said to people (Communication) stays as it was
said, because the records are read together."""


def former_records(person: Reference, resources: Iterable[Resource], base: str) -> frozenset[Reference]:
    """The records that were merged into the person's, as far as these resources tell."""
    known = list(resources)
    found = set(_said(known, base))
    for each in known:
        if each.get("resourceType") == "CarePlan" and (marks := list(moved_from(each))) and is_ours(each):
            found.update(marks)
    return frozenset(found - {person})


def parted(
    person: Reference, former: Iterable[Reference], resources: Iterable[Resource], read: Read, base: str
) -> frozenset[Reference]:
    """Of these former records, the ones that nothing links to the person any more: their merge was taken back.

    Only a Patient that was read and says so counts; one that is missing, hidden or linked in a circle stays former.
    """
    known = list(resources)
    patients = {reference_to(each): each for each in known if each.get("resourceType") == "Patient"}
    mine = {person, *_said(known, base)}

    def look(reference: Reference) -> Resource:
        return patients[reference] if reference in patients else read(reference)

    return frozenset(
        each for each in former if each in patients and _stands_apart(patients[each], mine, look, base)
    )


def _stands_apart(patient: Resource, mine: Collection[Reference], read: Read, base: str) -> bool:
    if reference_to(patient) in mine:
        return False
    try:
        return reference_to(survivor(patient, read, base)) not in mine
    except (Ambiguous, NotInRecord):
        return False


def _said(resources: Iterable[Resource], base: str) -> Iterator[Reference]:
    """Whom the Patients among these say that they replace."""
    for each in resources:
        if each.get("resourceType") == "Patient":
            yield from replaces(each, base)


def moved_from(plan: Resource) -> Iterator[Reference]:
    """The records under which an enrolment CarePlan stood before, the first one first."""
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


def belonging_to(enrolment: str, resources: Iterable[Resource]) -> list[Resource]:
    """All of ours that is part of this enrolment, with what was said to people about it: known by its identifier."""
    return [each for each in resources if any(_is_part(value, enrolment) for value in _named(each))]


def _is_part(value: str, enrolment: str) -> bool:
    return value == enrolment or value.startswith(f"{enrolment}/")


def _named(resource: Resource) -> Iterator[str]:
    for system in OURS.get(str(resource.get("resourceType")), ()):
        yield from identifier_values(resource, system)
