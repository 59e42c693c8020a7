"""What the record says about one person, as facts with a time; the only thing decisions are made from.

The content of a fact is opaque here: only conditions, compiled from the pathway file, look inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from service.domain.vocabulary import (
    CapacityId,
    Cause,
    FieldId,
    FollowUpStatus,
    PathwayId,
    PlanStatus,
    Priority,
    Reference,
    RoleId,
    TaskId,
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One resource of the record: its type, reference, version, and when what it tells happened."""

    kind: str
    """FHIR resource type, e.g. `Encounter`."""
    reference: Reference
    version: str
    happened_at: datetime
    """From the resource itself (period, sent, effective, ...); the server's lastUpdated only where it says nothing."""
    time_assumed: bool = False
    """True when `happened_at` had to come from the server's lastUpdated."""
    void: bool = False
    """The record says it did not happen after all: entered in error, cancelled or not done. Counts for nothing."""
    content: Mapping[str, Any] = field(compare=False, repr=False)
    known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Answers about the content that were worked out already; many rows of many pathways ask the same."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a condition may know besides the fact itself."""

    now: datetime
    anchor: Reference
    started_at: datetime
    candidate: Fact | None = None
    """While a start or a linked row is judged: the fact the other one is linked to, for what it points to itself."""
    others: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict, compare=False, repr=False)
    """Every fact about the person by its kind, for rows that need another one."""

    @property
    def anchor_fact(self) -> Fact | None:
        """The resource the enrolment is anchored on, where the record still has it."""
        kind = self.anchor.partition("/")[0]
        return next((fact for fact in self.others.get(kind, ()) if fact.reference == self.anchor), None)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a row asks of a resource, part by part, for whoever must say it in another form than it was compiled to."""

    when: str = ""
    """FHIRPath over the resource."""
    coded: Mapping[str, str] = field(default_factory=dict)
    """Path of a coded element -> id of the value set."""
    linked_by: str = ""
    """Path of a Reference to the anchor (in `also`: to the resource above), or `self` or `other`."""
    pointed_to_by: str = ""
    """Path of the anchor (in `also`: of the resource above) that refers to this resource."""
    at_site: str = ""
    """The name of a list of places in the site's file."""
    happened_at: str = ""
    """Path to the time that counts, where it is not the usual one."""
    also: tuple[Condition, ...] = ()
    """Any one of these about another resource that is linked to this one."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One compiled row of a pathway file: which resources, and what must be true of them."""

    kind: str
    text: str
    """The row as the author wrote it, for explanations."""
    holds: Callable[[Fact, Situation], bool] = field(compare=False, repr=False)
    happened_at: Callable[[Fact], datetime | None] | None = field(default=None, compare=False, repr=False)
    """When what the row is about happened, where that is not `Fact.happened_at`; None: then the fact counts not at all."""
    looks_at: frozenset[str] = frozenset()
    """The other kinds of facts that the row asks about."""
    asked: Asked = field(default_factory=Asked, compare=False, repr=False)

    def at(self, fact: Fact) -> datetime | None:
        """When what this row is about happened."""
        return fact.happened_at if self.happened_at is None else self.happened_at(fact)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A named person who can own work: a Practitioner, or a PractitionerRole that has a practitioner."""

    reference: Reference
    """What goes into Task.owner: `Practitioner/x` or `PractitionerRole/y`."""
    practitioner: Reference
    display: str
    roles: frozenset[RoleId] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Who could own this person's follow-ups, in the order in which they are asked."""

    explicit: Mapping[RoleId, Holder] = field(default_factory=dict)
    """Named on the record for that role (e.g. ServiceRequest.performer)."""
    care_team: tuple[Holder, ...] = ()
    directory: tuple[Holder, ...] = ()
    """PractitionerRoles of the service, active and available."""
    accountable: Holder | None = None
    """The accountable person of the site; the last resort that is never empty in a working installation."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A value that somebody recorded for a required field, as Task.output coded with the field's id."""

    field: FieldId
    value: str
    """The code or the text; empty when only a reference was given."""
    at: datetime
    source: Reference


