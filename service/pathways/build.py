"""A checked pathway file becomes the domain's Pathway. Called only when the file has no errors."""

from __future__ import annotations

from collections.abc import Iterator

from service.domain.follow_up_task import DueIn, FollowUpTask
from service.domain.needs import InRecord, Needs
from service.domain.pathway import (
    Criterion,
    Gate,
    IfUnmet,
    Ladder,
    LadderRung,
    Measure,
    Pathway,
    RequiredField,
    Stage,
)
from service.domain.vocabulary import (
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
from service.pathways.conditions import Conditions, anchor_kinds
from service.pathways.schema import (
    DuePart,
    GatePart,
    LadderPart,
    MeasurePart,
    PathwayFile,
    RequiredPart,
    RungPart,
    StagePart,
    TaskPart,
)
from service.pathways.site_files import Shared
from service.ports import PathCompiler

UNOWNED = LadderId("unowned")


def build(read: PathwayFile, shared: Shared, compiler: PathCompiler) -> Pathway:
    """The pathway as the domain decides with it."""
    conditions = Conditions(compiler, shared, anchor_kinds(read.starts))
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
    asked = [c for start in starts for c in (start.condition, *start.unless, *start.also)]
    asked += [start.clock_of for start in starts if start.clock_of is not None]
    for needs in _all_needs(stages, required, gates, measures, tuple(criteria.values())):
        asked += [need.condition for need in needs if isinstance(need, InRecord)]
    kinds = {kind for condition in asked for kind in (condition.kind, *condition.looks_at)}
    return Pathway(
        id=PathwayId(read.pathway),
        title=read.title,
        version=read.version,
        status=read.status,
        lead=RoleId(read.lead),
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
        sources=dict(read.governance.sources),
        role_titles={role.id: role.title for role in shared.roles.values()},
        resource_types=frozenset(kinds),
    )


def _all_needs(
    stages: tuple[Stage, ...],
    required: tuple[RequiredField, ...],
    gates: tuple[Gate, ...],
    measures: tuple[Measure, ...],
    criteria: tuple[Criterion, ...],
) -> Iterator[Needs]:
    for stage in stages:
        yield stage.enter
        for task in stage.tasks:
            yield from (task.opens_when, task.done_when)
    for one in required:
        yield one.needs
    for gate in gates:
        yield from (gate.needs, gate.applies_when)
    for measure in measures:
        yield from (measure.denominator, measure.exclusion, measure.numerator)
    for criterion in criteria:
        yield from (needs for _, needs in criterion.levels)


def _stage(part: StagePart, conditions: Conditions) -> Stage:
    return Stage(
        id=StageId(part.id),
        title=part.title,
        enter=conditions.needs(part.enter),
        tasks=tuple(_task(task, conditions) for task in part.tasks),
        final=part.final,
    )


def _task(part: TaskPart, conditions: Conditions) -> FollowUpTask:
    return FollowUpTask(
        id=TaskId(part.id),
        title=part.title,
        ask=part.ask,
        owner=RoleId(part.owner),
        accept_within=part.accept_within,
        due_in=_due_in(part),
        clock=part.clock,
        priority=Priority(part.priority),
        opens_when=conditions.needs(part.opens_when),
        opens_after=part.opens_after,
        done_when=conditions.needs(part.done_when),
        records=tuple(FieldId(name) for name in part.records),
        attempts=part.attempts.count if part.attempts else 1,
        attempt_every=part.attempts.every if part.attempts else None,
        escalation=LadderId(part.escalation) if part.escalation else None,
        why=part.why,
    )


def _due_in(part: TaskPart) -> DueIn:
    if isinstance(part.due_in, DuePart):
        return DueIn(
            otherwise=part.due_in.otherwise, criterion=part.due_in.by, by_level=dict(part.due_in.levels)
        )
    return DueIn(otherwise=part.due_in)


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
        why=part.why,
    )
