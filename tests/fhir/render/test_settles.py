"""The shipped pathway lived through on the record alone: every write is valid R4, and what was written settles it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from service.domain.decide import decide_all
from service.domain.vocabulary import Reference
from service.fhir.labels import high_water
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.read import Catalogue, read_person
from service.fhir.render import render
from service.pathways.library import load_library
from tests.builders import UPDATED, a_care_team, a_practitioner, a_task_answer
from tests.fhir.decisions import DENVER, NOW
from tests.fhir.r4 import check_r4
from tests.fhir.read.reading import means
from tests.fhir.shelf import Shelf

MAPPINGS = Path(__file__).parents[3] / "mappings"
PATHWAY = "post-discharge-coordination"
ARRIVES = MAPPINGS / "pathways" / PATHWAY / "cases" / "resources"
HOURS = [0, 1, 5, 24, 66, 72, 76, 80, 96, 120, 168, 200, 336, 720]


@pytest.fixture(scope="module")
def library():
    return load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=NOW.date())


@pytest.fixture
def world(library):
    patient, discharged = (
        json.loads((ARRIVES / name).read_text("utf-8")) for name in ("patient.json", "discharged.json")
    )
    person = Reference(f"Patient/{patient['id']}")
    members = [(f"Practitioner/{role}", role) for role in library.roles]
    team = {**a_care_team(*members), "subject": {"reference": person}}
    staff = [a_practitioner(role, "Robin", role.title()) for role in library.roles]
    stored = [{**each, "meta": {"versionId": "1", "lastUpdated": UPDATED}} for each in (patient, discharged)]
    return person, Shelf([*stored, team, *staff])


def read(library, person, shelf, now):
    catalogue = Catalogue(zone=DENVER, roles={role: means(role) for role in library.roles})
    return read_person(shelf.by_reference.values(), person=person, catalogue=catalogue, now=now)


def reconciled(library, person, shelf, now):
    """Decide and write until nothing is left; AssertionError when that takes more than the two rounds that a
    follow-up needs whose opening lets the next stage begin."""
    pathway = library.pathways[PATHWAY]
    for _ in range(3):
        record = read(library, person, shelf, now)
        decisions = [each for each in decide_all([pathway], record, now) if not each.is_settled]
        if not decisions:
            return
        for decision in decisions:
            labels = high_water(shelf.by_reference.values())
            writes = render(
                decision,
                pathway=pathway,
                record=record,
                labels=labels,
                existing=shelf.by_reference,
                recorded_at=now,
            )
            for write in writes:
                check_r4(write.resource)
            shelf.write(writes, at=now)
    raise AssertionError(f"still something to write after two rounds at {now}")


def test_when_nobody_acts_the_ladders_rise_and_each_instant_settles(library, world):
    person, shelf = world

    for hours in HOURS:
        reconciled(library, person, shelf, NOW + timedelta(hours=hours))

    assert len(shelf.of("Task")) > 5
    assert shelf.of("Communication")
    assert read(library, person, shelf, NOW).unreadable == ()


def test_when_owners_answer_in_their_own_systems_each_instant_settles(library, world):
    person, shelf = world
    reconciled(library, person, shelf, NOW)

    for hours in HOURS[1:]:
        now = NOW + timedelta(hours=hours)
        for task in shelf.of("Task"):
            if task["status"] in {"requested", "accepted"}:
                status = "accepted" if task["status"] == "requested" else "completed"
                fields = [each["type"]["coding"][0]["code"] for each in task.get("input", [])]
                records = dict.fromkeys(fields, "recorded") if status == "completed" else {}
                answer = a_task_answer(task, status=status, at=now.isoformat(), records=records)
                answer["meta"] = {**task["meta"], "versionId": str(int(task["meta"]["versionId"]) + 1)}
                shelf.by_reference[Reference(f"Task/{task['id']}")] = answer
        reconciled(library, person, shelf, now)

    assert read(library, person, shelf, NOW).unreadable == ()
