"""Enrolments as CarePlan: readable by machines in extensions, by people in the narrative."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.domain.enrolment import Enrolment, InQueue, Variance
from service.domain.vocabulary import RUNNING_PLAN, PlanStatus, Reference
from service.fhir import systems
from service.fhir.labels import labelled
from service.fhir.references import identifier_values, mapping, mappings, referred
from service.fhir.render.context import Context
from service.fhir.render.elements import (
    Json,
    compact,
    encounter_of,
    identifier,
    plan_category,
    updated,
    with_extensions,
)
from service.fhir.render.plan_narrative import enrolment_narrative
from service.ports import Write

_URLS = (
    systems.ENROLMENT_ANCHOR,
    systems.STAGE,
    systems.STAGE_REACHED,
    systems.STAGE_ENTRY,
    systems.UNMET_GATE,
    systems.MISSING_FIELD,
    systems.VARIANCE_NOTED,
    systems.ENDED_REASON,
    systems.ACCOUNTABLE_LEAD,
    systems.IN_QUEUE,
    systems.REVISION,
)


def keep_enrolment(context: Context) -> Write:
    """The enrolment CarePlan: created once, or updated from what was read, changing our elements only."""
    enrolment = context.decision.enrolment
    if enrolment.reference is None:
        resource = compact({**_first(enrolment, context), **_always(enrolment, {}, context)})
        return Write(
            resource=labelled(
                with_extensions(resource, _extensions(enrolment, context), _URLS), context.labels
            ),
            full_url=systems.full_url(systems.ENROLMENT, enrolment.identifier),
            create_if_none=systems.condition(systems.ENROLMENT, enrolment.identifier),
        )
    before = context.as_read(enrolment.reference)
    resource = updated(before, _always(enrolment, before, context))
    return Write(
        resource=labelled(with_extensions(resource, _extensions(enrolment, context), _URLS), context.labels),
        full_url=enrolment.reference,
        if_match=enrolment.version or None,
    )


def _first(enrolment: Enrolment, context: Context) -> Json:
    """What is said once, when the CarePlan is created."""
    return {
        "resourceType": "CarePlan",
        "identifier": [identifier(systems.ENROLMENT, enrolment.identifier)],
        "intent": "plan",
        "category": plan_category(systems.PATHWAY_PLAN, "Care pathway"),
        "subject": {"reference": enrolment.person},
        **encounter_of(enrolment.anchor),
        "created": context.at(context.recorded_at),
    }


def _always(enrolment: Enrolment, before: Mapping[str, Any], context: Context) -> Json:
    """What is kept up to date."""
    return {
        "status": enrolment.status.value,
        "instantiatesCanonical": _canonicals(enrolment, before),
        "title": context.pathway.title,
        "period": _period(enrolment, mapping(before.get("period")), context),
        "author": _lead(enrolment, mapping(before.get("author"))),
        "activity": _activities(enrolment, before, context),
        "text": enrolment_narrative(context),
    }


def _canonicals(enrolment: Enrolment, before: Mapping[str, Any]) -> list[str]:
    ours = systems.plan_definition(enrolment.pathway, "")
    kept = before.get("instantiatesCanonical")
    others = [each for each in kept if not str(each).startswith(ours)] if isinstance(kept, list) else []
    version = [f"{ours}{enrolment.pathway_version}"] if enrolment.pathway_version else []
    return [*version, *others]


def _lead(enrolment: Enrolment, before: Mapping[str, Any]) -> Json | None:
    if enrolment.lead is None:
        return None
    if referred(before) == enrolment.lead and before.get("display") == enrolment.lead_display:
        return dict(before)
    return compact({"reference": enrolment.lead, "display": enrolment.lead_display})


def _period(enrolment: Enrolment, before: Mapping[str, Any], context: Context) -> Json:
    kept = {name: value for name, value in before.items() if name not in {"start", "end"}}
    period = {**kept, "start": context.at(enrolment.started_at)}
    if enrolment.status not in RUNNING_PLAN:
        period["end"] = before.get("end") or context.at(
            max(_ended_at(enrolment, context), enrolment.started_at)
        )
    return period


def _ended_at(enrolment: Enrolment, context: Context) -> datetime:
    """A completed pathway ended when its final stage was entered, as the record tells it; any other end is now."""
    if enrolment.status is PlanStatus.COMPLETED and enrolment.history:
        return enrolment.history[-1].entered_at
    return context.recorded_at


def _activities(enrolment: Enrolment, before: Mapping[str, Any], context: Context) -> list[Any]:
    """Our follow-ups as they should be listed; an entry that stands there is kept as it is, others' entries too."""
    wanted = set(enrolment.activities)
    kept, listed = [], set()
    for each in mappings(before.get("activity")):
        name = _named(each, context)
        if name is None or name in wanted:
            kept.append(each)
            listed.add(name)
    new = [{"reference": context.follow_up(name)} for name in enrolment.activities if name not in listed]
    return [*kept, *new]


def _named(activity: Mapping[str, Any], context: Context) -> str | None:
    pointer = mapping(activity.get("reference"))
    beside = identifier_values(pointer, systems.FOLLOW_UP)
    if beside:
        return beside[0]
    target: Reference | None = referred(pointer)
    return context.identifier_of(target) if target else None


def _extensions(enrolment: Enrolment, context: Context) -> list[Json]:
    found: list[Json] = [
        {"url": systems.ENROLMENT_ANCHOR, "valueReference": {"reference": enrolment.anchor}},
        {"url": systems.STAGE, "valueCode": enrolment.stage},
        {"url": systems.STAGE_REACHED, "valueCode": enrolment.reached},
    ]
    for entry in enrolment.history:
        stage = {"url": "stage", "valueCode": entry.stage}
        entered = {"url": "entered", "valueDateTime": context.at(entry.entered_at)}
        found.append({"url": systems.STAGE_ENTRY, "extension": [stage, entered]})
    found += [{"url": systems.UNMET_GATE, "valueCode": gate} for gate in enrolment.unmet_gates]
    found += [{"url": systems.MISSING_FIELD, "valueCode": name} for name in enrolment.missing]
    found += [_variance(each, context) for each in enrolment.variances]
    found += [_queue(each) for each in enrolment.queues]
    if enrolment.accountable is not None:
        lead = compact({"reference": enrolment.accountable, "display": enrolment.accountable_display})
        found.append({"url": systems.ACCOUNTABLE_LEAD, "valueReference": lead})
    if enrolment.ended_reason:
        found.append({"url": systems.ENDED_REASON, "valueString": enrolment.ended_reason})
    return [*found, {"url": systems.REVISION, "valueUnsignedInt": enrolment.revision}]


def _queue(queue: InQueue) -> Json:
    parts: list[Json] = [{"url": "capacity", "valueCode": queue.capacity}]
    if queue.place is not None:
        parts.append({"url": "place", "valueReference": {"reference": queue.place}})
    else:
        parts.append({"url": "position", "valueUnsignedInt": queue.position})
        parts.append({"url": "waiting", "valueUnsignedInt": queue.waiting})
    return {"url": systems.IN_QUEUE, "extension": parts}


def _variance(variance: Variance, context: Context) -> Json:
    parts: list[Json] = [{"url": "kind", "valueCode": variance.kind.value}]
    if variance.subject:
        parts.append({"url": "subject", "valueString": variance.subject})
    parts.append({"url": "at", "valueDateTime": context.at(variance.at)})
    if variance.reason:
        parts.append({"url": "reason", "valueString": variance.reason})
    return {"url": systems.VARIANCE_NOTED, "extension": parts}
