"""Writes mappings/pathway.schema.json from the grammar: python -m scripts.generate_pathway_schema"""

from pathlib import Path

from service.pathways.json_schema import pathway_schema

TARGET = Path(__file__).parent.parent / "mappings" / "pathway.schema.json"

if __name__ == "__main__":
    TARGET.write_text(pathway_schema(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
