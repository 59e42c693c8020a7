"""Follow-ups as Task: new ones, and changes that touch only the elements they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.domain.intents import ChangeFollowUp, OpenFollowUp
from service.domain.vocabulary import OPEN, Reference
from service.fhir import systems
from service.fhir.capacities import queue_of
from service.fhir.labels import labelled
from service.fhir.references import codings, mapping, mappings, referred
from service.fhir.render.context import Context
from service.fhir.render.elements import (
    Json,
    coding,
    compact,
    concept,
    encounter_of,
    identifier,
    person,
    role_type,
    timeliness,
    with_extensions,
)
from service.fhir.render.narrative import Section, narrative
from service.fhir.status_mark import marked
from service.fhir.times import parse_time
from service.ports import Resource, Write


def open_follow_up(intent: OpenFollowUp, context: Context) -> Write:
    """A new follow-up Task; its identifier lets it exist once."""
    enrolment, template = context.decision.enrolment, intent.task
    task = compact(
        {
            **new_task(intent.identifier, template.title, context),
            "extension": [{"url": systems.ACCEPT_BY, "valueDateTime": context.at(intent.accept_by)}],
            "groupIdentifier": _queue(intent, context),
            "basedOn": [context.enrolment()],
            "businessStatus": timeliness(intent.timeliness),
            "priority": intent.priority.value,
            "description": template.ask,
            "focus": {"reference": enrolment.anchor},
            "authoredOn": context.at(intent.opened_at),
            "lastModified": context.at(intent.opened_at),
            "performerType": role_type(template.owner, intent.owner_role_title),
            "owner": person(intent.owner),
            "reasonCode": {"text": intent.because},
            "restriction": {"period": _period(intent.opened_at, intent.complete_by, context)},
            "input": [_asked(field, context.field_title(field)) for field in template.records],
        }
    )
    return new_task_write(intent.identifier, task, context)


def _queue(intent: OpenFollowUp, context: Context) -> Json | None:
    """Requests for the same reserved capacity are one group, so that the queue can be read off the record."""
    pathway = context.pathway
    asked = next((c for c in pathway.capacities.values() if c.request == intent.task.id), None)
    return identifier(systems.QUEUE, queue_of(pathway.id, asked.id)) if asked else None


def new_task(value: str, title: str, context: Context) -> Json:
    """What every Task of ours has: fulfil order, for this person, requested by this software."""
    enrolment = context.decision.enrolment
    return {
        "resourceType": "Task",
        "identifier": [identifier(systems.FOLLOW_UP, value)],
        "status": "requested",
        "intent": "order",
        "code": concept(systems.TASK_CODE, "fulfill", title),
        "for": {"reference": enrolment.person},
        "requester": systems.software(context.software_version),
        **encounter_of(enrolment.anchor),
    }


def new_task_write(value: str, task: Json, context: Context) -> Write:
    """The conditional create of a Task, with labels and narrative."""
    return Write(
        resource=labelled({**task, "text": task_narrative(task, context)}, context.labels),
        full_url=systems.full_url(systems.FOLLOW_UP, value),
        create_if_none=systems.condition(systems.FOLLOW_UP, value),
    )


def change_follow_ups(intents: Sequence[ChangeFollowUp], context: Context) -> list[Write]:
    """One update per Task, however many changes it gets: a second PUT would be fenced out by the first."""
    by_task: dict[Reference, list[ChangeFollowUp]] = {}
    for intent in intents:
        by_task.setdefault(intent.reference, []).append(intent)
    return [_change(reference, changes, context) for reference, changes in by_task.items()]


def _change(reference: Reference, changes: Sequence[ChangeFollowUp], context: Context) -> Write:
    before = context.as_read(reference)
    task = dict(before)
    for change in changes:
        task = changed_task(task, change, context)
    # A generated narrative holds nothing but structured data and must keep saying what that says; a narrative with
    # words of its own (`additional`, `extensions`) belongs to whoever wrote it.
    if mapping(before.get("text")).get("status", "generated") == "generated":
        task["text"] = task_narrative(task, context)
    return Write(
        resource=labelled(task, context.labels), full_url=reference, if_match=changes[0].version or None
    )


def changed_task(before: Mapping[str, Any], change: ChangeFollowUp, context: Context) -> Json:
    """A copy in which only what the change names is different, lastModified, and our mark of the times before it."""
    task = dict(before)
    noted_at = _noted_at(before, change.changed_at, context)
    status = change.status.value if change.status else str(before.get("status"))
    task["status"] = status
    if change.owner is not None:
        task["owner"] = person(change.owner)
    # Somebody who holds it already is not moved: a decision taken up again after a crash says so only once.
    moves = change.owner is not None and change.owner.reference != referred(before.get("owner"))
    if change.status is not None or moves:
        task = _told(task, change, noted_at, context)
    if change.priority is not None:
        task["priority"] = change.priority.value
    if change.complete_by is not None:
        task["restriction"] = _due(mapping(before.get("restriction")), change.complete_by, context)
    if change.timeliness is not None:
        task["businessStatus"] = _timeliness(mapping(before.get("businessStatus")), change.timeliness)
    if change.found is not None:
        task["output"] = _outputs(before, change.found)
    task["lastModified"] = context.at(noted_at)
    # Asking somebody else begins the status anew, also when it is called the same.
    begins = change.owner is not None or status != before.get("status")
    since = max(change.changed_at, _authored(before, context) or change.changed_at)
    mark = marked(
        before, status=status, since=since if begins else None, noted_at=noted_at, zone=context.zone
    )
    return with_extensions(task, [mark], [systems.STATUS_SINCE])


def _told(task: Json, change: ChangeFollowUp, noted_at: datetime, context: Context) -> Json:
    """Why: as the reason of a closing status; else as a note, because a reason left behind by an earlier owner would
    pass for the next one's.
    """
    if change.status is not None and change.status not in OPEN:
        return {**task, "statusReason": _reason(mapping(task.get("statusReason")), change.because)}
    earlier = _words(mapping(task.get("statusReason")).get("text"))
    said = f"{change.because} (before that: {earlier})" if earlier and change.status else change.because
    note = {"authorString": "Throughline", "time": context.at(noted_at), "text": said}
    kept = {name: value for name, value in task.items() if name != "statusReason" or change.status is None}
    return {**kept, "note": [*mappings(task.get("note")), note]}


def task_narrative(task: Resource, context: Context) -> Json:
    """Who is asked to do what by when, from the Task itself."""
    title = _words(mapping(task.get("code")).get("text")) or "Follow-up"
    accept_by = next(
        (
            each.get("valueDateTime")
            for each in mappings(task.get("extension"))
            if each.get("url") == systems.ACCEPT_BY
        ),
        None,
    )
    complete_by = mapping(mapping(task.get("restriction")).get("period")).get("end")
    owner = mapping(task.get("owner"))
    lines = [
        _words(task.get("description")),
        _line("Owner", _words(owner.get("display")) or _words(owner.get("reference"))),
        _line("Accept by", _spoken(accept_by, context)),
        _line("Complete by", _spoken(complete_by, context)),
        _line("Priority", _words(task.get("priority"))),
        _line("Status", _status_words(task)),
        _line("Why", _words(mapping(task.get("reasonCode")).get("text"))),
    ]
    asked = [_words(each.get("valueString")) for each in mappings(task.get("input"))]
    return narrative(title, lines, [Section(title="Asked for", lines=asked)])


def _status_words(task: Resource) -> str:
    status = _words(task.get("status"))
    standing = _words(mapping(task.get("businessStatus")).get("text"))
    reason = _words(mapping(task.get("statusReason")).get("text"))
    return "; ".join(part for part in (status, standing, reason) if part)


def _asked(field: str, title: str) -> Json:
    return {
        "type": concept(systems.REQUIRED_FIELD, field, title, display=title),
        "valueString": f"please record: {title}",
    }


def _period(start: datetime, end: datetime, context: Context) -> Json:
    """Restriction period; a time that had passed before the Task was opened stays the due time, without a start."""
    begins = {"start": context.at(start)} if start <= end else {}
    return {**begins, "end": context.at(end)}


def _due(before: Mapping[str, Any], complete_by: datetime, context: Context) -> Json:
    period = {**mapping(before.get("period")), "end": context.at(complete_by)}
    start = parse_time(period.get("start"), context.zone)
    if start is not None and start > complete_by:
        del period["start"]
    return {**before, "period": period}


def _reason(before: Mapping[str, Any], because: str) -> Json:
    """What others said about the status stays; ours is added once."""
    said = _words(before.get("text"))
    if not said:
        return {**before, "text": because}
    return {**before, "text": said if because in said else f"{said}; {because}"}


def _timeliness(before: Mapping[str, Any], code: str) -> Json:
    """Our coding replaced; the site's own business statuses stay beside it."""
    others = [each for each in mappings(before.get("coding")) if each.get("system") != systems.TIMELINESS]
    ours = timeliness(code)
    return {**before, "coding": [*ours["coding"], *others], "text": ours["text"]}


