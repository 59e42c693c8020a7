"""Enrolment CarePlans back into Enrolments. An edit that makes one impossible to understand is told, never dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from service.domain.enrolment import Enrolment, InQueue, StageEntry, Variance
from service.domain.vocabulary import (
    CapacityId,
    FieldId,
    GateId,
    PathwayId,
    PlanStatus,
    Reference,
    StageId,
    VarianceKind,
)
from service.fhir import systems
from service.fhir.read.elements import (
    Notes,
    code_of,
    codes,
    extension_value,
    extensions,
    needed_time,
    own_identifier,
    own_reference,
    text_of,
)
from service.fhir.read.identifiers import NotOurs, named
from service.fhir.references import identifier_values, mapping, mappings, referred, version_of
from service.fhir.times import parse_time
from service.ports import Resource


def read_enrolment(
    resource: Resource,
    *,
    person: Reference,
    zone: tzinfo,
    base: str,
    follow_ups: Mapping[Reference, str],
    notes: Notes,
) -> Enrolment:
    """One enrolment; `follow_ups` names the Tasks read by their identifier. NotOurs when it cannot be understood."""
    reference = own_reference(resource)
    identifier = own_identifier(resource, systems.ENROLMENT)
    parts = named("enrolment", identifier)
    if referred(resource.get("subject"), base) != person:
        raise NotOurs("its subject is somebody else")
    stage = _stage(resource, systems.STAGE)
    started_at = needed_time(mapping(resource.get("period")).get("start"), zone, "period.start")
    author = mapping(resource.get("author"))
    accountable = extension_value(resource, systems.ACCOUNTABLE_LEAD, "valueReference")
    return Enrolment(
        identifier=identifier,
        pathway=parts.pathway,
        pathway_version=_version(resource, parts.pathway, reference, notes),
        person=person,
        anchor=parts.anchor,
        started_at=started_at,
        status=code_of(PlanStatus, resource.get("status"), "status"),
        stage=stage,
        history=_history(resource, stage, started_at, zone, reference, notes),
        reached=StageId(text_of(extension_value(resource, systems.STAGE_REACHED, "valueCode")) or stage),
        unmet_gates=tuple(GateId(code) for code in codes(resource, systems.UNMET_GATE)),
        missing=tuple(FieldId(code) for code in codes(resource, systems.MISSING_FIELD)),
        variances=tuple(_variances(resource, zone, reference, notes)),
        lead=referred(author, base),
        lead_display=text_of(author.get("display")),
        accountable=referred(accountable, base),
        accountable_display=text_of(mapping(accountable).get("display")),
        queues=tuple(_queues(resource, base, reference, notes)),
        ended_reason=text_of(extension_value(resource, systems.ENDED_REASON, "valueString")),
        ended_at=parse_time(mapping(resource.get("period")).get("end"), zone),
        activities=_activities(resource, follow_ups, base),
        revision=_revision(resource),
        reference=reference,
        version=version_of(resource),
    )


def _stage(resource: Resource, url: str) -> StageId:
    stage = text_of(extension_value(resource, url, "valueCode"))
    if not stage:
        raise NotOurs("its stage extension is missing")
    return StageId(stage)


def _version(resource: Resource, pathway: PathwayId, reference: Reference, notes: Notes) -> str:
    """The pathway version it began with, from instantiatesCanonical; other systems may have added canonicals."""
    url = systems.plan_definition(pathway, "")
    canonicals = resource.get("instantiatesCanonical")
    for canonical in canonicals if isinstance(canonicals, list) else []:
        if isinstance(canonical, str) and canonical.startswith(url):
            return canonical.removeprefix(url)
    notes.add(reference, "it no longer says which version of the pathway it follows")
    return ""


def _history(
    resource: Resource, stage: StageId, started_at: datetime, zone: tzinfo, reference: Reference, notes: Notes
) -> tuple[StageEntry, ...]:
    entries = []
    for each in extensions(resource, systems.STAGE_ENTRY):
        name = text_of(extension_value(each, "stage", "valueCode"))
        entered_at = parse_time(extension_value(each, "entered", "valueDateTime"), zone)
        if name and entered_at is not None:
            entries.append(StageEntry(stage=StageId(name), entered_at=entered_at))
        else:
            notes.add(reference, "one entry of its stage history is incomplete and was left out")
    return tuple(entries) or (StageEntry(stage=stage, entered_at=started_at),)


def _variances(resource: Resource, zone: tzinfo, reference: Reference, notes: Notes) -> Iterator[Variance]:
    for each in extensions(resource, systems.VARIANCE_NOTED):
        at = parse_time(extension_value(each, "at", "valueDateTime"), zone)
        try:
            kind = code_of(VarianceKind, extension_value(each, "kind", "valueCode"), "variance")
        except NotOurs as problem:
            notes.add(reference, str(problem))
            continue
        if at is None:
            notes.add(reference, "one of its variances has no time and was left out")
            continue
        subject = text_of(extension_value(each, "subject", "valueString"))
        yield Variance(
            kind=kind, subject=subject, at=at, reason=text_of(extension_value(each, "reason", "valueString"))
        )


def _queues(resource: Resource, base: str, reference: Reference, notes: Notes) -> Iterator[InQueue]:
    for each in extensions(resource, systems.IN_QUEUE):
        capacity = text_of(extension_value(each, "capacity", "valueCode"))
        position = extension_value(each, "position", "valueUnsignedInt")
        waiting = extension_value(each, "waiting", "valueUnsignedInt")
        if not capacity:
            notes.add(reference, "one entry about a queue names no capacity and was left out")
            continue
        yield InQueue(
            capacity=CapacityId(capacity),
            position=position if isinstance(position, int) else 0,
            waiting=waiting if isinstance(waiting, int) else 0,
            place=referred(extension_value(each, "place", "valueReference"), base),
        )


def _activities(resource: Resource, follow_ups: Mapping[Reference, str], base: str) -> tuple[str, ...]:
    found = (activity_identifier(each, follow_ups, base) for each in mappings(resource.get("activity")))
    return tuple(sorted({identifier for identifier in found if identifier}))


def activity_identifier(
    activity: Mapping[str, Any], follow_ups: Mapping[Reference, str], base: str = ""
) -> str | None:
    """Which follow-up an activity refers to: by the identifier beside the reference, else by the Task itself."""
    pointer = mapping(activity.get("reference"))
    beside = identifier_values(pointer, systems.FOLLOW_UP)
    if beside:
        return beside[0]
    target = referred(pointer, base)
    return follow_ups.get(target) if target else None


def _revision(resource: Resource) -> int:
    value = extension_value(resource, systems.REVISION, "valueUnsignedInt")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
