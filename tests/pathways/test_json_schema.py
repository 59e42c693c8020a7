"""Editors get the same grammar as the loader."""

import json
from pathlib import Path

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
