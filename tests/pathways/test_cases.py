"""Worked cases are read with aware times and real resources, and their mistakes are told like all others."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from service.domain.vocabulary import FollowUpStatus
from service.pathways.cases import read_case
from service.pathways.library import check_folder, load_library, read_cases
from tests.pathways.conftest import SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

CASE = """\
case: Reached on the next day
pathway: sample-follow-up
people: {coordinator: Practitioner/tess}
timeline:
  - at: 2026-03-06 16:30
    arrives: [discharged.json]
    resource: {resourceType: Patient, id: ann, active: true, multipleBirthInteger: 2, birthDate: 1990-01-01}
    expect: {stage: discharged, tasks: {confirm-receipt: requested}, due: {confirm-receipt: 2026-03-06 23:59:59}}
  - at: 2026-03-09 09:00
    task: {confirm-receipt: {status: completed, records: {current-risk: high}, waives: {receipt-confirmed: phoned}}}
    respond: {confirm-receipt: accepted}
    expect: {stage: outreach, unmet: [], missing: [discharge-date], escalated: {confirm-receipt: 1}, measures: {contact-within-7-days: [0, 1]}}
"""


@pytest.fixture
def case_file(mappings):
    folder = mappings / "pathways" / SAMPLE / "cases"
    (folder / "resources").mkdir(parents=True, exist_ok=True)
    (folder / "resources" / "discharged.json").write_text(
        json.dumps({"resourceType": "Encounter", "id": "1"})
    )
    path = folder / "reached.yaml"
    path.write_text(CASE)
    return path


@pytest.fixture
def read(mappings, case_file):
    library = load_library(mappings, FakeCompiler(), today=TODAY)
    return lambda: read_case(case_file, library.pathways[SAMPLE])


def test_a_case_is_read_whole(read):
    case, source = read()
    first, second = case.timeline

    assert source.problems == []
    assert first.at == datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
    assert (first.line, second.line) == (5, 9)
    assert first.arrives[0] == {"resourceType": "Encounter", "id": "1"}
    assert first.arrives[1] == {
        "resourceType": "Patient", "id": "ann", "active": True, "multipleBirthInteger": 2, "birthDate": "1990-01-01"
    }  # fmt: skip
    assert first.expect.due["confirm-receipt"].utcoffset() is not None
    assert second.tasks["confirm-receipt"].status is FollowUpStatus.COMPLETED
    assert second.tasks["confirm-receipt"].waives == {"receipt-confirmed": "phoned"}
    assert (second.expect.unmet, second.expect.variances) == (frozenset(), None)
    assert second.expect.measures == {"contact-within-7-days": (0, 1)}


@pytest.mark.parametrize(
    ("written", "instead", "code"),
    [
        ("pathway: sample", "pathway: simple", "id-and-folder-differ"),
        ("{coordinator: Pr", "{coordinater: Pr", "unknown-role"),
        ("tasks: {confirm-receipt", "tasks: {confirm-reciept", "unknown-task"),
        ("stage: outreach", "stage: outreech", "unknown-stage"),
        ("missing: [discharge-date]", "missing: [discharge-day]", "unknown-field"),
        ("waives: {receipt-confirmed", "waives: {receipt", "unknown-gate"),
        ("measures: {contact-within-7-days", "measures: {contact", "unknown-measure"),
        ("at: 2026-03-09 09:00", "at: 2026-03-05 09:00", "time-goes-back"),
        ("at: 2026-03-09 09:00", "at: 9 March", "bad-time"),
        ("at: 2026-03-09 09:00", "at: 2026-13-09 09:00", "bad-time"),
        ("[discharged.json]", "[discharge.json]", "unknown-file"),
        ("[discharged.json]", "[../../pathway.json]", "bad-file-name"),
        ("status: completed", "status: complete", "bad-choice"),
        ("[0, 1]", "[0]", "no-value"),
        ("id: ann, ", "", "not-a-resource"),
    ],
)
def test_a_mistake_in_a_case_is_told_at_its_place(mappings, case_file, written, instead, code):
    assert written in CASE
    case_file.write_text(CASE.replace(written, instead))
    problems = check_folder(mappings, FakeCompiler(), today=TODAY)

    assert [p.code for p in problems] == [code]
    assert instead.strip("[]{ ")[:6] in problems[0].source or code in {"not-a-resource", "no-value"}


def test_a_resource_that_is_not_json_is_told(read, case_file):
    (case_file.parent / "resources" / "discharged.json").write_text("{")
    case, source = read()

    assert case is None
    assert [p.code for p in source.problems] == ["bad-json"]


def test_cases_of_a_broken_pathway_are_still_checked_for_their_form(mappings, case_file, pathway_file):
    pathway_file.write_text("pathway: [")
    case_file.write_text(CASE.replace("case:", "cas:"))
    codes = {p.code for p in check_folder(mappings, FakeCompiler(), today=TODAY)}

    assert {"yaml", "unknown-key"} <= codes


def test_only_sound_cases_are_given_out(mappings, case_file):
    (case_file.parent / "broken.yaml").write_text("case: x\n")
    library = load_library(mappings, FakeCompiler(), today=TODAY)

    assert [case.title for case in read_cases(mappings, library)[SAMPLE]] == ["Reached on the next day"]


@pytest.mark.parametrize(
    ("as_it_was", "as_written", "told"),
    [
        ("{contact-within-7-days: [0, 1]}", "{contact-within-7-days: 0}", "write how many met it, and of how many: [1, 1]"),
        ("Practitioner/tess", "tess", "write Type/id, such as Practitioner/7 or Organization/7"),
    ],
)  # fmt: skip
def test_what_is_written_in_another_shape_is_told_with_the_one_that_is_wanted(
    read, case_file, as_it_was, as_written, told
):
    assert as_it_was in CASE
    case_file.write_text(CASE.replace(as_it_was, as_written))

    _, source = read()

    assert told in [problem.help for problem in source.problems]
