"""The status-since mark of a Task: keeps other people's times apart from the times of our own writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from service.domain.vocabulary import ACKNOWLEDGED, FollowUpStatus
from service.fhir import systems
from service.fhir.references import mapping, mappings
from service.fhir.times import fhir_time, parse_time
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class StatusMark:
    """What a Task's times are, once our own writes are taken out."""

    status_since: datetime | None
    """When the status last changed."""
    answered_at: datetime | None
    """When somebody else last changed the Task, e.g. recorded an output."""
    accepted_at: datetime | None = None
    """Of a Task that we cancelled: since when its owner had accepted it; None when they had not."""


def status_mark(task: Resource, zone: tzinfo) -> StatusMark:
    """From our mark where it still holds, else from Task.lastModified, else meta.lastUpdated.

    Some systems change a Task and leave its lastModified as we wrote it: then only meta.lastUpdated can be right.
    """
    modified = parse_time(task.get("lastModified"), zone)
    updated = parse_time(mapping(task.get("meta")).get("lastUpdated"), zone)
    said = _parts(task, zone)
    written_status = said.get("status", "requested")
    is_ours = modified is not None and modified == said.get("noted", parse_time(task.get("authoredOn"), zone))
    if task.get("status") != written_status:
        touched = (updated or modified) if is_ours else (modified or updated)
        return StatusMark(status_since=touched, answered_at=touched)
    if is_ours and not said and task.get("output"):
        return StatusMark(status_since=modified, answered_at=updated or modified)
    touched = modified or updated
    return StatusMark(
        status_since=said.get("since") or touched,
        answered_at=(said.get("answered") if is_ours else None) or touched,
        accepted_at=said.get("accepted"),
    )


def marked(
    before: Resource, *, status: str, since: datetime | None, noted_at: datetime, zone: tzinfo
) -> dict[str, Any]:
    """The extension that goes with a write of ours that sets Task.lastModified to `noted_at`.

    `since`: when the status began, if this write changes it; None when it stays as it was.
    """
    mark = status_mark(before, zone)
    times = {
        "since": since or mark.status_since,
        "answered": mark.answered_at,
        "noted": noted_at,
        "accepted": _accepted_at(before, mark, status),
    }
    parts: list[dict[str, Any]] = [{"url": "status", "valueCode": status}]
    parts += [
        {"url": name, "valueDateTime": fhir_time(at, zone)} for name, at in times.items() if at is not None
    ]
    return {"url": systems.STATUS_SINCE, "extension": parts}


def _accepted_at(before: Resource, mark: StatusMark, status: str) -> datetime | None:
    """A Task has one status: that it was accepted before we cancelled it must not get lost with that."""
    if status != FollowUpStatus.CANCELLED:
        return None
    return mark.status_since if before.get("status") in ACKNOWLEDGED else mark.accepted_at


def _parts(task: Resource, zone: tzinfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mark in mappings(task.get("extension")):
        if mark.get("url") == systems.STATUS_SINCE:
            for part in mappings(mark.get("extension")):
                value = part.get("valueCode") or parse_time(part.get("valueDateTime"), zone)
                found[str(part.get("url"))] = value
    return found
