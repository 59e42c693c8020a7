"""Runs worked cases: the resources arrive, owners act, time passes, and the record is held against what was expected.

The same reading, deciding and writing as in production, on a record in memory and a clock that is moved by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from service.adapters.memory_record import InMemoryRecord
from service.app.worked_case_checks import Check, Mismatch
from service.domain.evidence import PersonRecord
from service.domain.pathway import Pathway
from service.domain.versions import as_tried_out
from service.domain.vocabulary import FollowUpStatus, Reference, TaskId
from service.fhir import systems
from service.fhir.read import read_person
from service.fhir.references import identifier_values, reference_to
from service.fhir.searches import people_of
from service.flow.reconcile import Practice, Reconciled, reconcile
from service.pathways.cases import Case, Expected, Step, TaskAct
from service.ports import Resource

SETTLES_WITHIN = 3
"""Reconciles after which nothing may be left to write; our own writes wake us at most once more."""


@dataclass
class MovableClock:
    """Stands where it is put."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What one instant of the simulated time brought about, for the timeline."""

    at: datetime
    line: int
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CaseRun:
    """A case as it went."""

    case: Case
    moments: tuple[Moment, ...]
    mismatches: tuple[Mismatch, ...]
    record: InMemoryRecord = field(repr=False)


class CannotAct(Exception):
    """Use this when a case lets somebody act on a follow-up that does not exist at that moment."""


def run_case(case: Case, pathway: Pathway, practice: Practice) -> CaseRun:
    """Play a case from its first to its last step. Raises CannotAct with the line of the step."""
    return _Play(case, pathway, practice).run()


