"""When each kind of need was fulfilled, asked of one view. One function per kind; none of them decides anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from service.domain.evidence import Fact, FollowUp
from service.domain.needs import (
    AllOf,
    AtLeast,
    EnrolmentState,
    EscalationState,
    FieldsComplete,
    FieldsMissing,
    InRecord,
    Need,
    Needs,
    NoneOf,
    OnEscalation,
    OnField,
    OnLevel,
    OnPathway,
    OnPlace,
    OnStage,
    OnTask,
    PlaceState,
    TaskState,
)
from service.domain.rounds import completions, misses_of, series_completed_at
from service.domain.standing import CUT_OFF
from service.domain.vocabulary import ACKNOWLEDGED, OPEN, RUNNING_PLAN, FollowUpStatus, Reference

if TYPE_CHECKING:
    from service.domain.view import View


def times_of(view: View, need: Need) -> Iterator[datetime]:
    """Every instant at which the need was fulfilled, in no particular order.

    Once a stage was entered again, what happened before says nothing about the passage that has begun (`view.since`).
    """
    times: Iterator[datetime] = _TIMES[type(need)](view, need)
    since = view.since
    if since is None or not _belongs_to_a_passage(need):
        return times
    return (at for at in times if at > since)


def _belongs_to_a_passage(need: Need) -> bool:
    if isinstance(need, InRecord):
        return not need.ever
    return isinstance(need, OnTask | OnField | OnStage | OnEscalation | OnLevel)


def facts_behind(view: View, needs: Needs) -> Iterator[Fact]:
    """The resources by which any of these needs that is fulfilled is fulfilled."""
    for need in needs:
        if next(times_of(view, need), None) is None:
            continue
        match need:
            case InRecord():
                yield from view.facts_for(need)
            case AtLeast() | AllOf():
                yield from facts_behind(view, need.of)
            case OnLevel():
                level = view.level(need.criterion)
                levels = dict(view.pathway.criteria[need.criterion].levels)
                yield from facts_behind(view, levels[level] if level else ())
            case _:
                continue


def _record_times(view: View, need: InRecord) -> Iterator[datetime]:
    times = (need.condition.at(fact) for fact in view.facts_for(need))
    return (at for at in times if at is not None)


def _field_times(view: View, need: OnField) -> Iterator[datetime]:
    says = {value.casefold() for value in need.says}
    for recorded in view.recorded(need.field):
        if not says or recorded.value.casefold() in says:
            yield recorded.at
    if not says:
        required = next((r for r in view.pathway.required if r.id == need.field), None)
        if required is not None:
            yield from view.times(required.needs)


def _stage_times(view: View, need: OnStage) -> Iterator[datetime]:
    return (entry.entered_at for entry in view.history if entry.stage == need.stage)


def _escalation_times(view: View, need: OnEscalation) -> Iterator[datetime]:
    for escalation in view.escalations_about(need.task):
        for rung in escalation.rungs:
            if need.state is EscalationState.RAISED:
                yield rung.raised_at
            elif rung.status in ACKNOWLEDGED:
                yield rung.changed_at
            elif rung.accepted_at is not None:
                yield rung.accepted_at


def _task_times(view: View, need: OnTask) -> Iterator[datetime]:
    times = _state_times(view, need)
    if need.times == 1:
        return times
    return iter(sorted(times)[need.times - 1 :])


def _state_times(view: View, need: OnTask) -> Iterator[datetime]:
    occurrences = view.occurrences(need.task)
    match need.state:
        case TaskState.OPENED:
            yield from (f.opened_at for f in occurrences)
        case TaskState.ACCEPTED:
            yield from (f.changed_at for f in occurrences if f.status in ACKNOWLEDGED)
            yield from _accepted_before_the_end(view, occurrences)
        case TaskState.FAILED:
            yield from (f.changed_at for f in occurrences if f.status is FollowUpStatus.FAILED)
        case TaskState.COMPLETED:
            yield from _completion_times(view, need)
        case TaskState.MISSED:
            yield from (at for at in misses_of(view, need.task) if at <= view.now)
        case TaskState.SERIES_COMPLETED:
            ended = series_completed_at(view, need.task)
            yield from [ended] if ended else []


def _accepted_before_the_end(view: View, occurrences: list[FollowUp]) -> Iterator[datetime]:
    """What was accepted, and cancelled only because the person has come to the end of the pathway.

    A crash in the middle of that closing must not unsay what brought it about.
    """
    ends = [f"{CUT_OFF}{stage.title}" for stage in view.pathway.stages if stage.final]
    for f in occurrences:
        if f.accepted_at is not None and any(end in (f.reason or "") for end in ends):
            yield f.accepted_at


def _completion_times(view: View, need: OnTask) -> Iterator[datetime]:
    template = view.template(need.task)
    if template is None:
        return
    if template.comes_again:
        yield from completions(view, need.task)
        return
    for asked in view.rounds(template):
        if asked.done_at is not None:
            yield asked.done_at


def _level_times(view: View, need: OnLevel) -> Iterator[datetime]:
    found = view.level_since(need.criterion)
    if found is not None and found[1] in need.levels:
        yield found[0]


def _at_least_times(view: View, need: AtLeast) -> Iterator[datetime]:
    happened = sorted(_each(view, need))
    if need.within is not None:
        ends = [(at, view.due(at, need.within)) for at in happened if at <= view.now]
        happened = [at for at, end in ends if end > view.now]
        if len(happened) >= need.count:
            # Without anything new it holds until the oldest that it needs leaves the window.
            view.notes.lapses.add(view.due(happened[-need.count], need.within))
    yield from happened[need.count - 1 :]


def _each(view: View, need: AtLeast) -> Iterator[datetime]:
    """When each of them happened: a resource once, however many rows it fits."""
    counted: set[Reference] = set()
    for row in need.of:
        if not isinstance(row, InRecord):
            yield from times_of(view, row)
            continue
        for fact in view.facts_for(row):
            at = row.condition.at(fact)
            late_enough = view.since is None or row.ever or (at is not None and at > view.since)
            if at is not None and late_enough and fact.reference not in counted:
                counted.add(fact.reference)
                yield at


def _all_times(view: View, need: AllOf) -> Iterator[datetime]:
    earliest, latest = [], []
    for row in need.of:
        times = list(times_of(view, row))
        if not times:
            return
        earliest.append(min(times))
        latest.append(max(times))
    # Once, where both are the same moment: whoever counts would count it twice.
    yield from {max(earliest), max(latest)}


def _none_times(view: View, need: NoneOf) -> Iterator[datetime]:
    if not view.is_met(need.of):
        yield view.situation.started_at


def _missing_times(view: View, need: FieldsMissing) -> Iterator[datetime]:
    if not all(view.whole.is_met((OnField(field=each),)) for each in need.fields):
        yield view.situation.started_at


def _complete_times(view: View, need: FieldsComplete) -> Iterator[datetime]:
    times = [view.whole.met_at((OnField(field=each),)) for each in need.fields]
    known = [at for at in times if at is not None]
    if len(known) == len(times):
        yield max(known, default=view.situation.started_at)


def _place_times(view: View, need: OnPlace) -> Iterator[datetime]:
    capacity = view.pathway.capacities[need.capacity]
    requests = view.occurrences(capacity.request)
    if need.state is PlaceState.REQUESTED:
        yield from (f.opened_at for f in requests)
        return
    held = [place.held_since or view.now for place in view.places_held(need.capacity)]
    if need.capacity not in view.capacities:
        # The places were not read, as for measures: a request that was completed is a place that was given.
        held = [f.changed_at for f in requests if f.status is FollowUpStatus.COMPLETED]
    if need.state is PlaceState.ALLOCATED:
        yield from held
    elif not held:
        yield from (f.opened_at for f in requests if f.status in OPEN)


def _pathway_times(view: View, need: OnPathway) -> Iterator[datetime]:
    for enrolment in view.enrolments:
        if enrolment.pathway != need.pathway:
            continue
        runs = enrolment.status in RUNNING_PLAN
        if runs and need.state is EnrolmentState.RUNNING:
            yield enrolment.started_at
        elif not runs and need.state is EnrolmentState.ENDED:
            yield enrolment.ended_at or enrolment.history[-1].entered_at


_TIMES: dict[type[Any], Callable[[Any, Any], Iterator[datetime]]] = {
    InRecord: _record_times,
    OnTask: _task_times,
    OnField: _field_times,
    OnStage: _stage_times,
    OnEscalation: _escalation_times,
    OnLevel: _level_times,
    AtLeast: _at_least_times,
    AllOf: _all_times,
    NoneOf: _none_times,
    FieldsMissing: _missing_times,
    FieldsComplete: _complete_times,
    OnPlace: _place_times,
    OnPathway: _pathway_times,
}
