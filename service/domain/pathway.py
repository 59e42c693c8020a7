"""A care pathway as data: stages, gates, required fields, follow-up tasks, escalation ladders and measures.

Made by service.pathways from the YAML files; immutable; knows nothing of YAML or FHIR JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

from service.domain.due import Within, WorkingCalendar
from service.domain.evidence import Condition, Fact
from service.domain.follow_up_task import Choice, FollowUpTask
from service.domain.needs import InRecord, Needs, OnLevel, flat
from service.domain.vocabulary import (
    CapacityId,
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
class Start:
    """A change in the record that begins an enrolment."""

    title: str
    condition: Condition | None = None
    """What the change is; None when a `rule` over several resources says it."""
    rule: Needs = ()
    """Any of these, over the record of `within`; the enrolment is anchored on the newest resource that fulfilled it."""
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
class Stage:
    """A phase of the pathway."""

    id: StageId
    title: str
    enter: Needs = ()
    """Empty: entered at enrolment (only the first stage)."""
    tasks: tuple[FollowUpTask, ...] = ()
    final: bool = False
    repeats: bool = False
    """May be entered again, from a later stage, by newer evidence."""


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
    assurance: str = ""
    """How often the service looks at it together: `weekly`, `monthly`, or empty."""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """Levels decided from recorded values or evidence, e.g. risk: high, moderate, low. The newest evidence wins."""

    id: str
    levels: tuple[tuple[str, Needs], ...]


@dataclass(frozen=True, kw_only=True)
class Handover:
    """When the lead changes: `until` holds, and the follow-up `then` was accepted or completed; its owner leads."""

    until: Needs
    then: TaskId


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Reserved places that people wait for in a visible queue: by priority, then in the order of asking."""

    id: CapacityId
    title: str
    request: TaskId
    """Whoever has this follow-up open waits; its due time is the longest wait, its ladder says what follows."""
    service_types: tuple[tuple[str, str], ...]
    """(system, code) of Schedule.serviceType: whose Slots are the places."""
    count: int
    """How many places there are where the record holds no such Schedule."""
    why: str = ""


class Once(StrEnum):
    """How many enrolments one person may have on a pathway."""

    ANCHOR = "anchor"
    """One for each resource that begins it."""
    PERSON = "person"
    """One at a time; after its end only newer evidence begins another."""


@dataclass(frozen=True, kw_only=True)
class Pathway:
    """A whole pathway file, checked."""

    id: PathwayId
    title: str
    version: str
    status: str
    lead: RoleId
    lead_by: Choice[RoleId] | None = None
    """Where a criterion decides which role leads."""
    handover: Handover | None = None
    once: Once = Once.ANCHOR
    excludes: frozenset[PathwayId] = frozenset()
    """Does not begin with what happened while the person was on one of these."""
    supersedes: frozenset[PathwayId] = frozenset()
    """Beginning ends these, with the reason."""
    precedence: int = 0
    """Whose lead is the person's accountable lead when several pathways run: the highest."""
    capacities: Mapping[CapacityId, Capacity] = field(default_factory=dict)
    sender_of: Callable[[Fact], Reference | None] | None = field(default=None, compare=False, repr=False)
    """Who sent the resource that an enrolment is anchored on."""
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
    approved_on: date | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    role_titles: Mapping[RoleId, str] = field(default_factory=dict)
    resource_types: frozenset[str] = frozenset()
    """Every resource type whose presence this pathway asks about."""
    current: bool = True
    """False: an earlier version, kept for those who began with it; nobody begins with it any more."""

    @property
    def enrols(self) -> bool:
        """Whether people begin with this version."""
        return self.current and self.status == "active"

    @cached_property
    def positions(self) -> Mapping[StageId, int]:
        """The place of each stage in the order of the file, from 0."""
        return {stage.id: place for place, stage in enumerate(self.stages)}

    @cached_property
    def templates(self) -> Mapping[TaskId, tuple[Stage, FollowUpTask]]:
        """Each follow-up template with its stage."""
        return {task.id: (stage, task) for stage in self.stages for task in stage.tasks}

    @cached_property
    def repeats(self) -> bool:
        """Some stage may be entered again."""
        return any(stage.repeats for stage in self.stages)

    @cached_property
    def start_kinds(self) -> tuple[frozenset[str], ...]:
        """Of each start, the resource types without any of which nothing begins by it."""
        return tuple(
            frozenset(condition.kind for condition in begin_by(self, start)) for start in self.starts
        )


def begin_by(pathway: Pathway, start: Start) -> Iterator[Condition]:
    """What a change must fulfil for a start to be looked at: its own condition, or each of those that its rule is made of."""
    if start.condition is not None:
        yield start.condition
    for need in flat(start.rule):
        levels = pathway.criteria[need.criterion].levels if isinstance(need, OnLevel) else ()
        for each in (need, *(inside for _, needs in levels for inside in flat(needs))):
            if isinstance(each, InRecord):
                yield each.condition


def needs_while_enrolled(pathway: Pathway) -> Iterator[Needs]:
    """Every place of a pathway in which something is asked for while somebody is on it."""
    for stage in pathway.stages:
        yield stage.enter
        for task in stage.tasks:
            yield from (task.opens_when, task.done_when, task.again_while, task.not_needed_when)
            yield task.series.until if task.series else ()
    for gate in pathway.gates:
        yield from (gate.needs, gate.applies_when)
    for required in pathway.required:
        yield required.needs
    for criterion in pathway.criteria.values():
        yield from (needs for _, needs in criterion.levels)
    if pathway.handover is not None:
        yield pathway.handover.until


def needs_of_pathway(pathway: Pathway) -> Iterator[Needs]:
    """The same with what begins it and what is counted about it."""
    yield from (start.rule for start in pathway.starts)
    yield from needs_while_enrolled(pathway)
    for measure in pathway.measures:
        yield from (measure.denominator, measure.exclusion, measure.numerator)
