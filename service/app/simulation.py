"""Time that passes on a simulated clock: the same reading, deciding and writing as in production, on a record in memory.

What arrives and who acts is told from outside; whatever falls due is met at its own instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from service.adapters.memory_record import InMemoryRecord
from service.domain.evidence import PersonRecord
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.read import read_person
from service.fhir.read.elements import extension_value
from service.fhir.references import identifier_values, mapping, mappings, reference_to
from service.fhir.searches import people_of
from service.fhir.times import parse_time
from service.flow.practice import Practice
from service.flow.reconcile import Reconciled, reconcile
from service.ports import NotInRecord, Resource

SETTLES_WITHIN = 3
"""Reconciles after which one pathway may have nothing left to write; each further one may wake the others once more."""


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
    """Of the case file, where there is one; else 0."""
    events: tuple[str, ...]


class DoesNotSettle(Exception):
    """Use this when deciding again and again goes on writing: a fault of ours, or pathways that contradict each other."""


class Simulation:
    """A record, its people and a clock that is moved by hand."""

    def __init__(self, practice: Practice, at: datetime, *, zone: tzinfo | None = None) -> None:
        """`zone`: in which times are told; by default that of the site."""
        self.practice = practice
        self.zone = zone or practice.catalogue.zone
        self.clock = MovableClock(at)
        self.record = InMemoryRecord(self.clock)
        self.moments: list[Moment] = []
        self._people: set[Reference] = set()
        self._due: dict[Reference, datetime] = {}
        self._told: dict[str, str] = {}

    @property
    def people(self) -> list[Reference]:
        """Everybody whom something that arrived is about."""
        return sorted(self._people)

    def seen(self, person: Reference) -> PersonRecord:
        """The person's record as the domain sees it now."""
        return read_person(
            self.record.everything(), person=person, catalogue=self.practice.catalogue, now=self.clock.at
        )

    def arrives(self, resource: Resource) -> list[Reference]:
        """Another system writes it; the people whom nothing was known about before."""
        self.record.put(resource)
        new = [person for person in people_of(resource) if person not in self._people]
        self._people.update(new)
        return new

    def goes(self, reference: Reference) -> None:
        """Another system deletes it; what is not there has gone already."""
        try:
            self.record.delete(reference)
        except NotInRecord:
            return

    def passes_until(self, at: datetime, *, line: int = 0) -> None:
        """Every due time before `at` is met at its own instant, as the scheduler would; then it is `at`."""
        while self._due and (due := min(self._due.values())) < at:
            self.clock.at = max(due, self.clock.at)
            self.look(line=line)
        self.clock.at = at

    def look(self, *, line: int = 0) -> None:
        """Everybody is reconciled now; what that brought about becomes a moment."""
        for person in self.people:
            self._settle(person)
        events = tuple(self._events())
        if events:
            self.moments.append(Moment(at=self.clock.at, line=line, events=events))

    @property
    def next_due_at(self) -> datetime | None:
        return min(self._due.values(), default=None)

    def _settle(self, person: Reference) -> None:
        done = self._reconciled(person)
        for _ in range(SETTLES_WITHIN + len(self.practice.pathways) - 2):
            if done.writes == 0:
                break
            done = self._reconciled(person)
        if done.writes:
            undecided = sorted({d.enrolment.pathway for d in done.decisions if not d.is_settled})
            raise DoesNotSettle(
                f"deciding does not come to an end at {self.clock.at.isoformat()}: each look at {' and '.join(undecided)}"
                " writes something else. What is wanted there contradicts itself; report it if you see no reason"
            )
        self._due.pop(person, None)
        if done.next_due_at is not None:
            self._due[person] = done.next_due_at

    def _reconciled(self, person: Reference) -> Reconciled:
        return reconcile(person, record=self.record, practice=self.practice, now=self.clock.at)

    def _events(self) -> Iterator[str]:
        """One sentence for each of our resources that is new or says something else, by reading the record."""
        for resource in self.record.everything():
            what = told(resource, self.zone)
            reference = reference_to(resource) or ""
            if what and self._told.get(reference) != what:
                self._told[reference] = what
                yield what


def told(resource: Resource, zone: tzinfo) -> str:
    """What a resource of ours says, without the part of its identifier that every line would repeat; else nothing."""
    for system, name in _NAMES.items():
        for value in identifier_values(resource, system):
            what = " ".join(part for part in (name, _below_enrolment(value)) if part)
            said = [str(resource.get("status", "")), *_details(resource, zone)]
            return f"{what}: {', '.join(part for part in said if part)}"
    return ""


_NAMES = {
    systems.FOLLOW_UP: "task",
    systems.ENROLMENT: "ENROLMENT",
    systems.ESCALATION: "ESCALATION",
    systems.NOTICE: "message",
}


def _below_enrolment(identifier: str) -> str:
    """`<pathway>/<Type>/<id>/<task>/<occurrence>[/<cause>[/<rung>]]` from the task on; the pathway for an enrolment."""
    parts = identifier.split("/")
    return "/".join(parts[3:]) or parts[0]


def _details(resource: Resource, zone: tzinfo) -> Iterator[str]:
    stage, reached = (
        extension_value(resource, url, "valueCode") for url in (systems.STAGE, systems.STAGE_REACHED)
    )
    if stage:
        yield f"stage {stage}"
    if reached and reached != stage:
        yield f"held by a gate before {reached}"
    yield str(mapping(resource.get("owner")).get("display", ""))
    if resource.get("status") not in _CLOSED:
        yield str(mapping(resource.get("businessStatus")).get("text", "")).lower()
        yield _due(resource, zone)
    yield from (f"to {person.get('display', '?')}" for person in mappings(resource.get("recipient")))


def _due(resource: Resource, zone: tzinfo) -> str:
    """By when it is to be done."""
    end = mapping(mapping(resource.get("restriction")).get("period")).get("end")
    due_at = parse_time(end, zone)
    return f"due {due_at.astimezone(zone):%a %m-%d %H:%M}" if due_at is not None else ""


_CLOSED = frozenset({"completed", "cancelled", "rejected", "failed", "entered-in-error"})
