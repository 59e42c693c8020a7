"""`throughline pathways simulate --bundle`: what pathways would do with somebody's record, without any server."""

import json
from pathlib import Path

import pytest

from service.app.exits import Exit
from service.domain.vocabulary import PathwayId
from tests.app.pasts import bundle_of, folder_with, fullest_case, library, played
from tests.app.test_cli import throughline
from tests.builders import a_condition, a_patient, an_encounter

POST_DISCHARGE = PathwayId("post-discharge-coordination")
DOCTOR = {"resourceType": "Practitioner", "id": "testerly", "name": [{"text": "Tessa Testerly"}]}
PATIENT = a_patient(generalPractitioner=[{"reference": "Practitioner/testerly"}])
WHO = f"Patient/{PATIENT['id']}"
STAY = an_encounter(subject={"reference": WHO})
DISCHARGED_AT = "2026-03-06T14:00:00-07:00"
DIAGNOSIS = a_condition(subject={"reference": WHO}, encounter={"reference": f"Encounter/{STAY['id']}"})


def a_file(folder, *resources, kind="collection"):
    content = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": each} for each in resources]}
    (folder / "person.json").write_text(json.dumps(content), "utf-8")
    return folder / "person.json"


@pytest.fixture
def file(tmp_path):
    return a_file(tmp_path, DOCTOR, PATIENT, STAY, DIAGNOSIS)


@pytest.fixture(autouse=True, scope="module")
def alone(tmp_path_factory):
    """One shipped pathway only; a cache, so that every command finds it."""
    MAPPINGS.append(folder_with(POST_DISCHARGE, tmp_path_factory.mktemp("site") / "mappings"))


MAPPINGS: list[Path] = []


def simulate(*arguments):
    return throughline("pathways", "simulate", *arguments, THROUGHLINE_MAPPINGS_DIR=str(MAPPINGS[-1]))


def told(*arguments):
    shown = simulate(*arguments, "--json")
    assert shown.exit_code == Exit.OK, shown.output
    return json.loads(shown.stdout)


def events(run):
    return [event for moment in run["timeline"] for event in moment["events"]]


def test_a_discharge_in_a_file_is_followed_up_and_silence_escalates(file):
    [run] = told(POST_DISCHARGE, "--bundle", file)

    assert (run["person"], set(run["pathways"])) == (WHO, {POST_DISCHARGE})
    assert run["timeline"][0]["at"] == DISCHARGED_AT
    assert any(event.startswith("task contact-person/1: requested") for event in run["timeline"][0]["events"])
    assert any(event.startswith("ESCALATION contact-person/1/") for event in events(run))
    assert run["notes"] == []


def test_time_goes_on_for_thirty_days_or_as_long_as_is_said(file):
    [whole] = told(POST_DISCHARGE, "--bundle", file)
    [short] = told(POST_DISCHARGE, "--bundle", file, "--until", "2026-03-07")

    assert (whole["until"], short["until"]) == ("2026-04-05T15:00:00-06:00", "2026-03-07T00:00:00-07:00")
    assert short["timeline"] == [moment for moment in whole["timeline"] if moment["at"] <= short["until"]]
    assert short["next_due_at"] > short["until"]


def test_it_reads_as_a_story(file):
    shown = simulate(POST_DISCHARGE, "--bundle", file, "--until", "2026-03-07")

    assert shown.exit_code == Exit.OK
    assert "Fri 2026-03-06 14:00  ENROLMENT post-discharge-coordination: active" in shown.stdout
    assert "due next: " in shown.stdout


def test_without_a_pathway_all_that_are_in_use_are_played(file):
    [run] = told("--bundle", file)

    assert run["pathways"] == {POST_DISCHARGE: library().pathways[POST_DISCHARGE].version}
    assert any(event.startswith(f"ENROLMENT {POST_DISCHARGE}: ") for event in events(run))


