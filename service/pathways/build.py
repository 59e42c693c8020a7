"""A checked pathway file becomes the domain's Pathway. Called only when the file has no errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from service.domain.due import Within
from service.domain.follow_up_task import Choice, FollowUpTask, Option, Series
from service.domain.needs import InRecord, flat
from service.domain.pathway import (
    Capacity,
    Criterion,
    Gate,
    Handover,
    IfUnmet,
    Ladder,
    LadderRung,
    Measure,
    Once,
    Pathway,
    RequiredField,
    Stage,
    needs_of_pathway,
)
from service.domain.vocabulary import (
    CapacityId,
    FieldId,
    GateId,
    LadderId,
    MeasureId,
    PathwayId,
    Priority,
    RoleId,
    StageId,
    TaskId,
)
from service.pathways.choices import ByLevel, HandoverPart
from service.pathways.conditions import Conditions, anchor_kinds
from service.pathways.schema import (
    CapacityPart,
    GatePart,
    LadderPart,
    MeasurePart,
    PathwayFile,
    RequiredPart,
    RungPart,
    SeriesPart,
    StagePart,
    TaskPart,
)
from service.pathways.site_files import Shared
from service.ports import PathCompiler

UNOWNED = LadderId("unowned")


def build(read: PathwayFile, shared: Shared, compiler: PathCompiler) -> Pathway:
    """The pathway as the domain decides with it."""
    dataset = tuple(FieldId(part.id) for part in read.required if not part.where_available)
    conditions = Conditions(compiler, shared, anchor_kinds(read.starts), dataset)
    ladders = {LadderId(name): _ladder(name, part) for name, part in read.escalations.items()}
    starts = tuple(conditions.start(part) for part in read.starts)
    stages = tuple(_stage(part, conditions) for part in read.stages)
    required = tuple(_required(part, conditions) for part in read.required)
    gates = tuple(_gate(part, conditions) for part in read.gates)
    measures = tuple(_measure(part, conditions) for part in read.measures)
    criteria = {
        name: Criterion(
            id=name, levels=tuple((level, conditions.needs(rows)) for level, rows in levels.items())
        )
        for name, levels in read.criteria.items()
    }
    lead, lead_by = _lead(read.lead)
    pathway = Pathway(
        id=PathwayId(read.pathway),
        title=read.title,
        version=read.version,
        status=read.status,
        lead=lead,
        lead_by=lead_by,
        handover=_handover(read.lead, conditions),
        once=Once(read.once),
        excludes=frozenset(PathwayId(name) for name in read.excludes),
        supersedes=frozenset(PathwayId(name) for name in read.supersedes),
        precedence=read.precedence or 0,
        capacities={CapacityId(name): _capacity(name, part, shared) for name, part in read.capacity.items()},
        sender_of=conditions.sender(),
        calendar=shared.calendars[read.calendar],
        starts=starts,
        stages=stages,
        required=required,
        gates=gates,
        ladders=ladders,
        criteria=criteria,
        measures=measures,
        unowned=ladders[UNOWNED],
        steward=read.governance.steward,
        approved_on=read.governance.approved_on,
        sources=dict(read.governance.sources),
        role_titles={role.id: role.title for role in shared.roles.values()},
    )
    return _with_types(pathway)


def _with_types(pathway: Pathway) -> Pathway:
    """The pathway with every resource type that it asks about."""
    asked = [
        need.condition
        for needs in needs_of_pathway(pathway)
        for need in flat(needs)
        if isinstance(need, InRecord)
    ]
    for start in pathway.starts:
        asked += [start.condition] if start.condition else []
        asked += [*start.unless, *start.also, *([start.clock_of] if start.clock_of else [])]
    kinds = {kind for condition in asked for kind in (condition.kind, *condition.looks_at)}
    return replace(pathway, resource_types=frozenset(kinds))


def _lead(part: Any) -> tuple[RoleId, Choice[RoleId] | None]:
    role = part.role if isinstance(part, HandoverPart) else part
    choice = _choice(role, RoleId)
    return choice.otherwise, (choice if choice.criterion else None)


def _handover(part: Any, conditions: Conditions) -> Handover | None:
    if not isinstance(part, HandoverPart):
        return None
    return Handover(until=conditions.needs(part.until), then=TaskId(part.then.task))


def _choice(part: Any, meaning: Callable[[Any], Option]) -> Choice[Option]:
    """One thing, or one for each level."""
    if not isinstance(part, ByLevel):
        return Choice(otherwise=meaning(part))
    by_level = {level: meaning(value) for level, value in part.levels.items()}
    return Choice(otherwise=meaning(part.otherwise), criterion=part.by, by_level=by_level)  # type: ignore[attr-defined]


def _by_level(choice: Choice[Option]) -> Choice[Option] | None:
    return choice if choice.criterion else None


def _capacity(name: str, part: CapacityPart, shared: Shared) -> Capacity:
    includes = shared.terminology.matchers[part.schedules].composition.include
    return Capacity(
        id=CapacityId(name),
        title=part.title,
        request=TaskId(part.request),
        service_types=tuple((i.system or "", code) for i in includes for code in sorted(i.codes)),
        count=part.count,
        why=part.why,
    )


def _stage(part: StagePart, conditions: Conditions) -> Stage:
    return Stage(
        id=StageId(part.id),
        title=part.title,
        enter=conditions.needs(part.enter),
        tasks=tuple(_task(task, conditions) for task in part.tasks),
        final=part.final,
        repeats=part.repeats,
    )


def _task(part: TaskPart, conditions: Conditions) -> FollowUpTask:
    owner = _choice(part.owner or part.asks, RoleId)
    accept_within: Choice[Within] = _choice(part.accept_within, _as_it_is)
    priority = _choice(part.priority, Priority)
    return FollowUpTask(
        id=TaskId(part.id),
        title=part.title,
        ask=part.ask,
        owner=owner.otherwise,
        owner_by=_by_level(owner),
        accept_within=accept_within.otherwise,
        accept_within_by=_by_level(accept_within),
        due_in=_choice(part.due_in, _as_it_is),
        clock=part.clock,
        priority=priority.otherwise,
        priority_by=_by_level(priority),
        asks_sender=part.asks is not None,
        series=_series(part, conditions),
        again_while=conditions.needs(part.again_while),
        not_needed_when=conditions.needs(part.not_needed_when),
        purpose=part.purpose or "",
        opens_when=conditions.needs(part.opens_when),
        opens_after=part.opens_after,
        done_when=conditions.needs(part.done_when),
        records=tuple(FieldId(name) for name in part.records),
        attempts=part.attempts.count if part.attempts else 1,
        attempt_every=part.attempts.every if part.attempts else None,
        escalation=LadderId(part.escalation) if part.escalation else None,
        why=part.why,
    )


def _as_it_is(value: Any) -> Any:
    return value


def _series(part: TaskPart, conditions: Conditions) -> Series | None:
    if part.series is None:
        return None
    if isinstance(part.series, SeriesPart):
        return Series(every=part.series.every, until=conditions.needs(part.series.until))
    return Series(steps=tuple(part.series))


def _required(part: RequiredPart, conditions: Conditions) -> RequiredField:
    return RequiredField(
        id=FieldId(part.id),
        title=part.title,
        needs=conditions.needs(part.needs),
        ask=RoleId(part.ask),
        where_available=part.where_available,
        why=part.why,
    )


def _gate(part: GatePart, conditions: Conditions) -> Gate:
    return Gate(
        id=GateId(part.id),
        title=part.title,
        before=StageId(part.before),
        needs=conditions.needs(part.needs),
        applies_when=conditions.needs(part.applies_when),
        if_unmet=IfUnmet(part.if_unmet),
        waived_by=tuple(RoleId(name) for name in part.waived_by),
        why=part.why,
    )


def _ladder(name: str, part: LadderPart) -> Ladder:
    return Ladder(
        id=LadderId(name), title=part.title, rungs=tuple(_rung(rung) for rung in part.rungs), why=part.why
    )


def _rung(part: RungPart) -> LadderRung:
    return LadderRung(
        after=part.after,
        notify=RoleId(part.reassign_to or part.notify or ""),
        reassign=part.reassign_to is not None,
        priority=Priority(part.priority),
        plan=tuple(part.plan),
        respond_within=part.respond_within,
    )


def _measure(part: MeasurePart, conditions: Conditions) -> Measure:
    return Measure(
        id=MeasureId(part.id),
        title=part.title,
        denominator=conditions.needs(part.denominator),
        exclusion=conditions.needs(part.exclusion),
        numerator=conditions.needs(part.numerator),
        within=part.within,
        same_day_counts=part.same_day == "counts",
        assurance=part.assurance or "",
        why=part.why,
    )
