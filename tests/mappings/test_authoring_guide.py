"""The authoring guide names every key of the grammar, and what it shows can be used as it stands."""

import json
import re
import shutil
from datetime import date
from zoneinfo import ZoneInfo

import pytest
import yaml

from service.domain.vocabulary import PathwayId
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.case_schema import CaseFile
from service.pathways.library import load_library
from service.pathways.problems import Severity
from service.pathways.rows import ROWS
from service.pathways.schema import PathwayFile
from service.pathways.site_files import CalendarsFile, RolesFile, SiteFile
from tests.mappings.shipped import MAPPINGS

GUIDE = (MAPPINGS / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
COMPILER = StrictPathCompiler(zone=ZoneInfo("America/Denver"))
BY_THEIR_NAME = {"tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
"""One weekday in an example is enough."""


def keys_of(schema):
    """Every key of a JSON schema and of what it refers to."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    named = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return named | keys_of(list(schema.values()))


def keys_shown_in(example):
    if isinstance(example, list):
        return set().union(*map(keys_shown_in, example)) if example else set()
    if not isinstance(example, dict):
        return set()
    return set(example) | keys_shown_in(list(example.values()))


def read(texts):
    return [yaml.load(text, Loader=yaml.BaseLoader) for text in texts]


SHOWN = set().union(*map(keys_shown_in, read([*EXAMPLES, *re.findall(r"`(\{.*?\})`", GUIDE)])))


def schemas():
    generated = json.loads((MAPPINGS / "pathway.schema.json").read_text(encoding="utf-8"))
    models = (PathwayFile, CaseFile, RolesFile, CalendarsFile, SiteFile)
    return [generated, *(model.model_json_schema(by_alias=True) for model in models)]


ALL_KEYS = sorted(keys_of(schemas()) - BY_THEIR_NAME)


def test_the_keys_are_found():
    assert {"pathway", "linked-by", "happened-at", "respond-within", "escalated", "service-providers"} <= set(
        ALL_KEYS
    )
    assert len(ALL_KEYS) > 80


@pytest.mark.parametrize("key", ALL_KEYS)
def test_every_key_of_the_grammar_is_in_the_guide(key):
    assert re.search(rf"[`{{]{re.escape(key)}[`:]", GUIDE), f"explain {key} in mappings/README.md"


@pytest.mark.parametrize("key", ALL_KEYS)
def test_every_key_of_the_grammar_has_an_example(key):
    assert key in SHOWN, f"show {key} in an example of mappings/README.md"


def test_no_example_shows_a_key_that_the_grammar_does_not_have():
    # What authors name themselves (levels, roles, tasks, elements, sources) stands in mappings of free names.
    free = {"coded", "sources", "criteria", "risk", "escalations", "roles", "calendars", "people", "records", "waives",
            "tasks", "owners", "due", "escalated", "measures", "task", "respond", "at-site", "resource", "coordination-need", "urgency",
            "due-in", "accept-within", "owner", "priority", "lead", "role", "capacity", "queue", "enrolled", "asked"}  # fmt: skip

    def unknown(value, under=""):
        if isinstance(value, list):
            return [found for each in value for found in unknown(each, under)]
        if not isinstance(value, dict):
            return []
        names = [] if under in free else [key for key in value if key not in known]
        return names + [found for key, inside in value.items() for found in unknown(inside, key)]

    known = keys_of(schemas())
    assert [name for example in read(EXAMPLES) for name in unknown(example)] == []


def test_every_kind_of_row_and_every_state_is_explained():
    # A row that holds rows is described among the definitions of its own schema.
    schemas = (row.model_json_schema(by_alias=True) for row in ROWS.values())
    parts = (part for schema in schemas for part in (schema, *schema.get("$defs", {}).values()))
    states = [
        word
        for part in parts
        for field in part.get("properties", {}).values()
        for option in field.get("anyOf", [field])
        for word in option.get("enum", [])
    ]

    assert {
        word for word in (*ROWS, *states) if f"`{word}`" not in GUIDE and f"{word}:" not in GUIDE
    } == set()


@pytest.fixture
def guided(tmp_path):
    """The shipped folder with the guide's whole pathway copied into it, as the guide says."""
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    (whole,) = [text for text in EXAMPLES if text.startswith("pathway: after-a-stay")]
    folder = tmp_path / "mappings" / "pathways" / "after-a-stay"
    folder.mkdir()
    (folder / "pathway.yaml").write_text(whole, encoding="utf-8")
    return tmp_path / "mappings"


def test_the_small_pathway_can_be_copied_as_it_stands(guided):
    library = load_library(guided, COMPILER, today=date(2026, 3, 6))
    about_it = [p for p in library.problems if "after-a-stay" in p.file]

    assert about_it == []
    assert library.pathways[PathwayId("after-a-stay")].title == "A call after a hospital stay"


@pytest.mark.parametrize("part", ["encounter-class-inpatient", "transition-coordinator", "due-in"])
def test_a_small_pathway_with_a_mistake_would_not_pass(guided, part):
    file = guided / "pathways" / "after-a-stay" / "pathway.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(part, "not-there"), encoding="utf-8")
    problems = load_library(guided, COMPILER, today=date(2026, 3, 6)).problems

    assert any(p.severity is Severity.ERROR and "after-a-stay" in p.file for p in problems)


def test_every_value_set_in_an_example_is_there():
    named = {name for text in EXAMPLES for name in re.findall(r"coded: \{([^}]*)\}", text)}
    sets = {pair.split(":")[-1].strip() for each in named for pair in each.split(",")}
    sets -= set(re.findall(r"^`mappings/valuesets/([^`]+)\.json`:$", GUIDE, flags=re.MULTILINE))

    assert {name for name in sets if not (MAPPINGS / "valuesets" / f"{name}.json").is_file()} == set()
    assert len(sets) >= 5


def test_every_file_that_the_guide_points_to_is_there():
    links = {
        link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", GUIDE) if not link.startswith("http")
    }

    assert {link for link in links if link and not (MAPPINGS / link).exists()} == set()


def test_every_place_in_the_guide_that_it_points_to_is_there():
    headings = re.findall(r"^#+ (.*)$", GUIDE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    named = set(re.findall(r"\]\(#([^)]+)\)", GUIDE))

    assert named - anchors == set()
    assert len(named) >= 10
