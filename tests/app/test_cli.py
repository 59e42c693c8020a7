"""The command line as a new user meets it, wrong ways included: one line that says what to do, and a documented status."""

import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service.app.cli import EXITS, make_cli
from service.app.exits import MEANING, Exit
from service.domain.vocabulary import PathwayId
from tests.app.pasts import folder_with

NOWHERE = "http://127.0.0.1:1/fhir"
KNOWN = ", ".join(
    sorted(path.name for path in (Path(__file__).parents[2] / "mappings" / "pathways").iterdir())
)
BROKEN = {"pathways/broken/pathway.yaml": "pathway: broken\nversion: [\n"}
COMMANDS = (
    "up", "web", "mllp", "worker", "scheduler", "redis", "demo", "doctor", "reconcile", "measures", "senders", "replay",
    "pathways list", "pathways check", "pathways describe", "pathways export", "pathways publish", "pathways simulate",
    "subscriptions plan", "subscriptions apply", "subscriptions stop", "subscriptions status", "subscriptions topics",
    "dead-letters list", "dead-letters retry", "keys new", "keys show",
)  # fmt: skip


def throughline(*arguments, **environment):
    """Runs a command with only these settings; patience with a silent server is short."""
    cleared = {name: None for name in os.environ if name.startswith("THROUGHLINE_")}
    given = {"THROUGHLINE_LEASE_SECONDS": "5", "COLUMNS": "200"} | environment
    result = CliRunner().invoke(make_cli(), [str(each) for each in arguments], env=cleared | given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


@pytest.fixture(autouse=True)
def _logging_as_before():
    """Commands that stay set up the logging of their process; here they share ours."""
    before = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = before


def folder_of(files, folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command):
    shown = throughline(*command.split(), "--help")
    assert shown.exit_code == 0
    assert "Example: " in shown.output
    assert f"throughline {command}" in shown.output.replace("\n", " ")


def test_every_command_is_looked_at_here():
    names = set()
    for name, command in vars(typer.main.get_command(make_cli()))["commands"].items():
        below = getattr(command, "commands", None)
        names |= {f"{name} {each}" for each in below} if below else {name}
    assert names == set(COMMANDS)


HEAVY = {"celery", "fastapi", "httpx", "redis", "yaml", "service.domain.decide"}


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([*command.split(), "--help"] for command in COMMANDS)],
    ids=" ".join,
)
def test_help_and_version_answer_without_importing_what_only_work_needs(arguments):
    """What takes most of a second to import is imported by the command that needs it."""
    script = "import sys; from service.app.cli import main; sys.argv[1:] = sys.argv[2:]\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", script, "-", *arguments], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(shown.stdout.splitlines()[-1].split())


def test_each_exit_status_is_explained_once():
    assert set(MEANING) == set(Exit)
    assert all(f"{status.value} {MEANING[status]}" in EXITS for status in Exit)


def test_numbers_of_exit_statuses_never_change():
    assert {status.name: status.value for status in Exit} == {
        "OK": 0, "NOT_AS_IT_SHOULD_BE": 1, "USAGE": 2, "SETTINGS": 3, "FHIR_SERVER": 4, "REDIS": 5, "MAPPINGS": 6,
        "NOT_STARTED": 7, "NOT_FOUND": 8, "INTERRUPTED": 130,
    }  # fmt: skip


def test_the_version_is_one_line():
    shown = throughline("--version")
    assert (shown.exit_code, shown.output.split()[0]) == (0, "throughline")


