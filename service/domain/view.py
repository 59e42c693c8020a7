"""One enrolment seen together with the evidence about it: answers whether, and since when, a need is fulfilled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from service.domain.answers import times_of
from service.domain.due import Within, due_at
from service.domain.enrolment import Enrolment, StageEntry
from service.domain.evidence import (
    CapacitySeen,
    EscalationSeen,
    Fact,
    FollowUp,
    PersonRecord,
    PlaceSeen,
    Recorded,
    RungSeen,
    Situation,
    Waived,
)
from service.domain.follow_up_task import FollowUpTask
from service.domain.needs import InRecord, Needs
from service.domain.pathway import Pathway, Stage
from service.domain.rounds import Round, anew_at, rounds_of
from service.domain.vocabulary import CapacityId, FieldId, FollowUpStatus, Reference, TaskId

_Numbered = TypeVar("_Numbered", FollowUp, EscalationSeen)
Borrowed = Mapping[TaskId, tuple[FollowUp, ...]]


@dataclass(frozen=True, kw_only=True)
class ViewNotes:
    """What asking has brought up: when an answer will change by itself, and what would have to be read first."""

    lapses: set[datetime] = field(default_factory=set)
    unread: set[CapacityId] = field(default_factory=set)


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
    enrolments: tuple[Enrolment, ...] = ()
    """Every enrolment of the person, this one among them."""
    borrowed: Borrowed = field(default_factory=dict)
    """Follow-ups of other pathways that serve the purpose of one of this pathway, under the name it has here."""
    former_owners: Mapping[TaskId, Reference] = field(default_factory=dict)
    """Who had accepted it on another pathway that ended meanwhile, under the name it has here."""
    others_escalations: tuple[EscalationSeen, ...] = ()
    """Escalations of the person's other enrolments."""
    capacities: Mapping[CapacityId, CapacitySeen] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    """Follow-ups that another decision about this person changes just now."""
    since: datetime | None = None
    """When the stage that is looked at was entered again; None: it is the first passage."""
    window: Within | None = None
    """While a start is judged: how long ago something may have happened to count."""
    spoken: dict[int, tuple[Fact, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The facts that answered, by the need that was asked about."""
    answers: dict[int, tuple[Fact, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The same for views of one situation together, asked or not: the facts do not change while it is decided."""
    notes: ViewNotes = field(default_factory=ViewNotes, compare=False, repr=False)

    @property
    def now(self) -> datetime:
        return self.situation.now

    def due(self, start_at: datetime, within: Within) -> datetime:
        """When `within` ends on the pathway's calendar."""
        return due_at(start_at, within, self.pathway.calendar)

    @cached_property
    def whole(self) -> View:
        """The same without regard to a stage that was entered again."""
        return self if self.since is None else replace(self, since=None)

    def during(self, stage: Stage) -> View:
        """As it looks from a stage: once it was entered again, evidence from before says nothing."""
        if not self.pathway.repeats:
            return self
        anew = anew_at(self.pathway, self.history, self.pathway.positions[stage.id])
        since = anew[-1] if anew else None
        return self if since == self.since else replace(self, since=since)

    # --- needs ---

    def met_at(self, needs: Needs) -> datetime | None:
        """The earliest instant at which any of the needs was fulfilled; None when none is."""
        return min(self.times(needs), default=None)

    def latest_at(self, needs: Needs) -> datetime | None:
        """The newest evidence for any of the needs."""
        return max(self.times(needs), default=None)

    def is_met(self, needs: Needs) -> bool:
        return next(self.times(needs), None) is not None

    def times(self, needs: Needs) -> Iterator[datetime]:
        """Every instant at which one of the needs was fulfilled, in no particular order."""
        for need in needs:
            yield from times_of(self, need)

    def facts_for(self, need: InRecord) -> tuple[Fact, ...]:
        """The facts that fulfil a row about the record."""
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
        anytime = need.ever or need.windowed
        if not (anytime or happened_at >= self.situation.started_at):
            return False
        if not need.condition.holds(fact, self.situation):
            return False
        return self.window is None or anytime or self.due(happened_at, self.window) >= self.now

    def level(self, criterion: str) -> str | None:
        """The level of a criterion (e.g. risk) by its newest evidence; on a tie the level listed first."""
        found = self.level_since(criterion)
        return found[1] if found else None

    def level_since(self, criterion: str) -> tuple[datetime, str] | None:
        """(when its newest evidence came about, the level)."""
        levels = self.whole._levels  # noqa: SLF001  (the same object, or the same class)
        if criterion not in levels:
            levels[criterion] = self.whole._level_since(criterion)  # noqa: SLF001
        return levels[criterion]

    def _level_since(self, criterion: str) -> tuple[datetime, str] | None:
        best: tuple[datetime, str] | None = None
        for name, needs in self.pathway.criteria[criterion].levels:
            at = self.latest_at(needs)
            if at is not None and (best is None or at > best[0]):
                best = (at, name)
        return best

    @cached_property
    def _levels(self) -> dict[str, tuple[datetime, str] | None]:
        return {}

    # --- follow-ups ---

    def occurrences(self, task: TaskId) -> list[FollowUp]:
        """The follow-ups from one template, and others' that serve its purpose; oldest first."""
        return [*self._by_task.get(task, ())]

    def rounds(self, template: FollowUpTask) -> tuple[Round, ...]:
        """Each time that it was asked for; the current one last."""
        found = self._rounds.get(template.id)
        if found is None:
            found = self._rounds[template.id] = rounds_of(self, template)
        return found

    def current(self, template: FollowUpTask) -> Round:
        """The time of asking that is under way, or was the last."""
        return self.rounds(template)[-1]

    def attempts_with(self, follow_up: FollowUp) -> tuple[FollowUp, ...]:
        """The attempts of the same time of asking, in their order."""
        template = self.template(follow_up.task)
        for asked in self.rounds(template) if template else ():
            if any(each.identifier == follow_up.identifier for each in asked.occurrences):
                return asked.occurrences
        return (follow_up,)

    def done_at(self, template: FollowUpTask) -> datetime | None:
        """When the current time of asking was done: its Task completed, or the record shows it. None while it is not."""
        return self.current(template).done_at

    def is_own(self, follow_up: FollowUp) -> bool:
        """Asked for by this enrolment, not by another pathway for the same purpose."""
        return follow_up.identifier.startswith(f"{self.identifier}/")

    def next_occurrence(self, task: TaskId) -> int:
        """The number of the next Task from this template, from 1."""
        return 1 + max((f.occurrence for f in self.occurrences(task) if self.is_own(f)), default=0)

    def template(self, task: TaskId) -> FollowUpTask | None:
        found = self.pathway.templates.get(task)
        return found[1] if found else None

    def recorded(self, wanted: FieldId) -> list[Recorded]:
        """What owners recorded for a required field."""
        return [*self._recorded.get(wanted, ())]

    def waived(self, gate: str) -> list[Waived]:
        """Who waived a gate, first come first."""
        found = (w for w in self._waived if w.gate == gate and (self.since is None or w.at > self.since))
        return sorted(found, key=lambda w: w.at)

    def escalations_about(self, task: TaskId) -> Iterator[EscalationSeen]:
        """Escalations about a follow-up, also about another pathway's that serves its purpose."""
        yield from (e for e in self.escalations if e.task == task)
        shared = {f.identifier for f in self.borrowed.get(task, ())}
        yield from (e for e in self.others_escalations if e.identifier.rpartition("/")[0] in shared)

    # --- reserved places ---

    def capacity(self, capacity: CapacityId) -> CapacitySeen:
        """A capacity as it was read; asking for one that was not makes a note of it."""
        if capacity not in self.capacities:
            self.notes.unread.add(capacity)
        return self.capacities.get(capacity, CapacitySeen())

    def places_held(self, capacity: CapacityId) -> list[PlaceSeen]:
        """The places that this enrolment holds."""
        return [place for place in self.capacity(capacity).places if place.holder == self.identifier]

    @cached_property
    def _by_task(self) -> Mapping[TaskId, list[FollowUp]]:
        grouped: dict[TaskId, list[FollowUp]] = {}
        for follow_up in sorted(self.follow_ups, key=lambda f: f.occurrence):
            grouped.setdefault(follow_up.task, []).append(follow_up)
        for task, shared in self.borrowed.items():
            together = [*grouped.get(task, ()), *shared]
            grouped[task] = sorted(together, key=lambda f: (f.opened_at, f.occurrence, f.identifier))
        return grouped

    @cached_property
    def _rounds(self) -> dict[TaskId, tuple[Round, ...]]:
        return {}

    @cached_property
    def _recorded(self) -> Mapping[FieldId, list[Recorded]]:
        grouped: dict[FieldId, list[Recorded]] = {}
        shared = (f for follow_ups in self.borrowed.values() for f in follow_ups)
        for recorded in (r for answer in (*self._answers(), *shared) for r in answer.recorded):
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


def view_of(
    pathway: Pathway,
    identifier: str,
    situation: Situation,
    record: PersonRecord,
    history: tuple[StageEntry, ...],
    *,
    borrowed: Borrowed | None = None,
    window: Within | None = None,
) -> View:
    """Everything of the record that belongs to one enrolment."""
    prefix = f"{identifier}/"
    mine = [e for e in record.escalations if e.identifier.startswith(prefix)]
    return View(
        pathway=pathway,
        identifier=identifier,
        situation=replace(situation, others=record.facts_by_kind),
        facts=record.facts_by_kind,
        # In an order of our own: a search returns them in any, and a decision must replay to equality.
        follow_ups=_sorted(f for f in record.follow_ups if f.identifier.startswith(prefix)),
        escalations=_sorted(mine),
        history=history,
        enrolments=record.enrolments,
        borrowed=borrowed or {},
        others_escalations=tuple(e for e in record.escalations if e not in mine) if borrowed else (),
        capacities={name: seen for (owner, name), seen in record.capacities.items() if owner == pathway.id},
        window=window,
    )


def _sorted(found: Iterable[_Numbered]) -> tuple[_Numbered, ...]:
    return tuple(sorted(found, key=lambda each: (each.task, each.occurrence, each.identifier)))