class _Play:
    def __init__(self, case: Case, pathway: Pathway, practice: Practice) -> None:
        self._case = case
        self._pathway = as_tried_out(pathway)
        self._practice = replace(practice, pathways={pathway.id: self._pathway}, earlier=())
        self._clock = MovableClock(case.timeline[0].at)
        self.record = InMemoryRecord(self._clock)
        self._people: set[Reference] = set()
        self._due: dict[Reference, datetime] = {}
        self._moments: list[Moment] = []
        self._told: dict[str, str] = {}

    def run(self) -> CaseRun:
        mismatches: list[Mismatch] = []
        for step in self._case.timeline:
            self._let_time_pass(step)
            self._clock.at = step.at
            self._arrive(step)
            self._act(step)
            self._reconcile_all(step.line)
            if step.expect is not None:
                mismatches.extend(self._check(step, step.expect))
        return CaseRun(
            case=self._case,
            moments=tuple(self._moments),
            mismatches=tuple(mismatches),
            record=self.record,
        )

    def seen(self, person: Reference) -> PersonRecord:
        """The person's record as the domain sees it now."""
        return read_person(
            self.record.everything(), person=person, catalogue=self._practice.catalogue, now=self._clock.at
        )

    def _check(self, step: Step, expect: Expected) -> Iterator[Mismatch]:
        records = [self.seen(person) for person in self.people]
        return Check(self._pathway, step, expect, records).mismatches()

    @property
    def people(self) -> list[Reference]:
        return sorted(self._people)

    # --- time

    def _let_time_pass(self, step: Step) -> None:
        """Every due time before the step is met at its own instant, as the scheduler would."""
        while self._due and (due := min(self._due.values())) < step.at:
            self._clock.at = max(due, self._clock.at)
            self._reconcile_all(step.line)

    def _reconcile_all(self, line: int) -> None:
        for person in self.people:
            self._settle(person)
        events = tuple(self._events())
        if events:
            self._moments.append(Moment(at=self._clock.at, line=line, events=events))

    def _settle(self, person: Reference) -> None:
        for _ in range(SETTLES_WITHIN):
            done: Reconciled = reconcile(
                person, record=self.record, practice=self._practice, now=self._clock.at
            )
            if done.writes == 0:
                break
        else:
            message = f"deciding about {self._case.title!r} does not settle at {self._clock.at.isoformat()}"
            raise AssertionError(message)
        self._due.pop(person, None)
        if done.next_due_at is not None:
            self._due[person] = done.next_due_at

    # --- what others do

    def _arrive(self, step: Step) -> None:
        for resource in step.arrives:
            self.record.put(resource)
            for person in people_of(resource):
                if person not in self._people:
                    self._people.add(person)
                    self._seat(person)

    def _seat(self, person: Reference) -> None:
        """The case's people around the person: a CareTeam in which each holds their role."""
        members = []
        for role, who in self._case.people.items():
            kind, _, logical_id = who.partition("/")
            self.record.put({"resourceType": kind, "id": logical_id, "name": [{"text": logical_id.title()}]})
            coding = {"system": f"{systems.BASE}/CodeSystem/role", "code": role}
            members.append({"role": [{"coding": [coding]}], "member": {"reference": who}})
        team = {
            "resourceType": "CareTeam",
            "status": "active",
            "subject": {"reference": person},
            "participant": members,
        }
        if members:
            self.record.put(team)

    def _act(self, step: Step) -> None:
        for task, act in step.tasks.items():
            self._answer(self._newest(task, step), act.status, act, step)
        for task, status in step.respond.items():
            self._answer(self._response(task, step), status, TaskAct(), step)

    def _newest(self, task: TaskId, step: Step) -> Resource:
        found = [(parts, t) for parts, t in self._tasks() if len(parts) == 5 and parts[3] == task]
        if not found:
            message = f"{self._case.file}:{step.line}: there is no follow-up '{task}' to act on yet"
            raise CannotAct(message)
        return max(found, key=lambda each: int(each[0][4]))[1]

    def _response(self, task: TaskId, step: Step) -> Resource:
        found = [(parts, t) for parts, t in self._tasks() if len(parts) > 5 and parts[3] == task]
        waiting = [each for each in found if each[1]["status"] not in {"completed", "cancelled", "rejected"}]
        if not waiting:
            message = f"{self._case.file}:{step.line}: no escalation about '{task}' waits for a response"
            raise CannotAct(message)
        return max(waiting, key=lambda each: (int(each[0][4]), each[0][5], int(each[0][6])))[1]

    def _tasks(self) -> Iterator[tuple[list[str], Resource]]:
        for resource in self.record.everything():
            if resource["resourceType"] == "Task":
                yield from (
                    (value.split("/"), resource) for value in identifier_values(resource, systems.FOLLOW_UP)
                )

    def _answer(self, task: Resource, status: FollowUpStatus | None, act: TaskAct, step: Step) -> None:
        changed: dict[str, Any] = copy.deepcopy(dict(task))
        if status is not None:
            changed["status"] = status.value
        changed["lastModified"] = step.at.isoformat()
        outputs = [_output(systems.REQUIRED_FIELD, f, value) for f, value in act.records.items()]
        outputs += [_output(systems.GATE, gate, reason) for gate, reason in act.waives.items()]
        if outputs:
            changed["output"] = [*changed.get("output", []), *outputs]
        self.record.put(changed)

    # --- what came about

    def _events(self) -> Iterator[str]:
        """One sentence for each of our resources that is new or has another status, by reading the record."""
        for resource in self.record.everything():
            what = _named(resource)
            reference = reference_to(resource) or ""
            if what and self._told.get(reference) != what:
                self._told[reference] = what
                yield what


def _output(system: str, code: str, value: str) -> Mapping[str, Any]:
    return {"type": {"coding": [{"system": system, "code": code}]}, "valueString": value}


def _named(resource: Resource) -> str:
    """What a resource of ours says, without the part of its identifier that every line would repeat."""
    for system, name in _NAMES.items():
        for value in identifier_values(resource, system):
            what = " ".join(part for part in (name, _below_enrolment(value)) if part)
            said = [resource.get("status", ""), *_details(resource)]
            return f"{what}: {', '.join(part for part in said if part)}"
    return ""


_NAMES = {
    systems.FOLLOW_UP: "task",
    systems.ENROLMENT: "ENROLMENT",
    systems.ESCALATION: "ESCALATION",
    systems.NOTICE: "message",
}


def _below_enrolment(identifier: str) -> str:
    """`<pathway>/<Type>/<id>/<task>/<occurrence>[/<cause>[/<rung>]]` from the task on."""
    return "/".join(identifier.split("/")[3:])


def _details(resource: Resource) -> Iterator[str]:
    codes = {e["url"]: e.get("valueCode", "") for e in resource.get("extension", [])}
    stage, reached = codes.get(systems.STAGE), codes.get(systems.STAGE_REACHED)
    if stage:
        yield f"stage {stage}"
    if reached and reached != stage:
        yield f"held by a gate before {reached}"
    yield resource.get("owner", {}).get("display", "")
    yield resource.get("businessStatus", {}).get("text", "").lower()
    yield from (f"to {person.get('display', '?')}" for person in resource.get("recipient", []))