GOLDEN = [
    (("up",), Exit.SETTINGS, "THROUGHLINE_FHIR_BASE_URL is missing: set it to the base address of a FHIR server, e.g. https://fhir.example.org/r4."),
    (("up", "--fhir", "ftp://x"), Exit.SETTINGS, "--fhir cannot be 'ftp://x': set it to the base address of a FHIR server, e.g. https://fhir.example.org/r4."),
    (("up", "--fhir", NOWHERE, "--port", "99999"), Exit.SETTINGS, "--port cannot be '99999': set it to a port number, e.g. 8080."),
    (("dead-letters", "list", "--redis", "redis://:hidden@"), Exit.SETTINGS, "--redis has a value that cannot be used: set it to the address of a Redis server, e.g. redis://localhost:6379/0."),
    (("dead-letters", "list"), Exit.SETTINGS, "THROUGHLINE_REDIS_URL is missing: set it to the address of a Redis server, e.g. redis://localhost:6379/0."),
    (("worker",), Exit.SETTINGS, "THROUGHLINE_REDIS_URL is missing: set it to the address of a Redis server, e.g. redis://localhost:6379/0. In the chart: existingSecret (key redis-url)."),
    (("web", "--port", "28080"), Exit.SETTINGS, "THROUGHLINE_SECRET_KEY is missing: set it to a long random text, e.g. <at least 32 characters>. In the chart: existingSecret (key secret-key)."),
    (("subscriptions", "plan", "--fhir", NOWHERE), Exit.SETTINGS, "THROUGHLINE_PUBLIC_URL is missing: set it to the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org."),
    (("reconcile",), Exit.USAGE, "name one person with --person Patient/ID, or everybody with --all"),
    (("reconcile", "--person", "Patient/1", "--all"), Exit.USAGE, "name one person with --person Patient/ID, or everybody with --all"),
    (("reconcile", "--person", "Ada", "--fhir", NOWHERE), Exit.NOT_FOUND, "a person is named by type and id, as in Patient/123, not 'Ada'"),
    (("replay",), Exit.USAGE, "name a person with --person Patient/ID, or a file with --bundle FILE"),
    (("replay", "--person", "Ada", "--fhir", NOWHERE), Exit.NOT_FOUND, "a person is named by type and id, as in Patient/123, not 'Ada'"),
    (("replay", "--bundle", "/nowhere/at-all.json"), Exit.NOT_FOUND, "/nowhere/at-all.json cannot be opened (No such file or directory)"),
    (("replay", "--bundle", "x.json", "--at", "tomorrow"), Exit.USAGE, "--at 'tomorrow' is not a day or an instant: write 2026-03-09 or 2026-03-09T12:00:00-07:00"),
    (("measures", "--pathway", "nope", "--fhir", NOWHERE), Exit.NOT_FOUND, f"there is no pathway 'nope'; there are: {KNOWN}"),
    (("pathways", "describe", "nope"), Exit.NOT_FOUND, f"there is no usable pathway 'nope'; there are: {KNOWN}"),
    (("pathways", "list", "--mappings", "/nowhere"), Exit.NOT_FOUND, "there is no mappings folder at /nowhere: name one with --mappings"),
]  # fmt: skip


def test_the_list_of_pathways_is_a_table_for_people_and_json_for_programs():
    table = throughline("pathways", "list")
    assert table.exit_code == Exit.OK
    rows = json.loads(throughline("pathways", "list", "--json").stdout)
    shown = {line.split()[0]: " ".join(line.split()) for line in table.stdout.splitlines()[1:]}
    said = [[str(value) for name, value in row.items() if name != "earlier"] for row in rows]
    assert shown == {row[0]: " ".join(row) for row in said}
    assert {tuple(row["earlier"]) for row in rows} == {()}


