"""The walk-through of the authoring guide, as somebody who follows it word for word would have it on disk."""

import re
import shutil
from pathlib import Path

from tests.mappings.shipped import MAPPINGS

GUIDE = (MAPPINGS / "README.md").read_text(encoding="utf-8")
WALK = GUIDE.partition("## Write the sixteenth pathway\n")[2].partition("\n## ")[0]
FILES: dict[str, str] = dict(
    re.findall(r"^`mappings/([^`]+)`:\n\n```\w+\n(.*?)^```$", WALK, flags=re.MULTILINE | re.DOTALL)
)
"""Path below the mappings folder -> what is written into it."""


def follow(folder: Path) -> Path:
    """A copy of the shipped folder into which somebody has written what the walk-through says, and nothing else."""
    shutil.copytree(MAPPINGS, folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
