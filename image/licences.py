"""Writes the licence list of the environment that runs it: every package, its licence, and the texts it came with.

    <environment>/bin/python image/licences.py > LICENCES.md

The standard library only, because it runs where nothing but the packages themselves is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

NAMED = re.compile(r"(^|/)(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$", re.IGNORECASE)


def licence_of(package: Distribution) -> str:
    """What a package says of itself: the SPDX expression, else the old field, else its classifiers."""
    told = package.metadata
    if "License-Expression" in told:
        return told["License-Expression"]
    named = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or [] if c.startswith("License ::")]
    named = [each for each in named if each != "OSI Approved"]
    short = told["License"].strip() if "License" in told else ""
    return " AND ".join(named) or (short.splitlines()[0] if short else "not stated")


def texts_of(package: Distribution) -> list[tuple[str, str]]:
    """(path in the package, text) of each licence, notice and list of authors that it came with."""
    files = [path for path in package.files or () if NAMED.search(str(path))]
    return [(str(path), path.read_text(encoding="utf-8").strip()) for path in sorted(files, key=str)]


def document(packages: Iterable[Distribution]) -> str:
    """The whole list as Markdown: a table first, then the texts."""
    ordered = sorted(packages, key=lambda each: each.name.lower())
    rows = [f"| {each.name} | {each.version} | {licence_of(each)} |" for each in ordered]
    texts = [f"## {each.name}\n\n{_quoted(texts_of(each))}" for each in ordered]
    head = "# Licences\n\nEvery package in this image, as it describes itself.\n\n| package | version | licence |\n|---|---|---|"
    return "\n".join([head, *rows, "", "\n".join(texts)])


def _quoted(texts: list[tuple[str, str]]) -> str:
    return (
        "".join(f"### {path}\n\n```text\n{text}\n```\n\n" for path, text in texts) or "Came without a text.\n"
    )


if __name__ == "__main__":
    sys.stdout.write(document(distributions()))
