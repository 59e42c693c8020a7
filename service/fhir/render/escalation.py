"""Escalations as CarePlan: what was not done in time, who is told, and the interim support until somebody acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.intents import KeepEscalation
from service.domain.vocabulary import RUNNING_PLAN, Cause, PlanStatus
from service.fhir import systems
from service.fhir.labels import labelled
from service.fhir.references import identifier_values, mapping, mappings, referred
from service.fhir.render.context import Context
from service.fhir.render.elements import (
    Json,
    compact,
    encounter_of,
    identifier,
    person,
    plan_category,
    updated,
    with_extensions,
)
from service.fhir.render.narrative import Section, narrative
from service.ports import Write

CAUSE_WORDS: Mapping[Cause, str] = {
    Cause.ACCEPTANCE: "It was not accepted by its accept-by time.",
    Cause.COMPLETION: "It was not completed by its complete-by time.",
    Cause.REFUSAL: "It was declined, so somebody else is needed within its timeframe.",
    Cause.UNREACHABLE: "The planned attempts to reach the person are used up.",
    Cause.UNOWNED: "The role that should own it is not filled at the moment.",
}
_URLS = (systems.CAUSE, systems.MISSED_AT, systems.ESCALATION_ABOUT)
_CLOSED_SUPPORT = {PlanStatus.REVOKED: "cancelled", PlanStatus.ENTERED_IN_ERROR: "entered-in-error"}
_UNTOUCHED = frozenset({"not-started"})


def keep_escalation(intent: KeepEscalation, context: Context) -> Write:
    """The escalation CarePlan: created once, or updated from what was read, changing our elements only."""
    if intent.reference is None:
        resource = compact({**_first(intent, context), **_always(intent, {}, context)})
        return Write(
            resource=labelled(with_extensions(resource, _extensions(intent, context), _URLS), context.labels),
            full_url=systems.full_url(systems.ESCALATION, intent.identifier),
            create_if_none=systems.condition(systems.ESCALATION, intent.identifier),
        )
    before = context.as_read(intent.reference)
    resource = updated(before, _always(intent, before, context))
    return Write(
        resource=labelled(with_extensions(resource, _extensions(intent, context), _URLS), context.labels),
        full_url=intent.reference,
        if_match=intent.version or None,
    )


def _first(intent: KeepEscalation, context: Context) -> Json:
    """What is said once, when the CarePlan is created."""
    enrolment = context.decision.enrolment
    return {
        "resourceType": "CarePlan",
        "identifier": [identifier(systems.ESCALATION, intent.identifier)],
        "partOf": [context.enrolment()],
        "intent": "plan",
        "category": plan_category(systems.ESCALATION_PLAN, "Escalation"),
        "subject": {"reference": enrolment.person},
        **encounter_of(enrolment.anchor),
        "created": context.at(context.recorded_at),
    }


def _always(intent: KeepEscalation, before: Mapping[str, Any], context: Context) -> Json:
    """What is kept up to date."""
    people = [person(holder) for holder in intent.addressed_to]
    contributors = _contributors(before, people)
    activities = _activities(intent, before, context)
    return {
        "status": intent.status.value,
        "title": f"Escalation: {intent.task_title}",
        "description": intent.because,
        "period": _period(intent, mapping(before.get("period")), context),
        "author": people[-1] if people else before.get("author"),
        "contributor": contributors,
        "activity": activities,
        "text": _narrative(intent, contributors, activities, context),
    }


def _period(intent: KeepEscalation, before: Mapping[str, Any], context: Context) -> Json:
    kept = {name: value for name, value in before.items() if name not in {"start", "end"}}
    period = {**kept, "start": context.at(intent.missed_at)}
    if intent.status not in RUNNING_PLAN:
        ended = context.at(max(intent.changed_at, intent.missed_at))
        period["end"] = before.get("end") or ended
    return period


def _contributors(before: Mapping[str, Any], people: Sequence[Json]) -> list[Any]:
    """Everybody who was ever addressed, in that order, and whoever else was named there."""
    named = list(mappings(before.get("contributor")))
    known = {each.get("reference") for each in named}
    new = {each["reference"]: each for each in people if each["reference"] not in known}
    return [*named, *new.values()]


def _extensions(intent: KeepEscalation, context: Context) -> list[Json]:
    return [
        {"url": systems.CAUSE, "valueCode": intent.cause.value},
        {"url": systems.MISSED_AT, "valueDateTime": context.at(intent.missed_at)},
        {"url": systems.ESCALATION_ABOUT, "valueReference": context.follow_up(intent.about)},
    ]


def _activities(intent: KeepEscalation, before: Mapping[str, Any], context: Context) -> list[Any]:
    """What stands there stays, with what others recorded on it; what is new is added."""
    kept = [_settled(each, intent.status) for each in mappings(before.get("activity"))]
    described = {mapping(each.get("detail")).get("description") for each in kept}
    by = f"by {context.say(intent.respond_by)}" if intent.respond_by else ""
    performers = [person(holder) for holder in intent.addressed_to[-1:]]
    status = "not-started" if intent.status in RUNNING_PLAN else _support_status(intent.status)
    support = [_support(words, by, performers, status) for words in intent.support if words not in described]
    listed = {name for each in kept for name in _named(each, context)}
    responses = (f"{intent.identifier}/{number}" for number in range(1, intent.rungs + 1))
    pointers = [{"reference": context.follow_up(each)} for each in responses if each not in listed]
    return [*kept, *support, *pointers]


def _named(activity: Mapping[str, Any], context: Context) -> list[str]:
    """The Task an activity refers to, by the identifier beside its reference or by the reference itself."""
    pointer = mapping(activity.get("reference"))
    beside = identifier_values(pointer, systems.FOLLOW_UP)
    target = referred(pointer)
    known = context.identifier_of(target) if target and not beside else None
    return [*beside, *([known] if known else [])]


def _settled(activity: Mapping[str, Any], status: PlanStatus) -> Mapping[str, Any]:
    """When the plan closes, support that nobody reported on is no longer "not started"."""
    detail = mapping(activity.get("detail"))
    if status in RUNNING_PLAN or detail.get("status") not in _UNTOUCHED:
        return activity
    return {**activity, "detail": {**detail, "status": _support_status(status)}}


def _support_status(status: PlanStatus) -> str:
    """R4 care-plan-activity-status: `unknown` is the honest word for what nobody reported on."""
    return _CLOSED_SUPPORT.get(status, "unknown")


def _support(words: str, by: str, performers: list[Json], status: str) -> Json:
    """One interim support action of an escalation CarePlan."""
    detail = {"status": status, "description": words, "scheduledString": by, "performer": performers}
    return {"detail": compact(detail)}


def _narrative(
    intent: KeepEscalation, contributors: Sequence[Any], activities: Sequence[Any], context: Context
) -> Json:
    lines = [
        CAUSE_WORDS[intent.cause],
        intent.because,
        f"Since: {context.say(intent.missed_at)}",
        f"Priority: {intent.priority.value}" if intent.status in RUNNING_PLAN else "",
        f"Respond by: {context.say(intent.respond_by)}" if intent.respond_by else "",
        f"Status: {intent.status.value}",
    ]
    names = [str(each.get("display") or each.get("reference") or "") for each in contributors]
    actions = [str(mapping(each.get("detail")).get("description") or "") for each in activities]
    told = Section(title="Who has been asked to act", lines=names)
    support = Section(title="Support in the meantime", lines=actions)
    return narrative(f"Escalation: {intent.task_title}", lines, [told, support])
