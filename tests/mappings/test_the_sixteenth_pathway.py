"""Who follows the guide's walk-through word for word has a pathway that people are on, without a change of any program."""

import json
import os
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from service.app.cli import make_cli
from service.app.practice import practice_of
from service.app.simulation import Simulation
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.references import identifier_values
from service.pathways.library import load_library
from service.pathways.problems import Severity
from tests.mappings.shipped import MAPPINGS
from tests.mappings.walk_through import FILES, WALK, follow
from tests.sandbox import HOUSE_NOW

COMMANDS = [
    line.removeprefix("throughline ").split()
    for block in re.findall(r"```console\n(.*?)```", WALK, flags=re.DOTALL)
    for line in block.splitlines()
]
DENVER = ZoneInfo("America/Denver")
ROBIN = Reference("Patient/robin")


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    return follow(tmp_path_factory.mktemp("site") / "mappings")


@pytest.fixture(scope="module")
def library(followed):
    return load_library(followed, StrictPathCompiler(zone=DENVER), today=HOUSE_NOW.date())


def throughline(arguments, folder):
    cleared = {name: None for name in os.environ if name.startswith("THROUGHLINE_")}
    environment = cleared | {"THROUGHLINE_MAPPINGS_DIR": str(folder), "COLUMNS": "200"}
    return CliRunner().invoke(make_cli(), arguments, env=environment)


def test_the_walk_through_shows_every_file_that_it_needs():
    assert list(FILES) == [
        "valuesets/request-home-visit.json",
        "pathways/home-visit/cases/resources/patient.json",
        "pathways/home-visit/cases/resources/requested.json",
        "pathways/home-visit/cases/visited.yaml",
        "pathways/home-visit/cases/nobody-goes.yaml",
        "pathways/home-visit/pathway.yaml",
        "pathways/home-visit/CHANGELOG.md",
    ]
    assert [" ".join(command) for command in COMMANDS] == [
        "pathways check",
        "pathways simulate home-visit",
        "pathways describe home-visit",
        "pathways publish home-visit",
    ]
    assert "mkdir -p mappings/pathways/home-visit/cases/resources" in WALK


def test_the_new_pathway_is_sound_and_spoils_none_of_the_others(library):
    shipped = {path.parent.name for path in (MAPPINGS / "pathways").glob("*/pathway.yaml")}

    assert [p for p in library.problems if p.severity is Severity.ERROR or "home-visit" in p.file] == []
    assert set(library.pathways) == shipped | {"home-visit"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_of_the_walk_through_succeeds(command, followed):
    told = throughline(command, followed)

    assert told.exit_code == 0, told.output
    if command[1] == "simulate":
        assert told.output.count("✓ as expected") == len(
            [name for name in FILES if "/cases/" in name and ".yaml" in name]
        )
    if command[1] == "describe":
        assert "Visit the person at home" in told.output
        assert "The clinic's policy on visits at home" in told.output
    if command[1] == "publish":
        assert (followed / "pathways/home-visit/versions/2026.1.0.yaml").is_file()


def test_a_story_that_does_not_hold_says_so(tmp_path):
    folder = follow(tmp_path / "mappings")
    file = folder / "pathways/home-visit/pathway.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("urgent: 4 hours", "urgent: 8 hours"), encoding="utf-8"
    )
    told = throughline(["pathways", "simulate", "home-visit"], folder)

    assert told.exit_code == 1
    assert "✗" in told.output


def people_of_the_clinic():
    """Robin, and a care team in which the roles of the new pathway have names."""
    roles = {
        "case-manager": "cora",
        "outpatient-clinician": "omar",
        "clinical-supervisor": "sam",
        "clinical-director": "dara",
    }
    yield json.loads(FILES["pathways/home-visit/cases/resources/patient.json"])
    yield from (
        {"resourceType": "Practitioner", "id": who, "name": [{"text": who.title()}]} for who in roles.values()
    )
    yield {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": ROBIN},
        "participant": [
            {
                "role": [{"coding": [{"system": f"{systems.BASE}/CodeSystem/role", "code": role}]}],
                "member": {"reference": f"Practitioner/{who}"},
            }
            for role, who in roles.items()
        ],
    }


def asked_for_as_in_the_walk_through(at):
    """The request that the walk-through sends to the demonstration's record, for Robin and at this instant."""
    [sent] = re.findall(r"-d @- <<END\n(.*?)^END$", WALK, flags=re.MULTILINE | re.DOTALL)
    request = json.loads(
        sent.replace("$PERSON", "robin").replace("$(date -u +%Y-%m-%dT%H:%M:%SZ)", at.isoformat())
    )
    return {**request, "id": "visit"}


def test_whoever_asks_as_the_walk_through_does_is_followed_up_beside_all_shipped_pathways(library):
    life = Simulation(practice_of(library, zone=DENVER, base_url=""), HOUSE_NOW)
    for resource in (*people_of_the_clinic(), asked_for_as_in_the_walk_through(HOUSE_NOW)):
        life.arrives(resource)
    life.look()

    seen = life.seen(ROBIN)
    assert [(e.pathway, e.stage, e.lead) for e in seen.enrolments] == [
        ("home-visit", "requested", "Practitioner/cora")
    ]
    [task] = seen.follow_ups
    assert (task.task, task.owner, task.priority) == ("arrange-visit", "Practitioner/cora", "urgent")
    assert task.complete_by == HOUSE_NOW + timedelta(hours=4)

    life.passes_until(HOUSE_NOW + timedelta(hours=9))

    told = [r for r in life.record.everything() if list(identifier_values(r, systems.NOTICE))]
    assert [each["recipient"][0]["reference"] for each in told] == ["Practitioner/sam", "Practitioner/dara"]


def test_without_the_request_nobody_is_on_it(library):
    life = Simulation(practice_of(library, zone=DENVER, base_url=""), HOUSE_NOW)
    for resource in people_of_the_clinic():
        life.arrives(resource)
    life.look()

    assert life.seen(ROBIN).enrolments == ()
