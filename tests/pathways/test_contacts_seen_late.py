"""A worked case of a series whose first contact stands in the record before anybody was asked for one."""

from __future__ import annotations

import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.app.practice import practice_of
from service.app.worked_cases import run_case
from service.domain.vocabulary import PathwayId
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.cases import read_case
from service.pathways.library import load_library
from service.pathways.problems import render_problem
from tests.mappings.shipped import MAPPINGS
from tests.sandbox import HOUSE_NOW

PATHWAY = """
pathway: calls-after-a-stay
title: Calls after a hospital stay
version: 2026.1.0
status: active
calendar: community-clinic
lead: pathway-lead
governance:
  steward: Behavioral Health Quality Committee
  approved-on: 2026-01-15
  review-by: 2027-01-15
  sources: {local-policy: The clinic's policy on follow-up after a hospital stay}
starts:
  - title: Hospital stay ended
    resource: Encounter
    when: status = 'finished'
    coded: {class: encounter-class-inpatient}
    within: 30 days
stages:
  - id: left-hospital
    title: Left hospital
    tasks:
      - id: call
        title: Call the person
        ask: Call the person and ask how they are.
        owner: transition-coordinator
        accept-within: 8 working-hours
        due-in: 72 hours
        series: [7 days, 14 days]
        done-when:
          - {resource: Communication, when: status = 'completed', coded: {category: follow-up-contact}}
        escalation: not-called
        why: local-policy
  - id: in-contact
    title: In contact
    final: true
    enter:
      - {task: call, is: series-completed}
escalations:
  not-called:
    title: The person has not been called yet
    why: local-policy
    rungs:
      - {after: 0 hours, notify: clinical-supervisor, priority: urgent, respond-within: 4 hours}
  unowned:
    title: A role has nobody named for it
    why: local-policy
    rungs:
      - {after: 0 hours, notify: pathway-lead, priority: urgent, respond-within: 8 working-hours}
measures:
  - id: called-within-72-hours
    title: Called within 72 hours
    numerator: [{task: call, is: completed}]
    within: 72 hours
    why: local-policy
"""

CODING = "{system: https://throughline.example/fhir/CodeSystem/contact-kind, code: follow-up-contact}"
CALLED = """
      resourceType: Communication
      id: {name}
      status: completed
      category: [{{coding: [{coding}]}}]
      subject: {{reference: Patient/riley}}
      sent: "{sent}"
"""

CASE = """
case: Discharged on Friday and called on Saturday; the record tells of both on Wednesday
pathway: calls-after-a-stay
people: {{transition-coordinator: Practitioner/tess, clinical-supervisor: Practitioner/sam, pathway-lead: Practitioner/lena}}
timeline:
  - at: 2026-03-11 09:00
    resource:{saturday}
  - at: 2026-03-11 09:01
    arrives: [patient.json, discharged.json]
    expect:
      tasks: {{call: requested}}
      owners: {{call: Practitioner/tess}}
      due: {{call: 2026-03-14 23:59}}
      escalated: {{call: 0}}
      variances: [already-done]
      measures: {{called-within-72-hours: [1, 1]}}
  - at: 2026-03-11 10:00
    task: {{call: {{status: accepted}}}}
  - at: 2026-03-13 10:00
    task: {{call: {{status: completed}}}}
    expect:
      tasks: {{call: requested}}
      due: {{call: 2026-03-27 23:59}}
  - at: 2026-03-13 11:00
    task: {{call: {{status: accepted}}}}
  - at: 2026-03-27 10:00
    resource:{friday}
    expect: {{stage: in-contact, status: completed, escalated: {{call: 0}}}}
"""


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    made = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, made)
    folder = made / "pathways" / "calls-after-a-stay"
    shutil.copytree(made / "pathways" / "post-discharge-coordination" / "cases" / "resources",
                    folder / "cases" / "resources")  # fmt: skip
    (folder / "pathway.yaml").write_text(PATHWAY)
    (folder / "cases" / "told-on-wednesday.yaml").write_text(
        CASE.format(saturday=_called("first", "2026-03-07T10:00:00-07:00"),
                    friday=_called("third", "2026-03-27T09:30:00-06:00"))
    )  # fmt: skip
    return made


def _called(name: str, sent: str) -> str:
    return CALLED.format(name=name, sent=sent, coding=CODING)


def test_the_series_goes_on_from_the_contact_that_was_made(mappings: Path) -> None:
    compiler = StrictPathCompiler(zone=ZoneInfo("America/Denver"))
    library = load_library(mappings, compiler, today=HOUSE_NOW.date())
    pathway = library.pathways[PathwayId("calls-after-a-stay")]
    case, source = read_case(mappings / "pathways" / pathway.id / "cases" / "told-on-wednesday.yaml", pathway)
    assert case is not None, "\n".join(render_problem(problem) for problem in source.problems)

    run = run_case(case, pathway, practice_of(library, zone=pathway.calendar.timezone, base_url=""))

    assert [str(mismatch) for mismatch in run.mismatches] == []
