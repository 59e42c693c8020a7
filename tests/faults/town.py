"""A whole site in memory that plays worked cases: a record, a queue, a worker, and a server that notifies of each change.

What goes wrong is decided by whoever drives it: which notifications arrive, when, how often, and at which write a
worker is cut off. Must not decide what should stand in the record in the end: an undisturbed town shows that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from service.adapters.memory_record import Faults, InMemoryRecord
from service.app.metrics import WorkMetrics
from service.app.practice import begins, practice_of, role_codes
from service.app.work import Work
from service.domain.vocabulary import PathwayId, Reference
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.references import identifier_values
from service.flow.directory import KeptDirectory
from service.flow.practice import Practice
from service.pathways.cases import Case, Step, case_files, read_case
from service.pathways.library import Library, load_library
from service.ports import Claim, FhirRecord, RawNotification, RecordFailure, Resource
from tests.fakes import (
    FakeDeadLetters,
    FakeDoorbell,
    FakeEchoes,
    FakeInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)
from tests.faults.notifications import put

MAPPINGS = Path(__file__).parents[2] / "mappings"
DENVER = ZoneInfo("America/Denver")
PATHWAYS = ("post-discharge-coordination", "crisis-to-outpatient")
STAFF = {
    "transition-coordinator": "tess",
    "outpatient-clinician": "omar",
    "outpatient-intake-clinician": "ines",
    "case-manager": "cora",
    "pathway-lead": "lena",
    "clinical-supervisor": "sara",
    "crisis-clinician": "carl",
    "clinical-director": "dina",
}


class CutOff(BaseException):
    """Use this to end a worker in the middle, as a killed process ends: nothing may catch it and go on."""


@cache
def shipped() -> Library:
    """With every pathway there is."""
    found = load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))
    assert found.pathways
    return found


@cache
def library() -> Library:
    """With the pathways that the stories are about: others begin for the same people, and share their follow-ups."""
    chosen = {PathwayId(name): shipped().pathways[PathwayId(name)] for name in PATHWAYS}
    return replace(shipped(), pathways=chosen)


@cache
def what_workers_know(
    library: Callable[[], Library],
) -> tuple[Practice, frozenset[str], list[tuple[str | None, str]]]:
    """What each worker makes of the library when it starts; the same every time."""
    return practice_of(library(), zone=DENVER, base_url=""), begins(library()), role_codes(library())


@cache
def case(pathway: str, name: str) -> Case:
    """A worked case of a shipped pathway, by its file name."""
    folder = MAPPINGS / "pathways" / pathway
    [path] = [path for path in case_files(folder) if path.stem == name]
    read, source = read_case(path, next(p for p in shipped().pathways.values() if p.id == pathway))
    assert read is not None, source.problems
    return read


@dataclass
class Bell(FakeDoorbell):
    """A doorbell that somebody answers."""

    def answer_inbox(self) -> None: ...

    def catch_up_has_begun(self) -> None: ...

    def answer_catch_up(self) -> None: ...


class RewindableRecord(InMemoryRecord):
    """A record that can be taken back to how it was; a write whose sender was cut off can still reach it later."""

    late: Callable[[], object] | None = None
    """The write before which its sender was cut off."""

    def counts(self) -> dict[str, int]:
        """How many versions there are of everything that is not deleted."""
        return {
            reference: sum(version is not None for version in versions)
            for reference, versions in self._versions.items()
            if versions[-1] is not None
        }

    def kept(self) -> Any:
        """Versions are added and never changed, so the lists of them are all that must be kept."""
        return {reference: list(versions) for reference, versions in self._versions.items()}, self._next_id

    def rewind(self, kept: Any) -> None:
        versions, self._next_id = kept
        self._versions = {reference: list(each) for reference, each in versions.items()}
        self.writes, self.late, self.faults = 0, None, Faults()

    def arrives_late(self) -> None:
        """The write that was under way when its sender died comes in after all; nobody hears its answer."""
        late, self.late = self.late, None
        if late is not None:
            with suppress(RecordFailure):
                late()

    def _faulty(self, act: Callable[[], Any]) -> Any:
        self.late = act
        done = super()._faulty(act)
        self.late = None
        return done


class Town:
    """Plays cases step by step. `seen_through`: how workers see the record, e.g. over HTTP; the record itself if None."""

    def __init__(
        self,
        *,
        seen_through: Callable[[RewindableRecord], FhirRecord] | None = None,
        library: Callable[[], Library] = library,
        **record: Any,
    ) -> None:
        self._library = library
        self.clock = ManualClock()
        self.record = RewindableRecord(self.clock, **record)
        self._through = (seen_through or (lambda record: record))(self.record)
        self.index, self.letters = FakeWorkIndex(), FakeDeadLetters()
        self.inbox, self.marks, self.echoes = FakeInbox(), FakeWatermarks(), FakeEchoes()
        self._told: dict[str, int] = {}
        self.work = self.new_worker()
        for role, name in STAFF.items():
            self.record.put(_practitioner(name))
            self.record.put(_practitioner_role(name, role))

    def new_worker(self) -> Work:
        """A worker process that has just started: it knows nothing but what stands in Redis and in the record."""
        self.bell = Bell()
        practice, beginnings, roles = what_workers_know(self._library)
        directory = KeptDirectory(self._through, roles, monotonic=lambda: 0.0)
        self.work = Work(
            inbox=self.inbox,
            index=self.index,
            record=self._through,
            dead_letters=self.letters,
            watermarks=self.marks,
            echoes=self.echoes,
            doorbell=self.bell,
            clock=self.clock,
            practice=practice,
            begins=beginnings,
            directory=directory.people,
            metrics=WorkMetrics(CollectorRegistry()),
            monotonic=lambda: 0.0,
        )
        return self.work

    def kept(self) -> Any:
        """Everything outside the processes as it is now."""
        queue = (self.index, self.letters, self.inbox, self.marks, self.echoes, self._told)
        return self.record.kept(), copy.deepcopy(queue), self.clock.at

    def rewind(self, kept: Any) -> None:
        """Back to how it was then; the processes start anew."""
        record, queue, self.clock.at = kept
        self.record.rewind(record)
        self.index, self.letters, self.inbox, self.marks, self.echoes, self._told = copy.deepcopy(queue)
        self.new_worker()

    # --- the world outside

    def happens(self, step: Step) -> None:
        """What arrives in the record and what owners do at one step."""
        for resource in step.arrives:
            self.record.put(resource)
        for task, act in step.tasks.items():
            outputs = [_output(systems.REQUIRED_FIELD, f, value) for f, value in act.records.items()]
            outputs += [_output(systems.GATE, gate, reason) for gate, reason in act.waives.items()]
            self._answer(self._newest(task), act.status, outputs)
        for task, status in step.respond.items():
            self._answer(self._open_response(task), status, [])

    def changes(self) -> list[Resource]:
        """Versions that nobody has been notified of yet, oldest first within each resource; ours included."""
        found: list[Resource] = []
        for reference, count in self.record.counts().items():
            told = self._told.get(reference, 0)
            if told < count:
                found += self.record.versions(Reference(reference))[told:]
            self._told[reference] = count
        return found

    def _answer(self, task: Resource, status: str | None, outputs: list[Any]) -> None:
        changed = {**task, "lastModified": self.clock.now().isoformat()}
        if status is not None:
            changed["status"] = str(status)
        if outputs:
            changed["output"] = [*task.get("output", []), *outputs]
        self.record.put(changed)

    def _newest(self, task: str) -> Resource:
        return max(
            (p for p in self._tasks() if len(p[0]) == 5 and p[0][3] == task), key=lambda p: int(p[0][4])
        )[1]

    def _open_response(self, task: str) -> Resource:
        done = {"completed", "cancelled", "rejected"}
        waiting = [
            p for p in self._tasks() if len(p[0]) > 5 and p[0][3] == task and p[1]["status"] not in done
        ]
        return max(waiting, key=lambda p: (int(p[0][4]), p[0][5], int(p[0][6])))[1]

    def _tasks(self) -> Iterator[tuple[list[str], Resource]]:
        for resource in self.record.everything():
            for value in identifier_values(resource, systems.FOLLOW_UP):
                yield value.split("/"), resource

    # --- what the processes do

    def deliver(self, *notifications: RawNotification) -> None:
        """As the web process does: store, and let a worker know."""
        for notification in notifications:
            self.inbox.append(notification)

    def look(self) -> None:
        """A worker takes the inbox in, and looks at everybody who was rung for."""
        self.work.take_in()
        while self.bell.people:
            claim: Claim = self.bell.people.pop(0)
            self.work.reconcile_person(claim.person, claim.token)

    def is_busy(self) -> bool:
        return bool(self.inbox.entries or any(at <= self.clock.now() for at in self.index.due.values()))

    def settle(self) -> None:
        """Notify of everything at once and in order, until nothing changes any more."""
        for _ in range(20):
            self.deliver(*(put(resource) for resource in self.changes()))
            while self.is_busy():
                self.look()
            if not self.is_busy() and not self.changes_waiting():
                return
        raise AssertionError("the town does not come to rest")

    def changes_waiting(self) -> bool:
        return any(self._told.get(r, 0) < count for r, count in self.record.counts().items())

    def next_due(self) -> datetime | None:
        return min(self.index.due.values(), default=None)

    def restart_worker(self) -> None:
        """After a cut: leases end, entries that nobody finished are given out again, a new process starts."""
        self.record.faults = Faults()
        self.index.lose_claims()
        self.inbox.leave_behind()
        self.new_worker()


def play(town: Town, told: Case, settle: Callable[[], None]) -> None:
    """The case from its first to its last step, each due time in between at its own instant."""
    for step in told.timeline:
        for at in instants(town, step.at):
            town.clock.at = at
            settle()
        town.clock.at = step.at
        town.happens(step)
        settle()


def instants(town: Town, until: datetime) -> Iterator[datetime]:
    """Due times before `until`, as the index names them while they are met."""
    while (due := town.next_due()) is not None and due < until:
        yield max(due, town.clock.at)


def _practitioner(name: str) -> Resource:
    return {"resourceType": "Practitioner", "id": name, "name": [{"text": f"{name.title()} Example"}]}


def _practitioner_role(name: str, role: str) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": name,
        "active": True,
        "practitioner": {"reference": f"Practitioner/{name}"},
        "code": [{"coding": [{"system": systems.ROLE, "code": role}]}],
    }


def _output(system: str, code: str, value: str) -> Mapping[str, Any]:
    return {"type": {"coding": [{"system": system, "code": code}]}, "valueString": value}