def _outputs(before: Mapping[str, Any], found: Reference) -> list[Any]:
    outputs = list(mappings(before.get("output")))
    if any(_is_evidence(each) and referred(each.get("valueReference")) == found for each in outputs):
        return outputs
    kind = {
        "coding": [coding(systems.EVIDENCE, systems.FOUND)],
        "text": "What on the record shows that it was done",
    }
    return [*outputs, {"type": kind, "valueReference": {"reference": found}}]


def _is_evidence(output: Mapping[str, Any]) -> bool:
    return any(system == systems.EVIDENCE for system, _ in codings(output.get("type")))


def _noted_at(before: Mapping[str, Any], changed_at: datetime, context: Context) -> datetime:
    """Task.lastModified: never before authoredOn (R4 Task inv-1), and never turned back."""
    modified = parse_time(before.get("lastModified"), context.zone)
    times = (changed_at, _authored(before, context), modified)
    return max(each for each in times if each is not None)


def _authored(task: Mapping[str, Any], context: Context) -> datetime | None:
    return parse_time(task.get("authoredOn"), context.zone)


def _line(name: str, words: str) -> str:
    return f"{name}: {words}" if words else ""


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _spoken(value: object, context: Context) -> str:
    moment = parse_time(value, context.zone)
    return context.say(moment) if moment else ""
