"""Decisions as the record tells them: Provenance, one for each decision that wrote something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.read.elements import last_updated, needed_time, own_reference, text_of
from service.fhir.read.facts import is_ours
from service.fhir.read.identifiers import NotOurs
from service.fhir.references import mapping, mappings, relative_reference
from service.fhir.systems import BASE, DECISION
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class RecordedDecision:
    """What a decision left of itself."""

    provenance: Reference
    code: str
    """Tag made of the enrolment, its revision and all that was written (render.provenance.decision_code)."""
    recorded_at: datetime
    """The instant it was made for, on the site's clock."""
    written_at: datetime | None
    """When the record server took it in, on that server's clock."""
    pathway: PathwayId
    version: str
    rules: str
    seen: tuple[tuple[Reference, str], ...]
    """(reference, version) of every resource that spoke, sorted."""
    targets: frozenset[Reference]
    """Everything it wrote."""


def read_decision(resource: Resource, zone: tzinfo) -> RecordedDecision | None:
    """None for what is no Provenance of ours; NotOurs when it is one that cannot be understood any more."""
    if resource.get("resourceType") != "Provenance" or not is_ours(resource):
        return None
    pathway, _, version = _policy(resource).partition("|")
    if not version:
        raise NotOurs("it does not say which version of which pathway decided")
    tags = mappings(mapping(resource.get("meta")).get("tag"))
    return RecordedDecision(
        provenance=own_reference(resource),
        code=next(text_of(tag.get("code")) for tag in tags if tag.get("system") == DECISION),
        recorded_at=needed_time(resource.get("recorded"), zone, "recorded"),
        written_at=last_updated(resource, zone),
        pathway=PathwayId(pathway),
        version=version,
        rules=text_of(mapping(resource.get("activity")).get("text")),
        seen=tuple(sorted(_seen(resource))),
        targets=frozenset(_targets(resource)),
    )


def _policy(resource: Resource) -> str:
    prefix = f"{BASE}/PlanDefinition/"
    found = resource.get("policy")
    policies = [text_of(policy) for policy in found] if isinstance(found, list) else []
    return next((policy.removeprefix(prefix) for policy in policies if policy.startswith(prefix)), "")


def _seen(resource: Resource) -> Iterator[tuple[Reference, str]]:
    for entity in mappings(resource.get("entity")):
        text = text_of(mapping(entity.get("what")).get("reference"))
        reference = relative_reference(text)
        if reference is not None:
            yield reference, text.partition("/_history/")[2]


def _targets(resource: Resource) -> Iterator[Reference]:
    for target in mappings(resource.get("target")):
        reference = relative_reference(target.get("reference"))
        if reference is not None:
            yield reference
