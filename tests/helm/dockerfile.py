"""The Dockerfile taken apart: what the running image says, for tests that run its processes without an image."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.helm.chart import ROOT

Instruction = tuple[str, str]
SITE = "/opt/throughline/site"


def instructions() -> Iterator[Instruction]:
    """(word, rest) of each instruction, continued lines joined, comments left out."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if rest:
            yield word, rest.strip()


def last_stage() -> list[Instruction]:
    """What the image that runs is made by."""
    found: list[Instruction] = []
    for instruction in instructions():
        found = [] if instruction[0] == "FROM" else [*found, instruction]
    return found


def image_entrypoint() -> list[str]:
    return next(list(json.loads(rest)) for word, rest in last_stage() if word == "ENTRYPOINT")


def image_environment() -> dict[str, str]:
    """Its own variables, PATH left out; the folders of the image are those of this checkout."""
    rest = " ".join(rest for word, rest in last_stage() if word == "ENV")
    said = dict(re.findall(r"([A-Z_]+)=(\S+)", rest))
    return {name: value.replace(SITE, str(ROOT)) for name, value in said.items() if name != "PATH"}
