"""A mappings folder in which only the pathways that a story is about enrol anybody, so that nothing else speaks in it.

The others stay in the folder as drafts, as at a site that has not approved them yet: pathways name one another.
"""

from __future__ import annotations

import shutil
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "mappings"


def folder_with(folder: Path, *pathways: str) -> Path:
    """`<folder>/mappings`: the shipped folder, in which only these are in use."""
    made = folder / "mappings"
    shutil.copytree(SHIPPED, made)
    known = {path.parent.name: path for path in made.glob("pathways/*/pathway.yaml")}
    assert set(pathways) <= set(known), f"shipped are {sorted(known)}"
    for name in known.keys() - set(pathways):
        text = known[name].read_text(encoding="utf-8")
        assert text.count("\nstatus: active\n") == 1
        known[name].write_text(text.replace("\nstatus: active\n", "\nstatus: draft\n"), encoding="utf-8")
    return made


def in_use(folder: Path, *pathways: str) -> dict[str, str]:
    """The environment of an installation in which only these of the shipped pathways are in use."""
    return {"THROUGHLINE_MAPPINGS_DIR": str(folder_with(folder, *pathways))}
