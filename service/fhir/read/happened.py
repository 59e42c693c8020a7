"""When what a resource tells happened: a table of elements per resource type (R4), so that late news stays in order.

The server's lastUpdated is the last resort and is marked as such. Never raises on bad dates: it says so in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from service.fhir.read.elements import last_updated, text_of
from service.fhir.references import mapping, mappings
from service.fhir.times import parse_time
from service.ports import Resource

Candidates = Iterable[Any]

OVER = frozenset({"finished", "completed", "discharged", "cancelled", "entered-in-error"})
"""Encounter.status after which period.start says nothing any more. `completed` and `discharged` are R5's words."""
NOT_YET = frozenset({"planned", "proposed", "pending", "booked", "waitlist"})
"""What is agreed but lies ahead: the agreeing is what happened, not the appointed hour."""

_PATHS: Mapping[str, tuple[str, ...]] = {
    "AdverseEvent": ("date", "recordedDate"),
    "AllergyIntolerance": ("recordedDate", "onsetDateTime"),
    "AppointmentResponse": (),
    "AuditEvent": ("recorded",),
    "CarePlan": ("created", "period.start"),
    "CareTeam": ("period.start",),
    "Claim": ("created",),
    "ClinicalImpression": ("effectiveDateTime", "effectivePeriod.end", "effectivePeriod.start", "date"),
    "Communication": ("sent", "received"),
    "CommunicationRequest": ("authoredOn",),
    "Composition": ("date",),
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod.start"),
    "Consent": ("dateTime",),
    "Coverage": ("period.start",),
    "DetectedIssue": ("identifiedDateTime", "identifiedPeriod.start"),
    "DeviceRequest": ("authoredOn",),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.end", "effectivePeriod.start", "issued"),
    "DocumentReference": ("date", "content.attachment.creation"),
    "EpisodeOfCare": ("period.start",),
    "Flag": ("period.start",),
    "Goal": ("statusDate", "startDate"),
    "GuidanceResponse": ("occurrenceDateTime",),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "List": ("date",),
    "MeasureReport": ("date", "period.end"),
    "Media": ("createdDateTime", "createdPeriod.end", "issued"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod.end", "effectivePeriod.start"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted", "effectiveDateTime", "effectivePeriod.start"),
    "NutritionOrder": ("dateTime",),
    "Observation": (
        "effectiveDateTime",
        "effectiveInstant",
        "effectivePeriod.end",
        "effectivePeriod.start",
        "effectiveTiming.event",
        "issued",
    ),
    "Procedure": ("performedDateTime", "performedPeriod.end", "performedPeriod.start"),
    "Provenance": ("occurredDateTime", "occurredPeriod.end", "recorded"),
    "QuestionnaireResponse": ("authored",),
    "RequestGroup": ("authoredOn",),
    "RiskAssessment": ("occurrenceDateTime", "occurrencePeriod.end", "occurrencePeriod.start"),
    "ServiceRequest": ("authoredOn",),
    "SupplyRequest": ("authoredOn",),
    "Task": ("lastModified", "executionPeriod.end"),
    "VisionPrescription": ("dateWritten", "created"),
}
"""Elements in the order of trust; the first that holds a time counts. `content.attachment` takes the first item."""


def happened(resource: Resource, zone: tzinfo) -> tuple[datetime | None, bool, tuple[str, ...]]:
    """(when, whether it is only the server's lastUpdated, what could not be read).

    None when the resource has no time at all. A partial date is the start of that day in `zone`.
    """
    unreadable: list[str] = []
    for value in _candidates(resource):
        moment = parse_time(value, zone)
        if moment is not None:
            return moment, False, tuple(unreadable)
        if value is not None:
            unreadable.append("a date in it is not a FHIR date; the next best time was taken")
    return last_updated(resource, zone), True, tuple(unreadable)


def _candidates(resource: Resource) -> Candidates:
    kind = text_of(resource.get("resourceType"))
    if kind in _SPECIAL:
        return _SPECIAL[kind](resource)
    return (_at(resource, path) for path in _PATHS.get(kind, ()))


def _at(resource: Resource, path: str) -> Any:
    """The value at a dotted path, taking the first item of every list; None when there is none."""
    value: Any = resource
    for name in path.split("."):
        value = mapping(value).get(name)
        if isinstance(value, list):
            value = value[0] if value else None
    return value


def _encounter(resource: Resource) -> Iterator[Any]:
    """An Encounter that is over happened at its end: its start, days earlier, would be a false clock."""
    status = text_of(resource.get("status"))
    if status in OVER:
        yield _at(resource, "period.end")
        yield from _status_times(resource, status)
        if status == "finished":
            yield from _latest_ends(resource)
        return
    if status not in NOT_YET:
        yield _at(resource, "period.start")
    yield from _status_times(resource, status)


def _status_times(resource: Resource, status: str) -> Iterator[Any]:
    """When the Encounter came to its status, newest entry first (statusHistory is in no promised order)."""
    entries = (each for each in mappings(resource.get("statusHistory")) if each.get("status") == status)
    starts = [mapping(each.get("period")).get("start") for each in entries]
    yield from sorted((start for start in starts if isinstance(start, str)), reverse=True)


def _latest_ends(resource: Resource) -> Iterator[Any]:
    ends = [mapping(each.get("period")).get("end") for each in mappings(resource.get("statusHistory"))]
    yield from sorted((end for end in ends if isinstance(end, str)), reverse=True)


def _appointment(resource: Resource) -> Iterator[Any]:
    status = text_of(resource.get("status"))
    if status in NOT_YET:
        yield resource.get("created")
    elif status not in {"cancelled", "entered-in-error"}:  # R4 does not say when it was cancelled
        yield resource.get("start")


_SPECIAL: Mapping[str, Callable[[Resource], Iterator[Any]]] = {
    "Encounter": _encounter,
    "Appointment": _appointment,
}
