"""Writes the tables of the chart's README: its values, from values.yaml and its `# --` comments, and which setting is which.

.venv/bin/python -m scripts.chart_values_table
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from service.app.chart_values import CHART_VALUES
from service.app.settings import variable

CHART = Path(__file__).parents[1] / "helm" / "throughline"
TARGET = CHART / "README.md"
LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):(?P<rest>.*)$")
WHOLE = {"resources", "podSecurityContext", "securityContext"}
"""Shown as one value: nobody sets a part of them from the command line."""


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    default: str
    says: str


def rows(text: str | None = None) -> Iterator[Row]:
    """One for each value, in the order of the file; a group that is explained has a row too."""
    text = (CHART / "values.yaml").read_text("utf-8") if text is None else text
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    says = ""
    for line in text.splitlines():
        found = LINE.match(line)
        if line.strip().startswith("# -- "):
            says = line.strip().removeprefix("# -- ")
        elif found and not _is_below_whole(path, len(found["indent"])):
            path = [each for each in path if each[0] < len(found["indent"])] + [
                (len(found["indent"]), found["key"])
            ]
            value = _at(values, [key for _, key in path])
            if says or _is_leaf(path[-1][1], value):
                yield Row(
                    name=".".join(key for _, key in path), default=_shown(path[-1][1], value), says=says
                )
            says = ""


def _is_below_whole(path: list[tuple[int, str]], indent: int) -> bool:
    return any(key in WHOLE and at < indent for at, key in path)


def _at(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values[key]
    return values


def _is_leaf(key: str, value: Any) -> bool:
    return key in WHOLE or not isinstance(value, dict) or not value


def _shown(key: str, value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`" if _is_leaf(key, value) else ""


def table() -> str:
    lines = ["| value | default | what it is |", "|---|---|---|"]
    lines += [f"| `{row.name}` | {row.default} | {row.says.replace('|', chr(92) + '|')} |" for row in rows()]
    return "\n".join(lines)


def settings_table() -> str:
    lines = ["| setting | value |", "|---|---|"]
    return "\n".join(lines + [f"| `{variable(name)}` | `{value}` |" for name, value in CHART_VALUES.items()])


def document(text: str) -> str:
    """The README with both tables as they should be; ValueError when it has no place for one."""
    return _between(_between(text, "values", table()), "settings", settings_table())


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{TARGET.name} has no {begin} … {end}")
    return f"{head}{begin}\n{content}\n{end}{tail}"


def main() -> int:
    TARGET.write_text(document(TARGET.read_text("utf-8")), encoding="utf-8")
    print(f"wrote {len(list(rows()))} values into {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
