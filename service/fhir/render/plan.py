"""One Decision as Writes, in the order in which they are safe one by one.

A new enrolment comes first, so that everything else has something to stand on. One that exists is updated last: it
fences racing workers, and a crash before it leaves a decision that the next reconcile takes up again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.domain.evidence import PersonRecord
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.vocabulary import Reference
from service.fhir.render.context import Context
from service.fhir.render.enrolment import keep_enrolment
from service.fhir.render.escalation import keep_escalation
from service.fhir.render.follow_up import change_follow_ups, open_follow_up
from service.fhir.render.notice import raise_rung
from service.fhir.render.place import free_place, take_place
from service.fhir.render.provenance import decision_provenance
from service.fhir.render.told import tell_holder
from service.ports import Resource, Write


def render(
    decision: Decision,
    *,
    pathway: Pathway,
    record: PersonRecord,
    labels: Sequence[Mapping[str, Any]],
    existing: Mapping[Reference, Resource],
    recorded_at: datetime,
    software_version: str = "",
) -> list[Write]:
    """Everything the decision wants written; empty when it is settled.

    `labels`: security labels of what was read (see labels.high_water). `existing`: resources as read, by reference;
    NotRead is raised when one is to be updated and is not there. `recorded_at`: now, aware.
    """
    context = Context(
        decision=decision,
        pathway=pathway,
        record=record,
        labels=labels,
        existing=existing,
        recorded_at=recorded_at,
        software_version=software_version,
    )
    enrolment = [keep_enrolment(context)] if decision.write_enrolment else []
    work = _work(context)
    if not (enrolment or work):
        return []
    trail = [decision_provenance([*enrolment, *work], context)]
    if decision.enrolment.reference is None:
        return [*enrolment, *work, *trail]
    return [*work, *trail, *enrolment]


def _work(context: Context) -> list[Write]:
    """Places first, because somebody else may have been given them; follow-ups before escalations about them."""
    decision = context.decision
    writes = [free_place(intent, context) for intent in decision.freed]
    writes += [take_place(intent, context) for intent in decision.taken]
    writes += change_follow_ups(decision.changes, context)
    writes += [open_follow_up(intent, context) for intent in decision.open]
    writes += [keep_escalation(intent, context) for intent in decision.escalations]
    for rung in decision.rungs:
        writes += raise_rung(rung, context)
    writes += [tell_holder(told, context) for told in decision.told]
    return writes
