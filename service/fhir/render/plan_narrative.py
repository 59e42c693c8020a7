"""The page a clinician reads about one enrolment: stage, what holds it, what is missing, who does what by when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.enrolment import Enrolment, InQueue, Variance
from service.domain.vocabulary import OPEN, RUNNING_PLAN, FollowUpStatus, VarianceKind
from service.fhir.render.context import Context
from service.fhir.render.elements import TIMELINESS_WORDS
from service.fhir.render.narrative import Section, narrative

VARIANCE_WORDS = {
    VarianceKind.GATE_UNMET: "went on while this was open",
    VarianceKind.GATE_WAIVED: "waived",
    VarianceKind.COMPLETED_LATE: "completed after its time",
    VarianceKind.ACCEPTED_LATE: "accepted after its time",
    VarianceKind.CANCELLED_BY_OWNER: "cancelled by its owner",
    VarianceKind.CLOCK_ASSUMED: "start of the clock assumed",
    VarianceKind.ALREADY_DONE: "already done",
    VarianceKind.UNOWNED: "role not filled",
    VarianceKind.ENDED_EARLY: "ended early",
}


@dataclass(frozen=True, kw_only=True)
class _OpenLine:
    """One open follow-up as it will stand once the decision is written."""

    title: str
    owner: str
    complete_by: datetime | None
    standing: str


def enrolment_narrative(context: Context) -> dict[str, Any]:
    """The Narrative of the enrolment as it should be."""
    enrolment = context.decision.enrolment
    sections = [
        Section(
            title="Needed before the next stage", lines=[context.gate_title(g) for g in enrolment.unmet_gates]
        ),
        Section(
            title="Still to be recorded", lines=[context.field_title(name) for name in enrolment.missing]
        ),
        _open_section(enrolment, context),
        Section(
            title="Departures from the pathway", lines=[_variance(v, context) for v in enrolment.variances]
        ),
        Section(
            title="Stages so far",
            lines=[
                f"{context.stage_title(e.stage)}: since {context.say(e.entered_at)}"
                for e in enrolment.history
            ],
        ),
    ]
    return narrative(context.pathway.title, _lines(enrolment, context), sections)


def _lines(enrolment: Enrolment, context: Context) -> list[str]:
    reached = enrolment.reached
    held = f"The record already shows: {context.stage_title(reached)}" if reached != enrolment.stage else ""
    lead = enrolment.lead_display or (context.name_of(enrolment.lead) if enrolment.lead else "not named yet")
    return [
        f"Stage: {context.stage_title(enrolment.stage)}",
        held,
        f"Status: {enrolment.status.value}",
        f"Ended: {enrolment.ended_reason}" if enrolment.ended_reason else "",
        f"Pathway lead: {lead}",
        f"Accountable for the person as a whole: {enrolment.accountable_display}"
        if enrolment.accountable
        else "",
        *(_queue(each, context) for each in enrolment.queues),
        f"Clock started: {context.say(enrolment.started_at)}",
    ]


def _queue(queue: InQueue, context: Context) -> str:
    capacity = context.pathway.capacities.get(queue.capacity)
    title = capacity.title if capacity else queue.capacity
    if queue.place is not None:
        return f"{title}: a place is given"
    return f"{title}: waiting, number {queue.position} of {queue.waiting} in the queue"


def _open_section(enrolment: Enrolment, context: Context) -> Section:
    lines = sorted(
        _open(enrolment, context), key=lambda each: (each.complete_by is None, each.complete_by, each.title)
    )
    empty = "None at the moment" if enrolment.status in RUNNING_PLAN else ""
    return Section(
        title="Open follow-ups", lines=[_spoken(each, context) for each in lines], when_empty=empty
    )


def _open(enrolment: Enrolment, context: Context) -> Iterator[_OpenLine]:
    yield from _standing(enrolment, context)
    for intent in context.decision.open:
        yield _OpenLine(
            title=intent.task.title,
            owner=intent.owner.display,
            complete_by=intent.complete_by,
            standing=TIMELINESS_WORDS.get(intent.timeliness, intent.timeliness),
        )


def _standing(enrolment: Enrolment, context: Context) -> Iterator[_OpenLine]:
    """Follow-ups on the record with this decision's changes applied."""
    for seen in context.record.follow_ups:
        if not seen.identifier.startswith(f"{enrolment.identifier}/"):
            continue
        status: FollowUpStatus = seen.status
        owner, complete_by, timeliness = context.name_of(seen.owner), seen.complete_by, seen.timeliness
        for change in context.decision.changes:
            if change.identifier == seen.identifier:
                status = change.status or status
                owner = change.owner.display if change.owner else owner
                complete_by = change.complete_by or complete_by
                timeliness = change.timeliness or timeliness
        if status in OPEN:
            standing = TIMELINESS_WORDS.get(timeliness or "", status.value)
            yield _OpenLine(
                title=context.task_title(seen.task), owner=owner, complete_by=complete_by, standing=standing
            )


def _spoken(line: _OpenLine, context: Context) -> str:
    due = f"due {context.say(line.complete_by)}" if line.complete_by else "no due time"
    return f"{line.title}: {line.owner}, {due}. {line.standing}"


def _variance(variance: Variance, context: Context) -> str:
    subject = _subject(variance, context)
    reason = f": {variance.reason}" if variance.reason else ""
    return f"{subject} – {VARIANCE_WORDS[variance.kind]}, {context.say(variance.at)}{reason}"


def _subject(variance: Variance, context: Context) -> str:
    """The title of the gate, task or role concerned, else its id; of several Tasks of one follow-up, which one."""
    name, _, number = variance.subject.rpartition("/")
    which = f" ({number})" if name and number != "1" else ""
    subject = name or number
    for title in (context.gate_title, context.task_title, context.role_title):
        if title(subject) != subject:
            return f"{title(subject)}{which}"
    return variance.subject
