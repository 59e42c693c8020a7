"""A care pathway as data: stages, gates, required fields, follow-up tasks, escalation ladders and measures.

Made by service.pathways from the YAML files; immutable; knows nothing of YAML or FHIR JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from service.domain.due import Within, WorkingCalendar
from service.domain.evidence import Condition, Fact
from service.domain.vocabulary import (
    FieldId,
    GateId,
    LadderId,
    MeasureId,
    PathwayId,
    Priority,
    Reference,
    RoleId,
    StageId,
    TaskId,
)


@dataclass(frozen=True, kw_only=True)
class InRecord:
    """A resource in the record fulfils this need."""

    condition: Condition
    ever: bool = False
    """False: only what happened since the enrolment began counts."""


class TaskState(StrEnum):
    """What a follow-up must have come to."""

    OPENED = "opened"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"
    """Its complete-by time passed before it was completed."""


@dataclass(frozen=True, kw_only=True)
class OnTask:
    """One of this pathway's own follow-ups has come to a state."""

    task: TaskId
    state: TaskState


@dataclass(frozen=True, kw_only=True)
class OnField:
    """A required field has been recorded; with `says`, with one of these values (compared without case)."""

    field: FieldId
    says: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OnStage:
    """The person has entered a stage."""

    stage: StageId


class EscalationState(StrEnum):
    """What the escalation of a task must have come to."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, kw_only=True)
class OnEscalation:
    """An escalation about a task has been raised or acknowledged."""

    task: TaskId
    state: EscalationState


Need = InRecord | OnTask | OnField | OnStage | OnEscalation
Needs = tuple[Need, ...]
"""Any one of these is enough. The empty tuple is never fulfilled."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A change in the record that begins an enrolment."""

    title: str
    condition: Condition
    unless: tuple[Condition, ...] = ()
    also: tuple[Condition, ...] = ()
    """Any one of these conditions on *other* facts of the person must hold too (e.g. a Condition linked to the
    encounter); empty = nothing else is needed. Evaluated with the candidate as anchor."""
    within: Within
    """How long ago it may have happened; older ones are history, not a reason to act."""
    anchor_of: Callable[[Fact], Reference | None] | None = field(default=None, compare=False, repr=False)
    """Which resource the enrolment is anchored on; None = the fact itself."""
    clock_of: Condition | None = None
    """What the resource it is anchored on must fulfil for the clocks to count from it, not from the fact."""


@dataclass(frozen=True, kw_only=True)
class RequiredField:
    """One element of the minimum dataset. A missing one is visible by name; it never silently passes."""

    id: FieldId
    title: str
    needs: Needs
    """Beside these, a Task.output coded with the field's id always counts."""
    ask: RoleId
    where_available: bool = False
    why: str = ""


class IfUnmet(StrEnum):
    """What an unmet gate does to the stage. It never delays care or a clock."""

    HOLD = "hold"
    PROCEED = "proceed-with-variance"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Must be fulfilled before the stage `before` is entered."""

    id: GateId
    title: str
    before: StageId
    needs: Needs
    applies_when: Needs = ()
    """Empty: always applies."""
    if_unmet: IfUnmet = IfUnmet.HOLD
    waived_by: tuple[RoleId, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DueIn:
    """A length of time, or one per level of a criterion (e.g. risk); `otherwise` when no level is known."""

    otherwise: Within
    criterion: str | None = None
    by_level: Mapping[str, Within] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FollowUpTask:
    """The template of a follow-up."""

    id: TaskId
    title: str
    ask: str
    """What the owner is asked to do, one or two plain sentences."""
    owner: RoleId
    accept_within: Within
    due_in: DueIn
    clock: str = "start"
    """`start` = the enrolment's clock; `stage` = entry of its stage; `opened` = when the Task was opened."""
    priority: Priority = Priority.ROUTINE
    opens_when: Needs = ()
    """Empty: as soon as its stage is reached."""
    opens_after: Within | None = None
    done_when: Needs = ()
    records: tuple[FieldId, ...] = ()
    """Required fields the owner is asked to record as Task.output."""
    attempts: int = 1
    """How many failed attempts are tried again before the person counts as unreachable."""
    attempt_every: Within | None = None
    escalation: LadderId | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A phase of the pathway."""

    id: StageId
    title: str
    enter: Needs = ()
    """Empty: entered at enrolment (only the first stage)."""
    tasks: tuple[FollowUpTask, ...] = ()
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class LadderRung:
    """One rung: how long after the missed time, who is told, and what is asked."""

    after: Within
    notify: RoleId
    reassign: bool = False
    """True: the follow-up itself moves to the holder of `notify`."""
    priority: Priority
    plan: tuple[str, ...] = ()
    """Interim support actions, in words that go into the escalation CarePlan."""
    respond_within: Within


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Rungs rise by time until somebody acknowledges."""

    id: LadderId
    title: str
    rungs: tuple[LadderRung, ...]
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A governance measure over enrolments; local, never a certified quality measure."""

    id: MeasureId
    title: str
    denominator: Needs = ()
    """Empty: every enrolment."""
    exclusion: Needs = ()
    numerator: Needs = ()
    within: Within | None = None
    """Counted from the enrolment's clock; None = at any time."""
    same_day_counts: bool = True
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """Levels decided from recorded values or evidence, e.g. risk: high, moderate, low. The newest evidence wins."""

    id: str
    levels: tuple[tuple[str, Needs], ...]


@dataclass(frozen=True, kw_only=True)
class Pathway:
    """A whole pathway file, checked."""

    id: PathwayId
    title: str
    version: str
    status: str
    lead: RoleId
    calendar: WorkingCalendar
    starts: tuple[Start, ...]
    stages: tuple[Stage, ...]
    required: tuple[RequiredField, ...] = ()
    gates: tuple[Gate, ...] = ()
    ladders: Mapping[LadderId, Ladder] = field(default_factory=dict)
    criteria: Mapping[str, Criterion] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    unowned: Ladder
    """The ladder used when nobody holds a role."""
    steward: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    role_titles: Mapping[RoleId, str] = field(default_factory=dict)
    resource_types: frozenset[str] = frozenset()
    """Every resource type whose presence this pathway asks about."""
