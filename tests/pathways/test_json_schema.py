"""Editors get the same grammar as the loader."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from service.pathways.json_schema import pathway_schema
from service.pathways.schema import PathwayFile

PUBLISHED = Path(__file__).parents[2] / "mappings" / "pathway.schema.json"


def test_the_published_schema_is_up_to_date():
    """To fix: python -m scripts.generate_pathway_schema"""
    assert PUBLISHED.read_text() == pathway_schema()


def test_the_schema_knows_every_key_and_no_other():
    schema = json.loads(pathway_schema())

    assert set(schema["properties"]) == {field.alias for field in PathwayFile.model_fields.values()}
    assert schema["additionalProperties"] is False
    assert "null" not in pathway_schema()


MAPPINGS = PUBLISHED.parent
PATHWAYS = sorted((MAPPINGS / "pathways").glob("*/pathway.yaml"))


@pytest.fixture(scope="module")
def editor():
    """What an editor asks: the published schema over YAML with its types."""
    schema = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_an_editor_reads(text):
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


@pytest.mark.parametrize("path", PATHWAYS, ids=lambda path: path.parent.name)
def test_an_editor_marks_nothing_in_a_sound_file(editor, path):
    errors = editor.iter_errors(as_an_editor_reads(path.read_text("utf-8")))

    assert [(list(error.absolute_path), error.message[:200]) for error in errors] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("status: active", "status: actif"),
        ("lead:", "leed:"),
        ("due-in: 24 hours", "due-in: 24 ours"),
        ("final: true", "final: perhaps"),
        ("priority: urgent", "priority: hurry"),
    ],
)
def test_an_editor_marks_a_mistake(editor, right, wrong):
    text = (MAPPINGS / "pathways" / "crisis-to-outpatient" / "pathway.yaml").read_text("utf-8")
    assert right in text

    assert list(editor.iter_errors(as_an_editor_reads(text.replace(right, wrong))))
