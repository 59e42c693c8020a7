"""Escalations back from the record: their CarePlan, response Tasks (one per rung) and Communications, put together.

A crash can leave any of the three missing; what is there is read, so that the rest can be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from service.domain.evidence import EscalationSeen, RungSeen
from service.domain.vocabulary import FollowUpStatus, PlanStatus, Reference, RoleId
from service.fhir import systems
from service.fhir.read.answers import recorded, waived
from service.fhir.read.elements import Notes, code_of, extension_value, own_identifier, own_reference
from service.fhir.read.follow_ups import due, reason_of, times_of
from service.fhir.read.identifiers import named
from service.fhir.references import identifier_values, mapping, mappings, referred, version_of
from service.fhir.times import parse_time
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class PlanSeen:
    """The escalation CarePlan alone."""

    identifier: str
    reference: Reference
    version: str
    status: PlanStatus
    missed_at: datetime | None
    listed: frozenset[str]
    """Identifiers, or where those are missing references, of the Tasks it lists."""


@dataclass(frozen=True, kw_only=True)
class ResponseSeen:
    """One response Task, with the escalation it belongs to."""

    escalation: str
    rung: RungSeen
    missed_at: datetime | None


def read_plan(plan: Resource, *, zone: tzinfo, base: str) -> PlanSeen:
    """The CarePlan of an escalation; NotOurs when it cannot be understood."""
    identifier = own_identifier(plan, systems.ESCALATION)
    named("escalation", identifier)
    said = extension_value(plan, systems.MISSED_AT, "valueDateTime")
    start = mapping(plan.get("period")).get("start")
    return PlanSeen(
        identifier=identifier,
        reference=own_reference(plan),
        version=version_of(plan),
        status=code_of(PlanStatus, plan.get("status"), "status"),
        missed_at=parse_time(said, zone) or parse_time(start, zone),
        listed=frozenset(_listed(plan, base)),
    )


def read_response(
    task: Resource,
    *,
    zone: tzinfo,
    base: str,
    notices: frozenset[str],
    roles_of: Mapping[Reference, frozenset[RoleId]],
    notes: Notes,
) -> ResponseSeen:
    """The response Task of one rung; `notices` are the identifiers of the Communications that were read."""
    reference = own_reference(task)
    identifier = own_identifier(task, systems.FOLLOW_UP)
    parts = named("rung", identifier)
    assert parts.rung is not None  # named() has checked that all seven parts are there
    owner = referred(task.get("owner"), base)
    held = roles_of.get(owner, frozenset()) if owner else frozenset()
    times = times_of(task, zone)
    rung = RungSeen(
        number=parts.rung,
        reference=reference,
        version=version_of(task),
        status=code_of(FollowUpStatus, task.get("status"), "status"),
        owner=owner,
        raised_at=times.opened_at,
        changed_at=times.changed_at,
        accepted_at=times.accepted_at,
        respond_by=due(task, zone, reference, notes),
        notice_exists=identifier in notices,
        recorded=tuple(recorded(task, source=reference, at=times.answered_at, notes=notes)),
        waived=tuple(
            waived(task, source=reference, owner=owner, roles=held, at=times.answered_at, notes=notes)
        ),
        reason=reason_of(task),
    )
    said = extension_value(task, systems.MISSED_AT, "valueDateTime")
    escalation = identifier.rsplit("/", 1)[0]
    return ResponseSeen(escalation=escalation, rung=rung, missed_at=parse_time(said, zone))


def together(
    plans: Mapping[str, PlanSeen], responses: Sequence[ResponseSeen], notes: Notes
) -> tuple[EscalationSeen, ...]:
    """Plans and rungs by escalation identifier, in the order of the identifiers."""
    identifiers = sorted({*plans, *(response.escalation for response in responses)})
    found = []
    for identifier in identifiers:
        rungs = [each for each in responses if each.escalation == identifier]
        seen = _escalation(
            identifier, plans.get(identifier), sorted(rungs, key=lambda each: each.rung.number)
        )
        if seen is None:
            notes.add(
                plans[identifier].reference,
                "it says nowhere when the time was missed; please add period.start",
            )
        else:
            found.append(seen)
    return tuple(found)


def _escalation(
    identifier: str, plan: PlanSeen | None, responses: Sequence[ResponseSeen]
) -> EscalationSeen | None:
    parts = named("escalation", identifier)
    missed_at = _missed_at(plan, responses)
    if missed_at is None:
        return None
    assert parts.task is not None  # named() has checked that all six parts are there
    assert parts.occurrence is not None
    assert parts.cause is not None
    return EscalationSeen(
        identifier=identifier,
        task=parts.task,
        occurrence=parts.occurrence,
        cause=parts.cause,
        reference=plan.reference if plan else None,
        version=plan.version if plan else "",
        status=plan.status if plan else PlanStatus.ACTIVE,
        missed_at=missed_at,
        rungs=tuple(response.rung for response in responses),
        listed=_count_listed(identifier, plan, responses),
    )


def _missed_at(plan: PlanSeen | None, responses: Sequence[ResponseSeen]) -> datetime | None:
    """The plan's word, else what a response Task says, else when the first rung was raised."""
    if plan and plan.missed_at:
        return plan.missed_at
    said = next((each.missed_at for each in responses if each.missed_at), None)
    return said or min((each.rung.raised_at for each in responses), default=None)


def _listed(plan: Resource, base: str) -> Iterator[str]:
    for activity in mappings(plan.get("activity")):
        pointer = mapping(activity.get("reference"))
        beside = identifier_values(pointer, systems.FOLLOW_UP)
        target = referred(pointer, base)
        yield from beside or ([target] if target else [])


def _count_listed(identifier: str, plan: PlanSeen | None, responses: Sequence[ResponseSeen]) -> int:
    """How many of the response Tasks that were read stand in the plan's activities."""
    if plan is None:
        return 0
    rungs = [each.rung for each in responses]
    return sum(1 for rung in rungs if {f"{identifier}/{rung.number}", str(rung.reference)} & plan.listed)