@pytest.mark.parametrize(("arguments", "status", "sentence"), GOLDEN, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")  # fmt: skip
def test_what_is_wrong_is_one_line_that_says_what_to_do(arguments, status, sentence):
    shown = throughline(*arguments)
    assert (shown.exit_code, shown.stderr) == (status, f"throughline: {sentence}\n")
    assert "hidden" not in shown.output


@pytest.mark.parametrize("arguments", [("reconcile", "--person", "Patient/1"), ("measures",)], ids="-".join)
def test_an_unreachable_fhir_server_has_a_status_of_its_own(arguments):
    shown = throughline(*arguments, "--fhir", NOWHERE)
    assert shown.exit_code == Exit.FHIR_SERVER
    assert shown.stderr.endswith(
        "(ConnectError). Check that it runs and that THROUGHLINE_FHIR_BASE_URL is right; try again later.\n"
    )


def test_an_unreachable_redis_has_a_status_of_its_own():
    shown = throughline("dead-letters", "list", "--redis", "redis://127.0.0.1:1/0")
    assert shown.exit_code == Exit.REDIS
    assert "check that Redis runs" in shown.stderr


@pytest.mark.parametrize(
    "arguments", [("up", "--fhir", NOWHERE), ("reconcile", "--person", "Patient/1", "--fhir", NOWHERE)]
)
def test_broken_pathways_stop_before_anything_starts(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = folder_of(BROKEN, tmp_path / "mappings")
    shown = throughline(*arguments, THROUGHLINE_MAPPINGS_DIR=str(broken))
    assert shown.exit_code == Exit.MAPPINGS
    assert "See each with its line: throughline pathways check" in shown.stderr
    assert not (tmp_path / ".throughline").exists()


def test_check_shows_broken_pathways_and_ends_with_status_1(tmp_path):
    broken = folder_of(BROKEN, tmp_path)
    shown = throughline("pathways", "check", "--mappings", broken)
    assert shown.exit_code == Exit.NOT_AS_IT_SHOULD_BE
    assert "pathways/broken/pathway.yaml:" in shown.output
    found = json.loads(throughline("pathways", "check", "--mappings", broken, "--json").stdout)
    assert any(problem["severity"] == "error" for problem in found)


def test_a_pathway_is_described_into_a_file(tmp_path):
    path = tmp_path / "pathway.md"
    shown = throughline("pathways", "describe", "crisis-to-outpatient", "--output", path)
    assert shown.exit_code == 0
    assert path.read_text("utf-8").startswith("# Crisis to outpatient follow-up")
    refused = throughline("pathways", "describe", "crisis-to-outpatient", "-o", tmp_path / "no" / "such.md")
    assert refused.exit_code == Exit.NOT_FOUND
    assert refused.stderr.endswith("such.md cannot be written (No such file or directory)\n")


def test_versions_are_published_one_by_one_or_all_at_once_and_listed(tmp_path):
    mappings = folder_with(PathwayId("post-discharge-coordination"), tmp_path / "mappings")
    neither = throughline("pathways", "publish", "--mappings", mappings)
    assert (neither.exit_code, neither.stderr) == (
        Exit.USAGE,
        "throughline: name one pathway, or say --all\n",
    )
    kept = mappings / "pathways" / "post-discharge-coordination" / "versions"
    [done] = json.loads(throughline("pathways", "publish", "--all", "--mappings", mappings, "--json").stdout)
    assert (done["pathway"], done["is_new"], done["file"]) == (
        "post-discharge-coordination",
        True,
        str(kept / f"{done['version']}.yaml"),
    )
    again = throughline("pathways", "publish", "post-discharge-coordination", "--mappings", mappings)
    assert (
        again.stderr
        == f"Version {done['version']} of post-discharge-coordination was published before and has not changed since.\n"
    )
    file = kept.parent / "pathway.yaml"
    file.write_text(
        file.read_text("utf-8").replace(f"version: {done['version']}", "version: 2099.1.0"), "utf-8"
    )
    [row] = json.loads(throughline("pathways", "list", "--mappings", mappings, "--json").stdout)
    assert (row["version"], row["earlier"]) == ("2099.1.0", [done["version"]])
    assert done["version"] in throughline("pathways", "list", "--mappings", mappings).stdout
    described = throughline(
        "pathways",
        "describe",
        "post-discharge-coordination",
        "--version",
        done["version"],
        "--mappings",
        mappings,
    )
    assert f"`post-discharge-coordination` version {done['version']}, active" in described.stdout


def test_a_draft_is_not_published_and_a_changed_version_stops_the_start(tmp_path):
    mappings = folder_with(PathwayId("post-discharge-coordination"), tmp_path / "mappings")
    file = mappings / "pathways" / "post-discharge-coordination" / "pathway.yaml"
    sound = file.read_text("utf-8")
    file.write_text(sound.replace("status: active", "status: draft"), "utf-8")
    draft = throughline("pathways", "publish", "post-discharge-coordination", "--mappings", mappings)
    assert (draft.exit_code, "post-discharge-coordination is a draft" in draft.stderr) == (
        Exit.NOT_AS_IT_SHOULD_BE,
        True,
    )
    file.write_text(sound, "utf-8")
    throughline("pathways", "publish", "post-discharge-coordination", "--mappings", mappings)
    file.write_text(f"{sound}# changed\n", "utf-8")
    checked = throughline("pathways", "check", "--mappings", mappings)
    assert (checked.exit_code, "[published-version-changed]" in checked.stdout) == (1, True)
    started = throughline(
        "reconcile", "--person", "Patient/1", "--fhir", NOWHERE, THROUGHLINE_MAPPINGS_DIR=str(mappings)
    )
    assert started.exit_code == Exit.MAPPINGS


def test_the_stages_are_drawn_into_a_file_beside_the_page_or_alone(tmp_path):
    svg, page = tmp_path / "pathway.svg", tmp_path / "pathway.md"
    alone = throughline("pathways", "describe", "crisis-to-outpatient", "--svg", svg)
    assert (alone.exit_code, alone.stdout, alone.stderr) == (0, "", f"Written to {svg}.\n")
    assert svg.read_text("utf-8").startswith("<svg ")
    both = throughline("pathways", "describe", "crisis-to-outpatient", "--svg", svg, "--output", page)
    assert both.stderr == f"Written to {svg}.\nWritten to {page}.\n"
    assert page.is_file()
    refused = throughline(
        "pathways", "describe", "crisis-to-outpatient", "--svg", tmp_path / "no" / "such.svg"
    )
    assert refused.exit_code == Exit.NOT_FOUND


def test_a_simulation_reads_as_a_story_and_as_json():
    told = throughline("pathways", "simulate", "post-discharge-coordination", "--case", "nobody-acts")
    assert told.exit_code == 0
    assert "task contact-person/1: requested, Tess, waiting to be accepted" in told.stdout
    assert "✓ as expected" in told.stdout
    [run] = json.loads(
        throughline("pathways", "simulate", "post-discharge-coordination", "--case", "nobody-acts", "--json").stdout
    )  # fmt: skip
    assert run["mismatches"] == []
    assert run["timeline"][0]["at"] == "2026-03-06T16:45:00-07:00"


def test_a_case_that_does_not_exist_is_answered_with_those_that_do():
    shown = throughline("pathways", "simulate", "crisis-to-outpatient", "--case", "nix")
    assert shown.exit_code == Exit.NOT_FOUND
    assert "has no worked case named like 'nix'; there are: " in shown.stderr
    assert "nobody-acts" in shown.stderr


def test_doctor_speaks_json_and_ends_with_status_1_when_something_must_be_mended():
    shown = throughline("doctor", "--json")
    assert shown.exit_code == Exit.NOT_AS_IT_SHOULD_BE
    found = json.loads(shown.stdout)
    assert found[0] == {
        "about": "settings",
        "outcome": "bad",
        "sentence": "THROUGHLINE_FHIR_BASE_URL is not set: there is no record to watch.",
        "remedy": "Set it to the base address of your FHIR server, e.g. https://fhir.example.org/r4. In the chart: fhir.baseUrl.",
    }


@pytest.mark.parametrize("command", ["up", "web", "demo"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(command, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        options = ["--port", str(port)] + ([] if command == "web" else ["--state-dir", str(tmp_path / "new")])
        shown = throughline(
            command,
            *options,
            THROUGHLINE_FHIR_BASE_URL=NOWHERE,
            THROUGHLINE_REDIS_URL="redis://127.0.0.1:1/0",
            THROUGHLINE_SECRET_KEY="0123456789abcdef",
        )
    assert shown.exit_code == Exit.NOT_STARTED
    assert shown.stderr == (
        f"throughline: Port {port} on 127.0.0.1 is taken by another program. Choose another one, e.g. --port {port + 1}.\n"
    )


def test_a_foreign_address_is_refused_in_words(tmp_path):
    shown = throughline("up", "--fhir", NOWHERE, "--host", "192.0.2.1", "--state-dir", tmp_path)
    assert shown.exit_code == Exit.NOT_STARTED
    assert "This machine cannot listen at 192.0.2.1." in shown.stderr


@pytest.mark.parametrize(("command", "options"), [("up", ["--fhir", NOWHERE]), ("demo", [])])
def test_a_state_folder_that_cannot_be_made_is_named_with_its_option(command, options, tmp_path):
    (tmp_path / "file").touch()
    shown = throughline(command, *options, "--state-dir", tmp_path / "file" / "state")
    assert shown.exit_code == Exit.NOT_STARTED
    assert shown.stderr.endswith("Name one that may be written with --state-dir.\n")
