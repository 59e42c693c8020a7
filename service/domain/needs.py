"""What must be so before something follows: the rows of a pathway file as the domain asks them. Holds no answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from service.domain.due import Within
from service.domain.evidence import Condition
from service.domain.vocabulary import CapacityId, FieldId, PathwayId, StageId, TaskId


@dataclass(frozen=True, kw_only=True)
class InRecord:
    """A resource in the record fulfils this need."""

    condition: Condition
    ever: bool = False
    """False: only what happened since the enrolment began counts."""
    windowed: bool = False
    """A window around it says which count, also of those from before the enrolment."""


class TaskState(StrEnum):
    """What a follow-up must have come to."""

    OPENED = "opened"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"
    """Its complete-by time passed before it was completed."""
    SERIES_COMPLETED = "series-completed"
    """A series of contacts has come to its end."""


@dataclass(frozen=True, kw_only=True)
class OnTask:
    """One of this pathway's own follow-ups has come to a state, `times` times at least."""

    task: TaskId
    state: TaskState
    times: int = 1


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


@dataclass(frozen=True, kw_only=True)
class OnLevel:
    """A criterion stands at one of these levels now; met when the newest evidence for it came about."""

    criterion: str
    levels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AtLeast:
    """So many of these happened, within a window that ends now; met when the last of them that it takes happened.

    With a window, whatever lies in it counts, also from before the enrolment; without one the rows say since when.
    """

    count: int
    of: Needs
    within: Within | None = None


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Every one of these; met when the last of them was."""

    of: Needs


@dataclass(frozen=True, kw_only=True)
class NoneOf:
    """None of these holds now. It has no evidence of its own, so it counts from the beginning."""

    of: Needs


@dataclass(frozen=True, kw_only=True)
class FieldsMissing:
    """At least one of these required fields is not recorded."""

    fields: tuple[FieldId, ...]


@dataclass(frozen=True, kw_only=True)
class FieldsComplete:
    """All of these required fields are recorded; met when the last of them was."""

    fields: tuple[FieldId, ...]


class PlaceState(StrEnum):
    """What has become of a request for a reserved place."""

    REQUESTED = "requested"
    WAITING = "waiting"
    ALLOCATED = "allocated"


@dataclass(frozen=True, kw_only=True)
class OnPlace:
    """A place of a reserved capacity has been asked for, is waited for, or is held."""

    capacity: CapacityId
    state: PlaceState


class EnrolmentState(StrEnum):
    """What has become of an enrolment on another pathway."""

    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class OnPathway:
    """The same person is, or was, on another pathway."""

    pathway: PathwayId
    state: EnrolmentState


Need: TypeAlias = (
    InRecord
    | OnTask
    | OnField
    | OnStage
    | OnEscalation
    | OnLevel
    | AtLeast
    | AllOf
    | NoneOf
    | FieldsMissing
    | FieldsComplete
    | OnPlace
    | OnPathway
)
Needs: TypeAlias = tuple["Need", ...]
"""Any one of these is enough. The empty tuple is never fulfilled."""


def inner(need: Need) -> Needs:
    """The needs that a combined one is made of; empty for one that stands for itself."""
    return need.of if isinstance(need, AtLeast | AllOf | NoneOf) else ()


def flat(needs: Needs) -> Needs:
    """These needs and all that they are made of."""
    return tuple(each for need in needs for each in (need, *flat(inner(need))))
