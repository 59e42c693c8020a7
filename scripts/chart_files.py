"""Writes a folder of definitions as values of the chart, for mappings.from or subscriptions.from: files.

    python -m scripts.chart_files mappings > mappings-values.yaml
    python -m scripts.chart_files subscriptions ../our-subscriptions > subscriptions-values.yaml
    helm upgrade throughline helm/throughline --reuse-values --values mappings-values.yaml

A ConfigMap holds 1 MiB: worked cases, texts for people and a second copy of the current version of a pathway stay behind,
unless `--all` asks for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("mappings", "subscriptions")
LEFT_OUT = ("cases",)
READ = (".yaml", ".json")
DIGESTS = "SHA256SUMS"
"""Beside published versions of a pathway: without it they are not believed."""
MOST = 1024 * 1024


def files_of(folder: Path, *, everything: bool = False) -> Iterator[tuple[str, str]]:
    """(path in the folder, content) of what the processes read; sorted."""
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        wanted = (path.suffix in READ or path.name == DIGESTS) and not set(LEFT_OUT) & set(within.parts)
        if path.is_file() and (everything or (wanted and not _is_current_copy(path))):
            yield within.as_posix(), path.read_text(encoding="utf-8")


def _is_current_copy(path: Path) -> bool:
    """The published copy of a pathway that is current: word for word what stands in pathway.yaml."""
    current = path.parent.parent / "pathway.yaml"
    if path.parent.name != "versions" or not current.is_file():
        return False
    return path.suffix in READ and path.read_bytes() == current.read_bytes()


def as_values(what: str, folder: Path | None = None, *, everything: bool = False) -> dict[str, Any]:
    """`{"mappings": {"from": "files", "files": {…}}}`; ValueError when no ConfigMap could hold it."""
    files = dict(files_of(folder or ROOT / what, everything=everything))
    if not files:
        raise ValueError(f"There is nothing to read in {folder or what}.")
    size = sum(len(path) + len(text.encode()) for path, text in files.items())
    if size > MOST:
        raise ValueError(
            f"{size} bytes are more than a ConfigMap can hold ({MOST}). Use {what}.from: git or oci instead."
        )
    return {what: {"from": "files", "files": files}}


def main(arguments: list[str]) -> int:
    named = [each for each in arguments if each != "--all"]
    if not named or named[0] not in FOLDERS or len(named) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(named[1]) if len(named) == 2 else None
    try:
        values = as_values(named[0], folder, everything="--all" in arguments)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    yaml.safe_dump(values, sys.stdout, sort_keys=True, allow_unicode=True, width=120)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
