"""YAML as a tree in which every key and value knows its place; every scalar stays the text that was written.

Files are bounded in size, depth and number of values. Nothing is executed, resolved or guessed; YAML's faults
become problems.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Place = tuple[int, int]
"""Line and column, counted from 1."""
Path = tuple[str | int, ...]
"""The way from the root of a file: keys and list positions (from 0)."""
Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(kw_only=True)
class Node:
    """One value: a text, a list or a mapping, and where it stands."""

    value: str | list[Node] | dict[str, Node]
    place: Place
    key_place: Place | None = None
    """Where the key of this value stands, when it has one."""
    raw: str = ""
    """A text as written in the file, with its quotes."""
    style: str = ""
    """Empty for plain text, else the YAML indicator: ' \" | >"""
    emptied: set[str] = field(default_factory=set)
    """Keys that were written without a value; reported already and left out."""

    def get(self, key: str) -> Node | None:
        """The value of a key; None when this is no mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> Iterator[tuple[str, Node]]:
        """Keys and values; nothing when this is no mapping."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def items(self) -> list[Node]:
        """The values of a list; nothing when this is no list."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str | None:
        """The text; None when this is a list or a mapping."""
        return self.value if isinstance(self.value, str) else None

    @property
    def head(self) -> Place:
        """Where a caret belongs for the whole of it: its key, else itself."""
        return self.key_place or self.place

    def follow(self, path: Path) -> tuple[Node, Path]:
        """The deepest value along a path, and the part of the path that leads to it."""
        node, taken = self, 0
        for step in path:
            inside = _step(node, step)
            if inside is None:
                break
            node, taken = inside, taken + 1
        return node, path[:taken]


def _step(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int) and isinstance(node.value, list) and 0 <= step < len(node.value):
        return node.value[step]
    return node.get(step) if isinstance(step, str) else None


def plain(node: Node) -> Plain:
    """The same as dicts, lists and texts."""
    if isinstance(node.value, dict):
        return {key: plain(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inside) for inside in node.value]
    return node.value


def as_json(node: Node) -> Any:
    """FHIR JSON: unquoted true, false and numbers become what JSON has for them; all else stays text."""
    if isinstance(node.value, dict):
        return {key: as_json(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [as_json(inside) for inside in node.value]
    bare = not node.style and re.fullmatch(r"true|false|-?(0|[1-9]\d{0,15})(\.\d{1,15})?", node.value)
    return json.loads(node.value) if bare else node.value


def place_in_text(node: Node, offset: int) -> Place:
    """Where the character at `offset` of a text stands in the file, across quotes, escapes and folded lines.

    Walks the written text and the value side by side: what the value has and white space aside, both hold the
    same characters in the same order.
    """
    value = node.value if isinstance(node.value, str) else ""
    at = _body_starts(node)
    for character in value[: max(0, offset)]:
        at = _after(node, at, character)
    if offset < len(value):
        at = _next_at(node, at, value[offset])
    return _moved(node.place, node.raw[:at])


def _body_starts(node: Node) -> int:
    if node.style in {"|", ">"}:
        return node.raw.find("\n") + 1
    return 1 if node.style in {"'", '"'} else 0


def _next_at(node: Node, at: int, character: str) -> int:
    if character.isspace():
        return at
    found = node.raw.find(character, at)
    return at if found < 0 else found


def _after(node: Node, at: int, character: str) -> int:
    raw = node.raw
    if character.isspace():
        # One space of the value may be a line break and indentation in the file; the rest is skipped by find().
        return at + 1 if at < len(raw) and raw[at].isspace() else at
    found = raw.find(character, at)
    if found < 0:
        return at
    doubled = node.style == "'" and character == "'" and raw[found : found + 2] == "''"
    return found + (2 if doubled else 1)


def _moved(place: Place, passed: str) -> Place:
    lines = passed.count("\n")
    if not lines:
        return place[0], place[1] + len(passed)
    return place[0] + lines, len(passed) - passed.rfind("\n")
