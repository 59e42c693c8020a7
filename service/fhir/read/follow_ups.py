"""Follow-up Tasks back into FollowUps, with whatever their owners answered. Tolerant of what other systems edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from service.domain.evidence import FollowUp
from service.domain.vocabulary import FollowUpStatus, Priority, Reference, RoleId
from service.fhir import systems
from service.fhir.read.answers import recorded, waived
from service.fhir.read.elements import (
    Notes,
    code_of,
    extension_value,
    last_updated,
    optional_time,
    own_identifier,
    own_reference,
    text_of,
)
from service.fhir.read.identifiers import NotOurs, named
from service.fhir.references import codings, mapping, referred, version_of
from service.fhir.status_mark import status_mark
from service.fhir.times import parse_time
from service.ports import Resource


def read_follow_up(
    task: Resource,
    *,
    zone: tzinfo,
    base: str,
    roles_of: Mapping[Reference, frozenset[RoleId]],
    notes: Notes,
) -> FollowUp:
    """One follow-up; NotOurs when it cannot be understood. `roles_of` says what the people of the roster hold."""
    reference = own_reference(task)
    identifier = own_identifier(task, systems.FOLLOW_UP)
    parts = named("follow-up", identifier)
    assert parts.task is not None  # named() has checked that all five parts are there
    assert parts.occurrence is not None
    times = times_of(task, zone)
    owner = referred(task.get("owner"), base)
    accept_by = extension_value(task, systems.ACCEPT_BY, "valueDateTime")
    held = roles_of.get(owner, frozenset()) if owner else frozenset()
    return FollowUp(
        identifier=identifier,
        task=parts.task,
        occurrence=parts.occurrence,
        reference=reference,
        version=version_of(task),
        status=code_of(FollowUpStatus, task.get("status"), "status"),
        owner=owner,
        opened_at=times.opened_at,
        changed_at=times.changed_at,
        accepted_at=times.accepted_at,
        accept_by=optional_time(accept_by, zone, "accept-by time", reference, notes),
        complete_by=due(task, zone, reference, notes),
        priority=priority_of(task, reference, notes),
        timeliness=_timeliness(task),
        reason=reason_of(task),
        recorded=tuple(recorded(task, source=reference, at=times.answered_at, notes=notes)),
        waived=tuple(
            waived(task, source=reference, owner=owner, roles=held, at=times.answered_at, notes=notes)
        ),
    )


def opened(task: Resource, zone: tzinfo) -> datetime:
    """Task.authoredOn, else the start of its restriction, else when the server last touched it."""
    period = mapping(mapping(task.get("restriction")).get("period"))
    moment = parse_time(task.get("authoredOn"), zone) or parse_time(period.get("start"), zone)
    return moment or _touched(task, zone)


@dataclass(frozen=True, kw_only=True)
class TaskTimes:
    """When a Task was opened, when its status last changed, and when somebody other than Throughline last changed it.

    Of one that Throughline cancelled also since when its owner had accepted it.
    """

    opened_at: datetime
    changed_at: datetime
    answered_at: datetime
    accepted_at: datetime | None


def times_of(task: Resource, zone: tzinfo) -> TaskTimes:
    """From our mark, else Task.lastModified, else meta.lastUpdated, else authoredOn; NotOurs when there is none."""
    mark, opened_at = status_mark(task, zone), opened(task, zone)
    return TaskTimes(
        opened_at=opened_at,
        changed_at=mark.status_since or opened_at,
        answered_at=mark.answered_at or opened_at,
        accepted_at=mark.accepted_at,
    )


def _touched(task: Resource, zone: tzinfo) -> datetime:
    moment = last_updated(task, zone) or parse_time(task.get("lastModified"), zone)
    if moment is None:
        raise NotOurs(
            "it has neither authoredOn, restriction.period.start, lastModified nor meta.lastUpdated"
        )
    return moment


def due(task: Resource, zone: tzinfo, reference: Reference, notes: Notes) -> datetime | None:
    """Task.restriction.period.end."""
    end = mapping(mapping(task.get("restriction")).get("period")).get("end")
    return optional_time(end, zone, "restriction.period.end", reference, notes)


def priority_of(task: Resource, reference: Reference, notes: Notes) -> Priority:
    """Task.priority; absent means routine (R4 request-priority)."""
    text = task.get("priority")
    if text is None:
        return Priority.ROUTINE
    try:
        return code_of(Priority, text, "priority")
    except NotOurs as problem:
        notes.add(reference, f"{problem}; it counts as routine")
        return Priority.ROUTINE


def _timeliness(task: Resource) -> str | None:
    found = (code for system, code in codings(task.get("businessStatus")) if system == systems.TIMELINESS)
    return next(found, None)


def reason_of(task: Resource) -> str | None:
    """What Task.statusReason says: its text, else the display or code of its first coding."""
    reason = mapping(task.get("statusReason"))
    if text_of(reason.get("text")):
        return text_of(reason.get("text"))
    first = next(iter(reason.get("coding") or ()), None)
    coding = mapping(first)
    return text_of(coding.get("display")) or text_of(coding.get("code")) or None
