"""Runs worked cases: the resources arrive, owners act, time passes, and the record is held against what was expected.

The same reading, deciding and writing as in production, on a record in memory and a clock that is moved by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from service.adapters.memory_record import InMemoryRecord
from service.app.simulation import Moment, Simulation
from service.app.worked_case_checks import Check, Mismatch
from service.domain.pathway import Pathway
from service.domain.versions import as_tried_out
from service.domain.vocabulary import FollowUpStatus, PathwayId, Reference, TaskId
from service.fhir import systems
from service.fhir.references import identifier_values
from service.flow.practice import Practice
from service.pathways.cases import Case, Expected, Step, TaskAct
from service.ports import Resource


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


def _played(case: Case, pathway: Pathway, practice: Practice) -> dict[PathwayId, Pathway]:
    """The pathway of the case and those beside it."""
    missing = [name for name in case.beside if name not in practice.pathways]
    if missing:
        raise CannotAct(
            f"{case.file}: 'beside' names {missing[0]!r}, and there is no such pathway that can be used"
        )
    beside = {name: as_tried_out(practice.pathways[name]) for name in case.beside}
    return {pathway.id: as_tried_out(pathway), **beside}


class _Play:
    def __init__(self, case: Case, pathway: Pathway, practice: Practice) -> None:
        self._case = case
        self._pathways = _played(case, pathway, practice)
        self._pathway = self._pathways[pathway.id]
        self._life = Simulation(replace(practice, pathways=self._pathways, earlier=()), case.timeline[0].at)
        self.record = self._life.record

    def run(self) -> CaseRun:
        mismatches: list[Mismatch] = []
        for step in self._case.timeline:
            self._life.passes_until(step.at, line=step.line)
            self._arrive(step)
            self._act(step)
            self._life.look(line=step.line)
            if step.expect is not None:
                mismatches.extend(self._check(step, step.expect))
        return CaseRun(
            case=self._case,
            moments=tuple(self._life.moments),
            mismatches=tuple(mismatches),
            record=self.record,
        )

    def _check(self, step: Step, expect: Expected) -> Iterator[Mismatch]:
        records = [self._life.seen(person) for person in self._life.people]
        return Check(self._pathway, step, expect, records, tuple(self._pathways.values())).mismatches()

    # --- what others do

    def _arrive(self, step: Step) -> None:
        for resource in step.arrives:
            for person in self._life.arrives(resource):
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


def _output(system: str, code: str, value: str) -> Mapping[str, Any]:
    return {"type": {"coding": [{"system": system, "code": code}]}, "valueString": value}