@dataclass(frozen=True, kw_only=True)
class Waived:
    """A gate that a named person waived with a reason (Task.output coded with the gate's id)."""

    gate: str
    reason: str
    by: Reference | None
    roles: frozenset[RoleId]
    """The roles that person holds on the roster."""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """A follow-up Task that exists on the record (or is about to: then `version` is empty)."""

    identifier: str
    """`<pathway>/<anchor>/<task>/<occurrence>`"""
    task: TaskId
    occurrence: int
    reference: Reference | None
    version: str
    status: FollowUpStatus
    owner: Reference | None
    opened_at: datetime
    changed_at: datetime
    """When the status last changed (our status-since mark if it is about this status, else Task.lastModified, else
    meta.lastUpdated)."""
    accept_by: datetime | None
    complete_by: datetime | None
    priority: Priority
    timeliness: str | None
    """Task.businessStatus code as read."""
    reason: str | None = None
    """Task.statusReason as read."""
    recorded: tuple[Recorded, ...] = ()
    waived: tuple[Waived, ...] = ()
    accepted_at: datetime | None = None
    """Since when its owner had accepted it, where this software cancelled it afterwards."""


@dataclass(frozen=True, kw_only=True)
class RungSeen:
    """One rung of an escalation that is already on the record: the response Task that asked somebody to act."""

    number: int
    reference: Reference | None
    version: str
    status: FollowUpStatus
    owner: Reference | None
    raised_at: datetime
    changed_at: datetime
    respond_by: datetime | None
    notice_exists: bool = True
    """False when the Communication of this rung is missing (a crash between two writes)."""
    recorded: tuple[Recorded, ...] = ()
    waived: tuple[Waived, ...] = ()
    reason: str | None = None
    """Task.statusReason as read."""
    accepted_at: datetime | None = None
    """Since when its owner had accepted it, where this software cancelled it afterwards."""


def highest(rungs: Iterable[RungSeen]) -> int:
    """The number of the highest rung; 0 for none. Not how many: a response Task may be deleted, or impossible to read."""
    return max((rung.number for rung in rungs), default=0)


@dataclass(frozen=True, kw_only=True)
class EscalationSeen:
    """An escalation on the record: its CarePlan (if written yet) and the rungs raised so far, in order."""

    identifier: str
    """`<pathway>/<anchor>/<task>/<occurrence>/<cause>`"""
    task: TaskId
    occurrence: int
    cause: Cause
    reference: Reference | None
    version: str
    status: PlanStatus
    missed_at: datetime
    """From when the rungs count."""
    rungs: tuple[RungSeen, ...] = ()
    listed: int = 0
    """How many response Tasks the CarePlan lists; fewer than `rungs` after a crash between two writes."""


@dataclass(frozen=True, kw_only=True)
class PlaceSeen:
    """A reserved place (Slot): free, or held by an enrolment since some instant."""

    reference: Reference
    version: str
    starts_at: datetime
    free: bool
    holder: str = ""
    """Identifier of the enrolment that holds it; empty when it is free or somebody else's system took it."""
    held_since: datetime | None = None
    standing: bool = False
    """One of the places that are kept by count: it can be given again once it is free."""


@dataclass(frozen=True, kw_only=True)
class WaitingSeen:
    """Somebody's open request for a place of this capacity."""

    enrolment: str
    priority: Priority
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class CapacitySeen:
    """A reserved capacity as the record shows it: its places, and who waits for one (this person among them)."""

    places: tuple[PlaceSeen, ...] = ()
    waiting: tuple[WaitingSeen, ...] = ()


CapacityKey = tuple[PathwayId, CapacityId]


@dataclass(frozen=True, kw_only=True)
class PersonRecord:
    """Everything read about one person for one reconcile."""

    person: Reference
    facts: tuple[Fact, ...] = ()
    enrolments: tuple[Any, ...] = ()
    """`Enrolment`s found on the record (all pathways, all statuses)."""
    follow_ups: tuple[FollowUp, ...] = ()
    escalations: tuple[EscalationSeen, ...] = ()
    roster: Roster = field(default_factory=Roster)
    capacities: Mapping[CapacityKey, CapacitySeen] = field(default_factory=dict)
    """Reserved capacities that were read for this decision; others have not been asked for."""
    deceased_at: datetime | None = None
    person_active: bool = True
    person_version: str = ""
    gone: frozenset[Reference] = frozenset()
    """Anchors of running enrolments that the server says were deleted."""
    broken: int = 0
    """How many resources of our own could not be understood: care that somebody must put right by hand."""
    unreadable: tuple[str, ...] = ()
    """What of the record could not be understood: one sentence each with the reference; shown, never skipped silently."""

    @cached_property
    def facts_by_kind(self) -> Mapping[str, tuple[Fact, ...]]:
        """Facts grouped by resource type, oldest first. Sorted once, however many pathways ask."""
        grouped: dict[str, list[Fact]] = {}
        for fact in sorted(self.facts, key=lambda fact: (fact.happened_at, fact.reference)):
            grouped.setdefault(fact.kind, []).append(fact)
        return {kind: tuple(of_kind) for kind, of_kind in grouped.items()}
