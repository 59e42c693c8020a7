"""One enrolment seen together with the evidence about it: answers whether, and since when, a need is fulfilled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from service.domain.due import Within, due_at
from service.domain.enrolment import StageEntry
from service.domain.evidence import (
    EscalationSeen,
    Fact,
    FollowUp,
    PersonRecord,
    Recorded,
    RungSeen,
    Situation,
    Waived,
)
from service.domain.pathway import (
    EscalationState,
    FollowUpTask,
    InRecord,
    Need,
    Needs,
    OnEscalation,
    OnField,
    OnStage,
    OnTask,
    Pathway,
    TaskState,
)
from service.domain.vocabulary import ACKNOWLEDGED, FieldId, FollowUpStatus, TaskId

_Numbered = TypeVar("_Numbered", FollowUp, EscalationSeen)


@dataclass(frozen=True, kw_only=True)
class View:
    """What `place`, `plan` and `escalate` look at. Made once per decision; the cache only remembers answers."""

    pathway: Pathway
    identifier: str
    situation: Situation
    facts: Mapping[str, tuple[Fact, ...]]
    follow_ups: tuple[FollowUp, ...]
    escalations: tuple[EscalationSeen, ...]
    history: tuple[StageEntry, ...]
    spoken: dict[int, tuple[Fact, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The facts that answered, by the need that was asked about."""
    answers: dict[int, tuple[Fact, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The same for views of one situation together, asked or not: the facts do not change while it is decided."""

    @property
    def now(self) -> datetime:
        return self.situation.now

    def due(self, start_at: datetime, within: Within) -> datetime:
        """When `within` ends on the pathway's calendar."""
        return due_at(start_at, within, self.pathway.calendar)

    # --- needs ---

    def met_at(self, needs: Needs) -> datetime | None:
        """The earliest instant at which any of the needs was fulfilled; None when none is."""
        return min(self.times(needs), default=None)

    def latest_at(self, needs: Needs) -> datetime | None:
        """The newest evidence for any of the needs."""
        return max(self.times(needs), default=None)

    def is_met(self, needs: Needs) -> bool:
        return next(self.times(needs), None) is not None

    def found(self, needs: Needs) -> Fact | None:
        """The earliest fact of the record that fulfils one of the needs."""
        facts = [fact for need in needs if isinstance(need, InRecord) for fact in self._facts(need)]
        return min(facts, key=lambda fact: (fact.happened_at, fact.reference), default=None)

    def times(self, needs: Needs) -> Iterator[datetime]:
        """Every instant at which one of the needs was fulfilled, in no particular order."""
        for need in needs:
            yield from _times_of(self, need)

    def _facts(self, need: InRecord) -> tuple[Fact, ...]:
        key = id(need)
        found = self.answers.get(key)
        if found is None:
            found = tuple(f for f in self.facts.get(need.condition.kind, ()) if self._counts(need, f))
            self.answers[key] = found
        self.spoken[key] = found
        return found

    def _counts(self, need: InRecord, fact: Fact) -> bool:
        happened_at = need.condition.at(fact)
        if fact.void or happened_at is None:
            return False
        if not (need.ever or happened_at >= self.situation.started_at):
            return False
        return need.condition.holds(fact, self.situation)

    # --- follow-ups ---

    def occurrences(self, task: TaskId) -> list[FollowUp]:
        """This pathway's follow-ups from one template, oldest first."""
        return [*self._by_task.get(task, ())]

    def done_at(self, task: FollowUpTask) -> datetime | None:
        """When the follow-up was done: its Task completed, or the record shows it. None while it is not."""
        times = [f.changed_at for f in self.occurrences(task.id) if f.status is FollowUpStatus.COMPLETED]
        seen = self.met_at(task.done_when)
        return min([*times, seen] if seen else times, default=None)

    def template(self, task: TaskId) -> FollowUpTask | None:
        return next((t for stage in self.pathway.stages for t in stage.tasks if t.id == task), None)

    def recorded(self, wanted: FieldId) -> list[Recorded]:
        """What owners recorded for a required field."""
        return [*self._recorded.get(wanted, ())]

    def waived(self, gate: str) -> list[Waived]:
        """Who waived a gate, first come first."""
        return sorted((w for w in self._waived if w.gate == gate), key=lambda w: w.at)

    @cached_property
    def _by_task(self) -> Mapping[TaskId, list[FollowUp]]:
        grouped: dict[TaskId, list[FollowUp]] = {}
        for follow_up in sorted(self.follow_ups, key=lambda f: f.occurrence):
            grouped.setdefault(follow_up.task, []).append(follow_up)
        return grouped

    @cached_property
    def _recorded(self) -> Mapping[FieldId, list[Recorded]]:
        grouped: dict[FieldId, list[Recorded]] = {}
        for recorded in (r for answer in self._answers() for r in answer.recorded):
            grouped.setdefault(recorded.field, []).append(recorded)
        return grouped

    @cached_property
    def _waived(self) -> list[Waived]:
        return [w for answer in self._answers() for w in answer.waived]

    def _answers(self) -> Iterator[FollowUp | RungSeen]:
        """Every Task whose owner may have recorded something: follow-ups and responses to escalations."""
        yield from (f for f in self.follow_ups if f.status is not FollowUpStatus.ENTERED_IN_ERROR)
        for escalation in self.escalations:
            yield from (r for r in escalation.rungs if r.status is not FollowUpStatus.ENTERED_IN_ERROR)

    def level(self, criterion: str) -> str | None:
        """The level of a criterion (e.g. risk) by its newest evidence; on a tie the level listed first."""
        best: tuple[datetime, str] | None = None
        for name, needs in self.pathway.criteria[criterion].levels:
            at = self.latest_at(needs)
            if at is not None and (best is None or at > best[0]):
                best = (at, name)
        return best[1] if best else None


def view_of(
    pathway: Pathway,
    identifier: str,
    situation: Situation,
    record: PersonRecord,
    history: tuple[StageEntry, ...],
) -> View:
    """Everything of the record that belongs to one enrolment."""
    prefix = f"{identifier}/"
    return View(
        pathway=pathway,
        identifier=identifier,
        situation=replace(situation, others=record.facts_by_kind),
        facts=record.facts_by_kind,
        # In an order of our own: a search returns them in any, and a decision must replay to equality.
        follow_ups=_sorted(f for f in record.follow_ups if f.identifier.startswith(prefix)),
        escalations=_sorted(e for e in record.escalations if e.identifier.startswith(prefix)),
        history=history,
    )


def _sorted(found: Iterable[_Numbered]) -> tuple[_Numbered, ...]:
    return tuple(sorted(found, key=lambda each: (each.task, each.occurrence, each.identifier)))


def _times_of(view: View, need: Need) -> Iterator[datetime]:
    match need:
        case InRecord():
            return _record_times(view, need)
        case OnField():
            return _field_times(view, need)
        case OnStage():
            return _stage_times(view, need)
        case OnEscalation():
            return _escalation_times(view, need)
        case OnTask():
            return _task_times(view, need)


def _record_times(view: View, need: InRecord) -> Iterator[datetime]:
    times = (need.condition.at(fact) for fact in view._facts(need))  # noqa: SLF001  (same room)
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
    for escalation in view.escalations:
        if escalation.task != need.task:
            continue
        for rung in escalation.rungs:
            if need.state is EscalationState.RAISED:
                yield rung.raised_at
            elif rung.status in ACKNOWLEDGED:
                yield rung.changed_at


def _task_times(view: View, need: OnTask) -> Iterator[datetime]:
    occurrences = view.occurrences(need.task)
    match need.state:
        case TaskState.OPENED:
            yield from (f.opened_at for f in occurrences)
        case TaskState.ACCEPTED:
            yield from (f.changed_at for f in occurrences if f.status in ACKNOWLEDGED)
        case TaskState.FAILED:
            yield from (f.changed_at for f in occurrences if f.status is FollowUpStatus.FAILED)
        case TaskState.COMPLETED:
            template = view.template(need.task)
            done = view.done_at(template) if template else None
            yield from [done] if done else []
        case TaskState.MISSED:
            yield from (at for at in misses_of(view, need.task) if at <= view.now)


def misses_of(view: View, task: TaskId) -> Iterator[datetime]:
    """When this follow-up was missed, or will be unless it is done by then."""
    template = view.template(task)
    done_at = view.done_at(template) if template else None
    for follow_up in view.occurrences(task):
        due = follow_up.complete_by
        if due is None or (done_at is not None and done_at <= due):
            continue
        given_up = follow_up.status is FollowUpStatus.CANCELLED and follow_up.changed_at <= due
        if not given_up and follow_up.status is not FollowUpStatus.ENTERED_IN_ERROR:
            yield due
