"""Holds what a step of a worked case expects against the record as the domain sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.enrolment import Enrolment
from service.domain.evidence import FollowUp, PersonRecord
from service.domain.measures import count
from service.domain.pathway import Pathway
from service.domain.versions import Versions
from service.domain.vocabulary import OPEN, TaskId
from service.pathways.cases import Expected, Step


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Something is not as the case expects; `line` is the step's line in the case file."""

    line: int
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what} should be {self.expected}, but is {self.found}"


@dataclass(frozen=True)
class Check:
    """Holds one step's expectations against the record."""

    pathway: Pathway
    step: Step
    expect: Expected
    records: list[PersonRecord]
    pathways: Sequence[Pathway] = ()
    """All pathways of the case."""

    def mismatches(self) -> Iterator[Mismatch]:
        """Everything that is otherwise than the case says."""
        mine = [(e, r) for r in self.records for e in r.enrolments if e.pathway == self.pathway.id]
        if not mine:
            yield from self._without_enrolment()
        else:
            # The newest enrolment is the one a case talks about.
            enrolment, record = max(mine, key=_age)
            yield from self._enrolment(enrolment)
            yield from self._leads(enrolment)
            yield from self._earlier([each for each in mine if each[0] is not enrolment])
            yield from self._follow_ups(enrolment, record)
            yield from self._escalations(enrolment, record)
        yield from self._measures()
        yield from self._beside()

    def _leads(self, enrolment: Enrolment) -> Iterator[Mismatch]:
        yield from self._same("the lead", self.expect.lead, enrolment.lead)
        accountable = enrolment.accountable or enrolment.lead
        yield from self._same("who is accountable for the person", self.expect.accountable, accountable)
        places = {queue.capacity: queue.position for queue in enrolment.queues}
        for capacity, position in (self.expect.queue or {}).items():
            yield from self._same(f"the place in the queue for {capacity}", position, places.get(capacity))

    def _earlier(self, others: list[tuple[Enrolment, PersonRecord]]) -> Iterator[Mismatch]:
        if self.expect.earlier is None:
            return
        stage, status = self.expect.earlier
        before = max(others, key=_age, default=None)
        if before is None:
            yield self._mismatch("the enrolment before", "there", "not there")
            return
        yield from self._same("the stage of the enrolment before", stage, before[0].stage)
        yield from self._same("the status of the enrolment before", status, before[0].status)

    def _beside(self) -> Iterator[Mismatch]:
        """What is expected over all pathways of the case."""
        everything = sorted(
            (e for record in self.records for e in record.enrolments), key=lambda e: e.started_at
        )
        newest = {enrolment.pathway: enrolment.status for enrolment in everything}
        for pathway, status in (self.expect.enrolled or {}).items():
            yield from self._same(f"the enrolment on {pathway}", status, newest.get(pathway))
        for purpose, wanted in (self.expect.asked or {}).items():
            yield from self._same(f"open follow-ups for {purpose}", wanted, self._asked(purpose))

    def _asked(self, purpose: str) -> int:
        """How many open follow-ups serve a purpose, whichever pathway asks."""
        serving = {
            (p.id, t.id) for p in self.pathways for _, t in p.templates.values() if t.purpose == purpose
        }
        open_now = (f for record in self.records for f in record.follow_ups if f.status in OPEN)
        return sum((f.identifier.split("/")[0], f.task) in serving for f in open_now)

    def _without_enrolment(self) -> Iterator[Mismatch]:
        wants = (
            self.expect.stage,
            self.expect.status,
            self.expect.tasks,
            self.expect.due,
            self.expect.owners,
        )
        if any(wants):
            yield self._mismatch("the enrolment", "there", "not begun")

    def _enrolment(self, enrolment: Enrolment) -> Iterator[Mismatch]:
        if self.expect.tasks is not None and not self.expect.tasks:
            yield self._mismatch("the enrolment", "not begun", f"in stage {enrolment.stage}")
        yield from self._same("the stage", self.expect.stage, enrolment.stage)
        yield from self._same("the enrolment's status", self.expect.status, enrolment.status)
        yield from self._same_set("unmet gates", self.expect.unmet, enrolment.unmet_gates)
        yield from self._same_set("missing fields", self.expect.missing, enrolment.missing)
        found = {
            str(part) for v in enrolment.variances for part in (v.kind, v.subject, f"{v.kind} {v.subject}")
        }
        for wanted in self.expect.variances or ():
            if wanted not in found:
                yield self._mismatch("the variances", f"with {wanted}", _listed(found))

    def _follow_ups(self, enrolment: Enrolment, record: PersonRecord) -> Iterator[Mismatch]:
        newest: dict[TaskId, FollowUp] = {}
        for follow_up in sorted(record.follow_ups, key=lambda f: f.occurrence):
            if follow_up.identifier.startswith(f"{enrolment.identifier}/"):
                newest[follow_up.task] = follow_up
        for task, status in (self.expect.tasks or {}).items():
            yield from self._same(f"follow-up {task}", status, _of(newest, task, "status"))
        for task, owner in (self.expect.owners or {}).items():
            yield from self._same(f"the owner of {task}", owner, _of(newest, task, "owner"))
        for task, due in (self.expect.due or {}).items():
            found = _of(newest, task, "complete_by")
            if found is None or abs((found - due).total_seconds()) >= 60:
                yield self._mismatch(
                    f"the due time of {task}", due.isoformat(), found.isoformat() if found else "none"
                )

    def _escalations(self, enrolment: Enrolment, record: PersonRecord) -> Iterator[Mismatch]:
        for task, rungs in (self.expect.escalated or {}).items():
            about = [
                e for e in record.escalations if e.identifier.startswith(f"{enrolment.identifier}/{task}/")
            ]
            yield from self._same(f"rungs raised about {task}", rungs, sum(len(e.rungs) for e in about))

    def _measures(self) -> Iterator[Mismatch]:
        if not self.expect.measures:
            return
        known = Versions(self.pathways or (self.pathway,))
        counts = {c.measure: c for c in count(self.pathway, self.records, self.step.at, known)}
        for measure, wanted in self.expect.measures.items():
            found = counts[measure]
            yield from self._same(
                f"measure {measure}", wanted, (len(found.numerator), len(found.denominator))
            )

    def _same(self, what: str, wanted: object, found: object) -> Iterator[Mismatch]:
        if wanted is not None and wanted != found:
            yield self._mismatch(what, str(wanted), str(found))

    def _same_set(
        self, what: str, wanted: frozenset[Any] | None, found: tuple[Any, ...]
    ) -> Iterator[Mismatch]:
        if wanted is not None and wanted != frozenset(found):
            yield self._mismatch(what, _listed(wanted), _listed(found))

    def _mismatch(self, what: str, expected: str, found: str) -> Mismatch:
        return Mismatch(line=self.step.line, what=what, expected=expected, found=found)


def _age(found: tuple[Enrolment, PersonRecord]) -> datetime:
    return found[0].started_at


def _of(newest: Mapping[TaskId, FollowUp], task: TaskId, attribute: str) -> Any:
    return getattr(newest[task], attribute) if task in newest else None


def _listed(values: Any) -> str:
    return ", ".join(sorted(str(value) for value in values)) or "none"
