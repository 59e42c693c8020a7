"""What the domain wants written to the record; returned by `decide`, carried out by write-back alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.enrolment import Enrolment
from service.domain.evidence import FollowUp, Holder
from service.domain.follow_up_task import FollowUpTask
from service.domain.vocabulary import (
    CapacityId,
    Cause,
    FollowUpStatus,
    PlanStatus,
    Priority,
    Reference,
    RoleId,
    TaskId,
)


@dataclass(frozen=True, kw_only=True)
class OpenFollowUp:
    """Create a follow-up Task with a named owner and two clocks."""

    identifier: str
    task: FollowUpTask
    occurrence: int
    owner: Holder
    owner_found_by: str
    """How the owner was found: explicit, care-team, practitioner-role, accountable, reassigned."""
    owner_role_title: str
    opened_at: datetime
    accept_by: datetime
    complete_by: datetime
    priority: Priority
    timeliness: str
    because: str
    """The rule that asked for it, in words."""

    @property
    def follow_up(self) -> FollowUp:
        """As it will read on the record."""
        return FollowUp(
            identifier=self.identifier,
            task=self.task.id,
            occurrence=self.occurrence,
            reference=None,
            version="",
            status=FollowUpStatus.REQUESTED,
            owner=self.owner.reference,
            opened_at=self.opened_at,
            changed_at=self.opened_at,
            accept_by=self.accept_by,
            complete_by=self.complete_by,
            priority=self.priority,
            timeliness=self.timeliness,
        )


@dataclass(frozen=True, kw_only=True)
class ChangeFollowUp:
    """Change an existing Task; None leaves an element as it is. Fenced by `version`."""

    identifier: str
    reference: Reference
    version: str
    status: FollowUpStatus | None = None
    owner: Holder | None = None
    complete_by: datetime | None = None
    priority: Priority | None = None
    timeliness: str | None = None
    found: Reference | None = None
    """Evidence that completed it, for Task.output."""
    because: str
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class RaiseRung:
    """Tell somebody and ask them to act: a Communication and a response Task for one rung of an escalation."""

    escalation: str
    """Identifier of the escalation: `<pathway>/<anchor>/<task>/<occurrence>/<cause>`"""
    number: int
    recipient: Holder
    recipient_role: RoleId
    priority: Priority
    raised_at: datetime
    respond_by: datetime
    why: str
    asked: str
    write_task: bool = True
    """False when the response Task is already on the record and only its Communication is missing."""


@dataclass(frozen=True, kw_only=True)
class KeepEscalation:
    """The escalation CarePlan as it should be: created when `reference` is None, else updated, fenced by `version`."""

    identifier: str
    reference: Reference | None
    version: str
    status: PlanStatus
    task: TaskId
    task_title: str
    about: str
    """Identifier of the follow-up concerned."""
    cause: Cause
    missed_at: datetime
    priority: Priority
    support: tuple[str, ...]
    """Interim support actions."""
    rungs: int
    """How many rungs are raised."""
    addressed_to: tuple[Holder, ...]
    respond_by: datetime | None
    because: str
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class TakePlace:
    """Give a free reserved place (Slot) to an enrolment; fenced by `version`, so that nobody else gets it too."""

    capacity: CapacityId
    reference: Reference
    version: str
    holder: str
    """Identifier of the enrolment."""
    taken_at: datetime


@dataclass(frozen=True, kw_only=True)
class FreePlace:
    """Give a reserved place back, so that the next in the queue can have it; fenced by `version`."""

    capacity: CapacityId
    reference: Reference
    version: str


@dataclass(frozen=True, kw_only=True)
class TellHolder:
    """Tell whoever held open work that it is cancelled, and why: a Communication about the Task."""

    about: str
    """Identifier of the follow-up, or of the response Task of an escalation."""
    title: str
    holder: Holder
    because: str
    told_at: datetime


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The result of deciding once about one enrolment; replays to equality from the same evidence and instant."""

    enrolment: Enrolment
    """As it should be."""
    write_enrolment: bool
    """False when the CarePlan on the record already says so and nothing else is to be written."""
    open: tuple[OpenFollowUp, ...] = ()
    changes: tuple[ChangeFollowUp, ...] = ()
    escalations: tuple[KeepEscalation, ...] = ()
    rungs: tuple[RaiseRung, ...] = ()
    taken: tuple[TakePlace, ...] = ()
    freed: tuple[FreePlace, ...] = ()
    unread: frozenset[CapacityId] = frozenset()
    """Reserved capacities of this pathway that were asked about and have not been read; decide again with them."""
    told: tuple[TellHolder, ...] = ()
    next_due_at: datetime | None = None
    seen: tuple[tuple[Reference, str], ...] = ()
    """(reference, version) of every resource that spoke."""
    rules: tuple[str, ...] = ()
    """Which rules spoke, in words; goes into Provenance and the narrative."""

    @property
    def is_settled(self) -> bool:
        """Nothing to write: the record already says what should be."""
        places = self.taken or self.freed
        work = self.open or self.changes or self.escalations or self.rungs or self.told
        return not (self.write_enrolment or work or places)
