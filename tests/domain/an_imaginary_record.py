"""A record that exists only in memory: what write-back followed by a new reading would give, purely.

`steps` cuts a Decision into its single writes in the order of write-back, so that a test may stop between any two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from service.domain.decide import decide_all
from service.domain.enrolment import Enrolment
from service.domain.evidence import EscalationSeen, Fact, FollowUp, PersonRecord, PlaceSeen, Roster, RungSeen
from service.domain.intents import (
    ChangeFollowUp,
    Decision,
    KeepEscalation,
    OpenFollowUp,
    RaiseRung,
    TellHolder,
)
from service.domain.pathway import Pathway
from service.domain.vocabulary import ACKNOWLEDGED, Cause, FollowUpStatus, PlanStatus, Reference, TaskId
from tests.domain.builders import ENROLMENT

Step = Callable[[PersonRecord], PersonRecord]


def apply(record: PersonRecord, decision: Decision) -> PersonRecord:
    """The record after the whole decision was written."""
    for step in steps(decision):
        record = step(record)
    return record


def steps(decision: Decision) -> list[Step]:
    """The single writes: a new enrolment first, an existing one last, as write-back does."""
    enrolment: list[Step] = [partial(_enrolled, decision.enrolment)] if decision.write_enrolment else []
    work = list(_work(decision))
    is_new = decision.enrolment.reference is None
    return [*enrolment, *work] if is_new else [*work, *enrolment]


def _work(decision: Decision) -> Iterator[Step]:
    for freed in decision.freed:
        yield partial(_place_changed, freed.reference, freed.version, "", None)
    for taken in decision.taken:
        yield partial(_place_changed, taken.reference, taken.version, taken.holder, taken.taken_at)
    for change in decision.changes:
        yield partial(_changed, change)
    for opened in decision.open:
        yield partial(_opened, opened)
    for plan in decision.escalations:
        yield partial(_kept, plan)
    for rung in decision.rungs:
        if rung.write_task:
            yield partial(_asked, rung)
        yield partial(_told, rung)
    for told in decision.told:
        yield partial(_told_of_cancelling, told)


def _place_changed(
    reference: Reference, fence: str, holder: str, since: datetime | None, record: PersonRecord
) -> PersonRecord:
    def edit(place: PlaceSeen) -> PlaceSeen:
        if place.reference != reference:
            return place
        assert place.version == fence, "a stale write must never get this far"
        version = next_version(place.version)
        return replace(place, holder=holder, held_since=since, free=not holder, version=version)

    capacities = {
        key: replace(seen, places=tuple(map(edit, seen.places))) for key, seen in record.capacities.items()
    }
    return replace(record, capacities=capacities)


def reference(kind: str, identifier: str) -> Reference:
    return Reference(f"{kind}/{identifier.replace('/', '.')}")


def next_version(version: str) -> str:
    return str(int(version or "0") + 1)


def _enrolled(wanted: Enrolment, record: PersonRecord) -> PersonRecord:
    others = [e for e in record.enrolments if e.identifier != wanted.identifier]
    known = next((e for e in record.enrolments if e.identifier == wanted.identifier), None)
    if wanted.reference is None and known is not None:
        return record  # a conditional create finds what is there
    written = replace(
        wanted, reference=reference("CarePlan", wanted.identifier), version=next_version(wanted.version)
    )
    return replace(record, enrolments=(*others, written))


def _opened(intent: OpenFollowUp, record: PersonRecord) -> PersonRecord:
    if any(f.identifier == intent.identifier for f in record.follow_ups):
        return record
    new = FollowUp(
        identifier=intent.identifier,
        task=intent.task.id,
        occurrence=intent.occurrence,
        reference=reference("Task", intent.identifier),
        version="1",
        status=FollowUpStatus.REQUESTED,
        owner=intent.owner.reference,
        opened_at=intent.opened_at,
        changed_at=intent.opened_at,
        accept_by=intent.accept_by,
        complete_by=intent.complete_by,
        priority=intent.priority,
        timeliness=intent.timeliness,
    )
    return replace(record, follow_ups=(*record.follow_ups, new))


def _changed(change: ChangeFollowUp, record: PersonRecord) -> PersonRecord:
    named: dict[str, Any] = {
        "complete_by": change.complete_by,
        "priority": change.priority,
        "timeliness": change.timeliness,
        "owner": change.owner.reference if change.owner else None,
    }
    if change.status is not None:
        named |= {"status": change.status, "reason": change.because}
    if change.status is not None or change.owner is not None:
        named["changed_at"] = change.changed_at  # a new owner begins the status anew
    if change.status is FollowUpStatus.CANCELLED:
        named["accepted_at"] = _accepted_at(record, change.identifier)
    named = {name: value for name, value in named.items() if value is not None}
    return edited(record, change.identifier, fence=change.version, **named)


def _accepted_at(record: PersonRecord, identifier: str) -> datetime | None:
    """When its owner had accepted what is being cancelled."""
    rungs = {f"{e.identifier}/{r.number}": r for e in record.escalations for r in e.rungs}
    task = next((f for f in record.follow_ups if f.identifier == identifier), None) or rungs[identifier]
    return task.changed_at if task.status in ACKNOWLEDGED else None


def edited(
    record: PersonRecord, identifier: str, *, fence: str | None = None, **changes: Any
) -> PersonRecord:
    """A Task, follow-up or response, with these elements changed and its version counted up."""

    def edit(item: Any) -> Any:
        assert fence in {None, item.version}, "a stale write must never get this far"
        known = {name: value for name, value in changes.items() if hasattr(item, name)}
        return replace(item, version=next_version(item.version), **known)

    if any(f.identifier == identifier for f in record.follow_ups):
        found = tuple(edit(f) if f.identifier == identifier else f for f in record.follow_ups)
        return replace(record, follow_ups=found)
    escalation, _, number = identifier.rpartition("/")
    seen = next(e for e in record.escalations if e.identifier == escalation)
    rungs = tuple(edit(r) if r.number == int(number) else r for r in seen.rungs)
    return _with(record, replace(seen, rungs=rungs))


def _with(record: PersonRecord, seen: EscalationSeen) -> PersonRecord:
    others = tuple(e for e in record.escalations if e.identifier != seen.identifier)
    return replace(record, escalations=(*others, seen))


def _named(identifier: str) -> tuple[TaskId, int, Cause]:
    _, task, occurrence, cause = identifier.rsplit("/", 3)
    return TaskId(task), int(occurrence), Cause(cause)


def _seen(record: PersonRecord, identifier: str, missed_at: datetime) -> EscalationSeen:
    known = next((e for e in record.escalations if e.identifier == identifier), None)
    task, occurrence, cause = _named(identifier)
    return known or EscalationSeen(
        identifier=identifier,
        task=task,
        occurrence=occurrence,
        cause=cause,
        reference=None,
        version="",
        status=PlanStatus.ACTIVE,
        missed_at=missed_at,
    )


def _kept(plan: KeepEscalation, record: PersonRecord) -> PersonRecord:
    seen = _seen(record, plan.identifier, plan.missed_at)
    assert seen.version == plan.version, "a stale write must never get this far"
    written = replace(
        seen,
        reference=reference("CarePlan", plan.identifier),
        version=next_version(plan.version),
        status=plan.status,
        missed_at=plan.missed_at,
        listed=plan.rungs,
    )
    return _with(record, written)


def _asked(rung: RaiseRung, record: PersonRecord) -> PersonRecord:
    seen = _seen(record, rung.escalation, rung.raised_at)
    if any(r.number == rung.number for r in seen.rungs):
        return record
    new = RungSeen(
        number=rung.number,
        reference=reference("Task", f"{rung.escalation}/{rung.number}"),
        version="1",
        status=FollowUpStatus.REQUESTED,
        owner=rung.recipient.reference,
        raised_at=rung.raised_at,
        changed_at=rung.raised_at,
        respond_by=rung.respond_by,
        notice_exists=False,
    )
    return _with(record, replace(seen, rungs=tuple(sorted((*seen.rungs, new), key=lambda r: r.number))))


def _told_of_cancelling(_told: TellHolder, record: PersonRecord) -> PersonRecord:
    return record  # nothing is decided from this notice: it is written once by its identifier


def _told(rung: RaiseRung, record: PersonRecord) -> PersonRecord:
    seen = _seen(record, rung.escalation, rung.raised_at)
    rungs = tuple(replace(r, notice_exists=True) if r.number == rung.number else r for r in seen.rungs)
    return _with(record, replace(seen, rungs=rungs))


# --- a world in which time passes ---


@dataclass(kw_only=True)
class World:
    """One person, some pathways and a clock. Time passes only from one due time to the next, as in production:
    what no due time announces is never noticed."""

    pathways: tuple[Pathway, ...]
    record: PersonRecord
    now: datetime
    decided: list[Decision] = field(default_factory=list)
    """Every decision that wrote something, oldest first."""

    def wake(self, *, rounds: int = 4) -> World:
        """Decide and write until nothing is left to write."""
        for _ in range(rounds):
            decisions = decide_all(self.pathways, self.record, self.now)
            writing = [d for d in decisions if not d.is_settled]
            self.decided.extend(writing)
            for decision in writing:
                self.record = apply(self.record, decision)
            if not writing:
                return self
        raise AssertionError(f"still writing after {rounds} rounds")

    def next_due_at(self) -> datetime | None:
        decisions = decide_all(self.pathways, self.record, self.now)
        return min((d.next_due_at for d in decisions if d.next_due_at), default=None)

    def passes_until(self, at: datetime) -> World:
        """Let time pass: wake at every due time on the way, and at no other time."""
        while (due := self.next_due_at()) is not None and due <= at:
            assert due > self.now, "a due time lies in the future"
            self.now = due
            self.wake()
        self.now = at
        return self

    def passes(self, **length: float) -> World:
        return self.passes_until((self.now.astimezone(UTC) + timedelta(**length)).astimezone(self.now.tzinfo))

    # what people and systems do; each is noticed at once

    def told(self, *facts: Fact) -> World:
        new = {f.reference for f in facts}
        kept = tuple(f for f in self.record.facts if f.reference not in new)
        self.record = replace(self.record, facts=(*kept, *facts))
        return self.wake()

    def set(
        self, task: str, status: str, *, occurrence: int = 1, of: str = ENROLMENT, **changes: Any
    ) -> World:
        """An owner changes the status of a follow-up."""
        return self._edit(f"{of}/{task}/{occurrence}", FollowUpStatus(status), changes)

    def answer(self, escalation: str, status: str, *, rung: int = 1) -> World:
        """Somebody changes the status of a response Task; `escalation` is `task/occurrence/cause`."""
        return self._edit(f"{ENROLMENT}/{escalation}/{rung}", FollowUpStatus(status), {})

    def _edit(self, identifier: str, status: FollowUpStatus, changes: dict[str, Any]) -> World:
        self.record = edited(self.record, identifier, status=status, **{"changed_at": self.now, **changes})
        return self.wake()

    def staffed(self, roster: Roster) -> World:
        self.record = replace(self.record, roster=roster)
        return self.wake()

    # what stands in the record

    @property
    def enrolment(self) -> Enrolment:
        return self.enrolled(ENROLMENT)

    def enrolled(self, identifier: str) -> Enrolment:
        (found,) = [e for e in self.record.enrolments if e.identifier == identifier]
        assert isinstance(found, Enrolment)
        return found

    def statuses(self) -> dict[str, str]:
        """Identifier -> status of every enrolment of the person."""
        return {e.identifier: e.status.value for e in self.record.enrolments}

    def everything(self) -> dict[str, str]:
        """Identifier -> status of every follow-up of the person."""
        return dict(sorted((f.identifier, f.status.value) for f in self.record.follow_ups))

    def follow_up(self, task: str, occurrence: int = 1, *, of: str = ENROLMENT) -> FollowUp:
        (found,) = [f for f in self.record.follow_ups if f.identifier == f"{of}/{task}/{occurrence}"]
        return found

    def is_due(self, task: str, occurrence: int = 1) -> datetime | None:
        return self.follow_up(task, occurrence).complete_by

    def follow_ups(self) -> dict[str, str]:
        """`task/occurrence` -> status, of the one enrolment."""
        found = {f.identifier.removeprefix(f"{ENROLMENT}/"): f.status.value for f in self.record.follow_ups}
        return dict(sorted(found.items()))

    def escalation(self, name: str) -> EscalationSeen:
        (found,) = [e for e in self.record.escalations if e.identifier == f"{ENROLMENT}/{name}"]
        return found

    def escalations(self) -> dict[str, tuple[str, int]]:
        """`task/occurrence/cause` -> (status of the plan, rungs raised)."""
        found = {
            e.identifier.removeprefix(f"{ENROLMENT}/"): (e.status.value, len(e.rungs))
            for e in self.record.escalations
        }
        return dict(sorted(found.items()))

    def variances(self) -> list[tuple[str, str]]:
        return [(v.kind.value, v.subject) for v in self.enrolment.variances]


def world(pathway: Pathway, record: PersonRecord, now: datetime) -> World:
    """The world just after its first decision."""
    return World(pathways=(pathway,), record=record, now=now).wake()
