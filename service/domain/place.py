"""Where the person is on the pathway: stages by evidence, gates that hold a stage, required fields that are missing.

A gate holds the stage, never the care: `reached` says how far the evidence goes and decides which follow-ups open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.enrolment import StageEntry, Variance
from service.domain.needs import OnField
from service.domain.pathway import Gate, IfUnmet, Pathway, Stage
from service.domain.view import View
from service.domain.vocabulary import FieldId, GateId, StageId, VarianceKind


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The result of placing one enrolment."""

    history: tuple[StageEntry, ...]
    reached: StageId
    unmet_gates: tuple[GateId, ...]
    """Every applicable gate before a later stage that is not fulfilled yet."""
    holding: tuple[GateId, ...]
    """Those of them that hold the person back right now."""
    missing: tuple[FieldId, ...]
    variances: tuple[Variance, ...]

    @property
    def stage(self) -> StageId:
        return self.history[-1].stage


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One attempt to move on: the entries it made and the gates that spoke."""

    entry: StageEntry | None
    holding: tuple[GateId, ...] = ()
    variances: tuple[Variance, ...] = ()


def place(view: View) -> Placement:
    """Move through the stages as far as evidence and gates allow, starting from `view.history`."""
    holding: list[GateId] = []
    variances: list[Variance] = []
    view = _entered_again(view)
    for target in _stages_after(view):
        if _is_final(view.pathway, view.history[-1].stage):
            break
        step = _try_to_enter(view, target)
        holding.extend(gate for gate in step.holding if gate not in holding)
        variances.extend(step.variances)
        if step.entry is not None:
            view = replace(view, history=(*view.history, step.entry))
    return Placement(
        history=view.history,
        reached=_reached(view),
        unmet_gates=tuple(gate.id for gate in _gates_ahead(view) if not _fulfilled_at(view, gate)),
        holding=tuple(holding),
        missing=missing_fields(view),
        variances=tuple(variances),
    )


def missing_fields(view: View) -> tuple[FieldId, ...]:
    """Required fields of which the record says nothing yet, in the order of the pathway file."""
    return tuple(f.id for f in view.pathway.required if not view.whole.is_met((OnField(field=f.id),)))


def stage_named(pathway: Pathway, stage: StageId) -> Stage:
    return pathway.stages[pathway.positions[stage]]


def position(pathway: Pathway, stage: StageId) -> int:
    """The place of a stage in the order of the file, from 0."""
    return pathway.positions[stage]


def _entered_again(view: View) -> View:
    """Back to a stage that repeats, when newer evidence asks for it; then only what comes after that counts on the way.

    Of stages that repeat one after the other, the first is where another passage begins.
    """
    pathway = view.pathway
    here = position(pathway, view.history[-1].stage)
    view = _during(view)
    for place, stage in enumerate(pathway.stages[:here] if pathway.repeats else ()):
        if not stage.repeats or (place and pathway.stages[place - 1].repeats) or pathway.stages[here].final:
            continue
        left_at = view.history[-1].entered_at
        newer = [at for at in replace(view, since=left_at).times(stage.enter) if at > left_at]
        if newer:
            entry = StageEntry(stage=stage.id, entered_at=min(newer))
            return _during(replace(view, history=(*view.history, entry)))
    return view


def _during(view: View) -> View:
    return view.during(stage_named(view.pathway, view.history[-1].stage))


def _is_final(pathway: Pathway, stage: StageId) -> bool:
    return stage_named(pathway, stage).final


def _stages_after(view: View) -> Iterator[Stage]:
    yield from view.pathway.stages[position(view.pathway, view.history[-1].stage) + 1 :]


def _reached(view: View) -> StageId:
    """The furthest stage whose evidence is there, gates aside."""
    ahead = [stage for stage in _stages_after(view) if view.is_met(stage.enter)]
    return ahead[-1].id if ahead else view.history[-1].stage


def _try_to_enter(view: View, target: Stage) -> _Step:
    reached_at = view.met_at(target.enter)
    if reached_at is None:
        return _Step(entry=None)
    times = [reached_at, view.history[-1].entered_at]
    variances: list[Variance] = []
    holding: list[GateId] = []
    for gate in _gates_between(view, target):
        fulfilled_at = _fulfilled_at(view, gate)
        if fulfilled_at is not None:
            times.append(fulfilled_at)
            variances.extend(_waivers(view, gate))
        elif _holds(gate, target):
            holding.append(gate.id)
        else:
            variances.append(_unmet(gate, reached_at))
    if holding:
        return _Step(entry=None, holding=tuple(holding))
    return _Step(entry=StageEntry(stage=target.id, entered_at=max(times)), variances=tuple(variances))


def _holds(gate: Gate, target: Stage) -> bool:
    # An end that has come about in the world is placed where it is; gates of stages skipped on the way to it become
    # variances. Only a gate that names the end itself keeps it closed.
    skipped_on_the_way_to_an_end = target.final and gate.before != target.id
    return gate.if_unmet is IfUnmet.HOLD and not skipped_on_the_way_to_an_end


def _gates_between(view: View, target: Stage) -> list[Gate]:
    """Applicable gates before `target` or before a stage that is skipped on the way to it."""
    here = position(view.pathway, view.history[-1].stage)
    skipped = {s.id for s in view.pathway.stages[here + 1 : position(view.pathway, target.id)] if not s.final}
    return [gate for gate in _applicable(view) if gate.before == target.id or gate.before in skipped]


def _gates_ahead(view: View) -> list[Gate]:
    ahead = {stage.id for stage in _stages_after(view)}
    return [gate for gate in _applicable(view) if gate.before in ahead]


def _applicable(view: View) -> Iterable[Gate]:
    whole = view.whole
    return (gate for gate in view.pathway.gates if not gate.applies_when or whole.is_met(gate.applies_when))


def _fulfilled_at(view: View, gate: Gate) -> datetime | None:
    times = [waived.at for waived in view.waived(gate.id) if not waived.roles.isdisjoint(gate.waived_by)]
    met_at = view.met_at(gate.needs)
    return min([*times, met_at] if met_at else times, default=None)


def _waivers(view: View, gate: Gate) -> Iterator[Variance]:
    if view.is_met(gate.needs):
        return
    for waived in view.waived(gate.id):
        if not waived.roles.isdisjoint(gate.waived_by):
            reason = waived.reason or "no reason was given"
            yield Variance(kind=VarianceKind.GATE_WAIVED, subject=gate.id, at=waived.at, reason=reason)
            return


def _unmet(gate: Gate, at: datetime) -> Variance:
    return Variance(
        kind=VarianceKind.GATE_UNMET,
        subject=gate.id,
        at=at,
        reason=f"{gate.title}: not yet in the record when the next stage came about",
    )
