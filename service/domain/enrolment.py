"""One person on one pathway: where they are, since when, and what is still missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

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


@dataclass(frozen=True, kw_only=True)
class StageEntry:
    """When the person came to a stage, as the record tells it."""

    stage: StageId
    entered_at: datetime


@dataclass(frozen=True, kw_only=True)
class Variance:
    """A departure from the pathway, with its reason; `subject` is the id of the gate, task or role concerned."""

    kind: VarianceKind
    subject: str
    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class InQueue:
    """Where the person stands in the queue for a reserved place: the position from 1 and how many wait, or the place."""

    capacity: CapacityId
    position: int = 0
    waiting: int = 0
    place: Reference | None = None


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """The state of an enrolment CarePlan.

    Two enrolments are the same state when everything but `reference`, `version` and `revision` is equal.
    """

    identifier: str
    """`<pathway>/<anchor>`, e.g. `post-discharge-coordination/Encounter/123`"""
    pathway: PathwayId
    pathway_version: str
    person: Reference
    anchor: Reference
    """The resource that started it."""
    started_at: datetime
    """The instant from which the pathway's clocks count."""
    status: PlanStatus
    stage: StageId
    history: tuple[StageEntry, ...]
    reached: StageId
    """The furthest stage the evidence shows; differs from `stage` while a gate holds."""
    unmet_gates: tuple[GateId, ...] = ()
    missing: tuple[FieldId, ...] = ()
    variances: tuple[Variance, ...] = ()
    lead: Reference | None = None
    """The accountable pathway lead."""
    lead_display: str = ""
    accountable: Reference | None = None
    """The person's accountable lead, when another pathway that runs as well has precedence; None: `lead` is."""
    accountable_display: str = ""
    queues: tuple[InQueue, ...] = ()
    """Reserved places that the person waits for or holds."""
    ended_reason: str = ""
    ended_at: datetime | None = field(default=None, compare=False)
    """As the record says it; None while it runs."""
    activities: tuple[str, ...] = ()
    """Identifiers of the follow-ups listed in CarePlan.activity, sorted."""
    revision: int = 0
    """Counts written decisions; the CarePlan is written last, so it fences racing workers."""
    reference: Reference | None = None
    version: str = ""
