"""`throughline replay` as people use it: on a real FHIR server, and on a file; wrong ways included."""

import json
from datetime import timedelta

import pytest

from service.adapters.clocks import set_clock
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.app.exits import Exit
from service.domain.vocabulary import PathwayId
from service.ports import Capabilities, Write
from tests.app.pasts import bundle_of, folder_with, fullest_case, played
from tests.app.test_cli import throughline
from tests.builders import a_condition, a_patient, an_encounter
from tests.sandbox import HOUSE_NOW

PATHWAY = PathwayId("post-discharge-coordination")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One shipped pathway, with an earlier version and a current one that hurries."""
    mappings = folder_with(PATHWAY, tmp_path_factory.mktemp("site") / "mappings")
    file = mappings / "pathways" / PATHWAY / "pathway.yaml"
    file.write_text(_as_version(file.read_text("utf-8"), "2026.1.0"), "utf-8")
    assert throughline("pathways", "publish", PATHWAY, "--mappings", mappings).exit_code == Exit.OK
    text = file.read_text("utf-8").replace("due-in: 72 hours", "due-in: 1 hours")
    file.write_text(_as_version(text, "2099.1.0"), "utf-8")
    return mappings


def _as_version(text, version):
    return "\n".join(
        f"version: {version}" if line.startswith("version: ") else line for line in text.split("\n")
    )


@pytest.fixture
def file(tmp_path):
    run = played(fullest_case(PATHWAY).with_stem("readmitted"))
    text = json.dumps(bundle_of(run))
    [own] = {line.partition("|")[2].partition('"')[0] for line in text.split("PlanDefinition/" + PATHWAY)[1:]}
    (tmp_path / "person.json").write_text(text.replace(f"{PATHWAY}|{own}", f"{PATHWAY}|2026.1.0"), "utf-8")
    return tmp_path / "person.json"


def test_a_file_is_replayed_without_any_server(file, folder):
    shown = throughline("replay", "--bundle", file, "--mappings", folder)

    assert (shown.exit_code, shown.stderr) == (Exit.OK, "12 of 12 recorded decisions come to the same.\n")
    assert (
        shown.stdout.splitlines()[0]
        == "Fri 2026-03-06 16:45  post-discharge-coordination/Encounter/stay 2026.1.0  the same"
    )


def test_a_replay_is_told_to_programs(file, folder):
    told = json.loads(throughline("replay", "--bundle", file, "--mappings", folder, "--json").stdout)

    assert told["person"] == "Patient/riley"
    assert {d["same"] for d in told["decisions"]} == {True}
    assert told["decisions"][0] | {"rules": ""} == {
        "at": "2026-03-06T16:45:00-07:00", "enrolment": "post-discharge-coordination/Encounter/stay", "pathway": PATHWAY,
        "version": "2026.1.0", "provenance": told["decisions"][0]["provenance"], "rules": "", "same": True,
        "differences": [], "lost": [], "not_compared": [],
    }  # fmt: skip


def test_a_decision_that_differs_ends_with_status_1(file, folder):
    bundle = json.loads(file.read_text("utf-8"))
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Provenance":
            entry["resource"]["activity"] = {"text": "nobody knows why"}
    file.write_text(json.dumps(bundle), "utf-8")
    shown = throughline("replay", "--bundle", file, "--mappings", folder)

    assert (shown.exit_code, shown.stderr) == (1, "0 of 12 recorded decisions come to the same.\n")
    assert "otherwise" in shown.stdout
    assert "; and were: nobody knows why" in shown.stdout


def test_only_up_to_an_instant(file, folder):
    shown = throughline("replay", "--bundle", file, "--mappings", folder, "--at", "2026-03-09")

    assert shown.stderr == "2 of 2 recorded decisions come to the same.\n"


def test_another_version_is_told_as_a_timeline_of_differences(file, folder):
    shown = throughline("replay", "--bundle", file, "--mappings", folder, "--version", "2099.1.0")

    assert shown.exit_code == 0
    assert "Patient/riley on post-discharge-coordination: - 2026.1.0  + 2099.1.0" in shown.stdout
    assert "- task confirm-appointments/1: requested, Tess" in shown.stdout
    assert "+ task confirm-appointments/1: requested, Tess" in shown.stdout
    assert "the two differ at " in shown.stderr


def test_the_same_version_makes_no_difference(file, folder):
    shown = throughline(
        "replay", "--bundle", file, "--mappings", folder, "--version", "2026.1.0", "--at", "2026-03-12"
    )

    assert shown.stderr == "Up to 2026-03-11 18:00 version 2026.1.0 would have done the same as 2026.1.0.\n"


def test_differences_are_told_to_programs(file, folder):
    told = json.loads(
        throughline(
            "replay", "--bundle", file, "--mappings", folder, "--version", "2099.1.0", "--json"
        ).stdout
    )

    assert (told["version"], told["other"], told["pathway"]) == ("2026.1.0", "2099.1.0", PATHWAY)
    assert set(told["timeline"][0]) == {"at", "2026.1.0", "2099.1.0"}
    assert told["timeline"][0]["at"] == "2026-03-06T16:45:00-07:00"


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--version", "2001.1.0"], Exit.NOT_FOUND, "post-discharge-coordination has no version '2001.1.0'; there are: 2099.1.0, 2026.1.0"),
        (["--pathway", "nope"], Exit.NOT_FOUND, "there is no pathway 'nope'; there are: "),
        (["--person", "Patient/eve"], Exit.NOT_AS_IT_SHOULD_BE, "person.json holds no Patient/eve; there is Patient/riley"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(file, folder, options, status, sentence):
    shown = throughline("replay", "--bundle", file, "--mappings", folder, *options)

    assert (shown.exit_code, sentence in shown.stderr, shown.stderr.count("\n")) == (status, True, 1)


PATIENT = {"resourceType": "Patient", "id": "ana"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not well-formed JSON (line 1, column 2)"),
        ("[" * 100_000, "is not JSON in UTF-8"),
        ("{}", "cannot be used: it is not a FHIR Bundle: its resourceType must be Bundle"),
        (json.dumps({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Flag", "id": "f"}}]}), "is not about one person: name one with --person; there is no Patient in it"),
        (json.dumps({"resourceType": "Bundle", "entry": [{"resource": PATIENT}, {"resource": PATIENT | {"id": "ben"}}]}), "is not about one person: name one with --person; there are Patient/ana, Patient/ben"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(tmp_path, content, sentence):
    (tmp_path / "b.json").write_text(content, "utf-8")
    shown = throughline("replay", "--bundle", tmp_path / "b.json")

    assert shown.exit_code == Exit.NOT_AS_IT_SHOULD_BE
    assert shown.stderr == f"throughline: {tmp_path / 'b.json'} {sentence}\n"


def test_a_person_about_whom_nothing_was_decided_is_told(tmp_path, folder):
    (tmp_path / "b.json").write_text(
        json.dumps({"resourceType": "Bundle", "entry": [{"resource": PATIENT}]}), "utf-8"
    )
    shown = throughline("replay", "--bundle", tmp_path / "b.json", "--mappings", folder)
    asked = throughline(
        "replay", "--bundle", tmp_path / "b.json", "--mappings", folder, "--version", "2026.1.0"
    )

    assert (shown.exit_code, shown.stderr) == (0, "No decision about Patient/ana is recorded there.\n")
    assert "Patient/ana is on no pathway yet: say with --pathway which one is meant" in asked.stderr


# --- on a server


@pytest.fixture(scope="module")
def site(sandbox, tmp_path_factory):
    """Somebody who was discharged, looked at, not called for four days, and looked at again."""
    clock = tmp_path_factory.mktemp("clock") / "clock"
    set_clock(clock, HOUSE_NOW)
    with FhirClient(sandbox.base_url) as client:
        record = HttpFhirRecord(client, Capabilities())

        def write(resource):
            body = {k: v for k, v in resource.items() if k not in {"id", "meta"}}
            return record.create(Write(resource=body, full_url="urn:uuid:looking-back")).reference

        doctor = write({"resourceType": "Practitioner", "name": [{"family": "Testerly"}]})
        patient = write(a_patient(generalPractitioner=[{"reference": doctor}]))
        stay = write(an_encounter(subject={"reference": patient}))
        write(a_condition(subject={"reference": patient}, encounter={"reference": stay}))
    environment = {
        "THROUGHLINE_FHIR_BASE_URL": sandbox.base_url,
        "THROUGHLINE_CLOCK_FILE": str(clock),
        "THROUGHLINE_MAPPINGS_DIR": str(folder_with(PATHWAY, clock.parent / "mappings")),
    }
    for days in (0, 4):
        set_clock(clock, HOUSE_NOW + timedelta(days=days))
        for _ in range(2):
            assert throughline("reconcile", "--person", patient, **environment).exit_code == Exit.OK
    return patient, environment


def test_decisions_on_a_real_server_replay_to_equality(site):
    person, environment = site
    told = json.loads(throughline("replay", "--person", person, "--json", **environment).stdout)

    assert [(d["differences"], d["lost"], d["not_compared"]) for d in told["decisions"]] == [([], [], [])] * 2
    assert [d["at"] for d in told["decisions"]] == ["2026-03-06T16:30:00-07:00", "2026-03-10T16:30:00-06:00"]
    assert told["notes"] == []


def test_another_version_is_tried_on_what_a_server_holds(site, folder):
    person, environment = site
    told = json.loads(
        throughline(
            "replay", "--person", person, "--pathway", PATHWAY, "--version", "2099.1.0", "--mappings", folder, "--json",
            THROUGHLINE_TIMEZONE="America/Denver", **environment,
        ).stdout
    )  # fmt: skip

    assert told["other"] == "2099.1.0"
    assert any("due Fri 03-06" in event for event in told["timeline"][0]["2099.1.0"])


def test_a_person_whom_the_server_does_not_have_is_not_found(site):
    _, environment = site
    shown = throughline("replay", "--person", "Patient/nobody-here", **environment)

    assert (shown.exit_code, "there is no Patient/nobody-here on the FHIR server" in shown.stderr) == (
        8,
        True,
    )