def test_where_nobody_can_hold_a_follow_up_an_accountable_person_stands_in_and_that_is_said(tmp_path):
    lonely = {name: value for name, value in STAY.items() if name != "participant"}
    patient = {name: value for name, value in PATIENT.items() if name != "generalPractitioner"}
    [run] = told(POST_DISCHARGE, "--bundle", a_file(tmp_path, patient, lonely, DIAGNOSIS))

    assert any("Accountable person" in event for event in events(run))
    [note] = run["notes"]
    assert note.startswith(
        "nobody in the file can hold a follow-up: an accountable person stands in, as THROUGHLINE_"
    )


def test_what_is_dated_by_a_server_long_after_still_comes_when_it_happened(tmp_path):
    late = {"meta": {"versionId": "1", "lastUpdated": "2026-11-02T08:00:00Z"}}
    file = a_file(tmp_path, *(each | late for each in (DOCTOR, PATIENT, STAY, DIAGNOSIS)))
    [run] = told(POST_DISCHARGE, "--bundle", file, "--until", "2026-04-01")

    assert run["timeline"][0]["at"] == DISCHARGED_AT


def test_a_history_comes_as_the_record_had_it(tmp_path):
    played_before = played(fullest_case(POST_DISCHARGE).with_stem("readmitted"))
    (tmp_path / "history.json").write_text(json.dumps(bundle_of(played_before)), "utf-8")
    [run] = told(
        POST_DISCHARGE, "--bundle", tmp_path / "history.json", "--until", "2026-03-11T06:10:01-06:00"
    )

    assert [m["at"] for m in run["timeline"]] == [m.at.isoformat() for m in played_before.moments]
    assert [m["events"] for m in run["timeline"]] == [list(m.events) for m in played_before.moments]


def test_each_person_of_a_file_is_told_apart(tmp_path):
    other = PATIENT | {"id": "ben"}
    file = a_file(tmp_path, DOCTOR, PATIENT, STAY, DIAGNOSIS, other)
    runs = told(POST_DISCHARGE, "--bundle", file)

    assert {run["person"]: bool(run["timeline"]) for run in runs} == {WHO: True, "Patient/ben": False}
    assert [run["person"] for run in told(POST_DISCHARGE, "--bundle", file, "--person", "Patient/ben")] == [
        "Patient/ben"
    ]
    assert "Nothing in the file begins a pathway." in simulate("--bundle", file).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], Exit.USAGE, "name a pathway to play its worked cases, or a file with --bundle FILE"),
        ([POST_DISCHARGE, "--until", "2026-04-01"], Exit.USAGE, "name a pathway to play its worked cases, or a file with --bundle FILE"),
        (["--bundle", "/nowhere/b.json"], Exit.NOT_FOUND, "/nowhere/b.json cannot be opened (No such file or directory)"),
        (["nope", "--bundle", "/nowhere/b.json"], Exit.NOT_FOUND, "there is no usable pathway 'nope'; there are: "),
        ([POST_DISCHARGE, "--version", "2001.1.0"], Exit.NOT_FOUND, "has no usable version '2001.1.0'; there are: "),
    ],
)  # fmt: skip
def test_what_cannot_be_played_says_why(arguments, status, sentence):
    shown = simulate(*arguments)

    assert (shown.exit_code, shown.stderr.count("\n")) == (status, 1)
    assert sentence in shown.stderr


def test_a_file_without_anybody_or_any_time_says_so(tmp_path):
    nobody = throughline(
        "pathways", "simulate", "--bundle", a_file(tmp_path, {"resourceType": "Location", "id": "w"})
    )
    timeless = simulate("--bundle", a_file(tmp_path, PATIENT))
    other = throughline(
        "pathways", "simulate", "--bundle", a_file(tmp_path, PATIENT), "--person", "Patient/eve"
    )

    assert nobody.stderr.endswith("person.json holds no Patient\n")
    assert timeless.stderr.endswith("does not say when anything happened: no resource in it has a time\n")
    assert other.stderr.endswith(f"holds no Patient/eve; there are {WHO}\n")
