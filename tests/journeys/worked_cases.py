"""Plays worked cases on a real FHIR server: several at once in one world, each about people and resources of its own.

What arrives and what owners do at one step is written in one transaction, as nobody looks in between in memory either.
Time stands at every instant at which the run in memory had something to write. What the record on the server then holds
is read as the service reads it, and held against the case by the same checks as in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.app.practice import practice_of
from service.app.worked_case_checks import Check
from service.app.worked_cases import run_case
from service.domain.evidence import PersonRecord
from service.domain.pathway import Pathway
from service.domain.places import LOOK_AGAIN
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.read import read_person
from service.fhir.searches import ALWAYS, people_of, person_searches
from service.flow.practice import Practice
from service.pathways.cases import Case, Step, case_files, read_case
from service.pathways.library import load_library
from service.ports import Capabilities, FhirRecord
from tests.builders import Json, a_care_team, a_practitioner
from tests.journeys.cast import ACCOUNTABLE
from tests.journeys.world import DENVER, World

SHARED = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location"})
"""Not renamed: they are the same for every case."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A case as it is played beside others: with ids of its own, and the instants at which something happens in it."""

    case: Case
    pathway: Pathway
    name: str
    instants: frozenset[datetime]

    @property
    def person(self) -> str:
        """The id of the one Patient that the case is about."""
        found = (person for step in self.case.timeline for each in step.arrives for person in people_of(each))
        [person] = dict.fromkeys(found)
        return person.partition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The cases of one world, and the practice that they are played by."""

    practice: Practice
    told: tuple[Told, ...]

    @property
    def begins_at(self) -> datetime:
        """A little before anything happens: nobody can answer at the very moment of being asked."""
        return min(min(told.instants) for told in self.told) - timedelta(minutes=1)


def cases_of(mappings: Path, chosen: Iterable[tuple[str, str]]) -> Cases:
    """`chosen`: pathway, name of a case's file. Each must hold in memory before it is played anywhere else."""
    library = load_library(mappings, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))
    practice = practice_of(library, zone=DENVER, base_url="", accountable=Reference(ACCOUNTABLE))
    told = []
    for number, (name, stem) in enumerate(chosen, start=1):
        pathway = next(p for p in library.pathways.values() if p.id == name)
        [path] = [p for p in case_files(mappings / "pathways" / name) if p.stem == stem]
        case, source = read_case(path, pathway)
        assert case is not None, source.problems
        run = run_case(case, pathway, practice)
        assert not run.mismatches, f"{name}/{stem} does not hold in memory"
        at = {moment.at for moment in run.moments} | {step.at for step in case.timeline}
        renamed = _renamed(case, f"c{number}-")
        told.append(Told(case=renamed, pathway=pathway, name=f"{name}/{stem}", instants=frozenset(at)))
    return Cases(practice=practice, told=tuple(told))


def play(world: World, cases: Cases) -> list[str]:
    """All cases from their first to their last step; a line for everything that is otherwise than a case says."""
    with closing(FhirClient(world.fhir.base_url)) as client:
        record = HttpFhirRecord(client, Capabilities())
        return [line for at in _instants(cases) for line in _differences(world, record, cases, at)]


def _instants(cases: Cases) -> list[datetime]:
    looks = {step.at + _waits(step) for told in cases.told for step in told.case.timeline}
    return sorted(looks.union(*(told.instants for told in cases.told)))


def _waits(step: Step) -> timedelta:
    """What is about nobody, as a place that becomes free, is found when whoever waits for it is looked at again."""
    about_nobody = bool(step.arrives) and not any(people_of(each) for each in step.arrives)
    return LOOK_AGAIN if about_nobody and not step.tasks else timedelta()


def _differences(world: World, record: FhirRecord, cases: Cases, at: datetime) -> Iterator[str]:
    """Everything of this instant happens, what is due is done, and whoever expects something is asked."""
    steps = [(told, step) for told in cases.told for step in told.case.timeline]
    world.until(at)
    for told, step in steps:
        if step.at == at and (written := [*_arrivals(told, step), *_answers(world, told, step)]):
            world.fhir.put_all(*written)
    world.settle()
    for told, step in steps:
        if step.at + _waits(step) == at and step.expect is not None:
            seen = _read(Reference(f"Patient/{told.person}"), record, cases.practice, world.now())
            for mismatch in Check(told.pathway, step, step.expect, [seen]).mismatches():
                yield f"{told.name}: {mismatch}"


def _read(person: Reference, record: FhirRecord, practice: Practice, now: datetime) -> PersonRecord:
    searches = person_searches(person, practice.types, now, ever=practice.types | ALWAYS)
    found = [resource for answer in record.search_all(searches) for resource in answer]
    return read_person(found, person=person, catalogue=practice.catalogue, now=now)


# --- what others do


def _arrivals(told: Told, step: Step) -> Iterator[Json]:
    if step is told.case.timeline[0]:
        yield from _staff(told)
    yield from (dict(each) for each in step.arrives)


def _staff(told: Told) -> Iterator[Json]:
    """The case's people, and a CareTeam around the person in which each holds their role."""
    members = [(str(who), str(role)) for role, who in told.case.people.items()]
    for logical_id in dict.fromkeys(who.partition("/")[2] for who, _ in members):
        yield a_practitioner(logical_id, logical_id.title(), "Example", meta=None)
    about = {"reference": f"Patient/{told.person}"}
    yield a_care_team(*members, logical_id=f"{told.person}-team", subject=about, meta=None)


def _answers(world: World, told: Told, step: Step) -> Iterator[Json]:
    for task, act in step.tasks.items():
        asked = world.clinic.task(told.person, task)
        status = act.status.value if act.status else None
        records = {str(field): value for field, value in act.records.items()}
        waives = {str(gate): reason for gate, reason in act.waives.items()}
        yield world.clinic.answered(asked, status, records=records, waives=waives)
    for task, answer in step.respond.items():
        yield world.clinic.answered(world.clinic.response(told.person, task), answer.value)


# --- ids of its own


def _renamed(case: Case, prefix: str) -> Case:
    """Cases of several pathways call their people and resources alike; here each has its own."""
    arrived = {
        (each["resourceType"], each["id"])
        for step in case.timeline
        for each in step.arrives
        if each["resourceType"] not in SHARED
    }
    steps = [
        replace(step, arrives=tuple(_with_prefix(each, prefix, arrived) for each in step.arrives))
        for step in case.timeline
    ]
    return replace(case, timeline=tuple(steps))


def _with_prefix(resource: Mapping[str, Any], prefix: str, arrived: set[tuple[str, str]]) -> Json:
    def told(value: Any) -> Any:
        if isinstance(value, list):
            return [told(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        return {name: refer(each) if name == "reference" else told(each) for name, each in value.items()}

    def refer(reference: Any) -> Any:
        kind, _, logical_id = str(reference).partition("/")
        return f"{kind}/{prefix}{logical_id}" if (kind, logical_id) in arrived else reference

    is_known = (resource["resourceType"], resource["id"]) in arrived
    return {**told(resource), "id": f"{prefix if is_known else ''}{resource['id']}"}
