"""What a fault of YAML means, in the author's words. The library's own wording never reaches anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from service.pathways.yaml_tree import Place

# Part of the library's message -> (what is wrong, what to do). The first match counts.
EXPLAINED = (
    ("'\\t'", "a tab stands here; YAML is indented with spaces", "replace the tab by spaces"),
    ("mapping values are not allowed", "a second ':' on this line is not understood",
     "put the text in quotes, or check the indentation"),
    ("could not find expected ':'", "the key before this place has no ':'", "write 'key: value'"),
    ("expected <block end>", "the indentation does not fit what stands above",
     "give keys of one mapping, and rows of one list, the same indentation"),
    ("',' or ']'", "the list in [ ] is not closed, or a comma is missing", "write [one, two]"),
    ("',' or '}'", "the mapping in { } is not closed, or a comma is missing", "write {key: value, key: value}"),
    ("unexpected end of stream", "a quoted text is not closed", "add the closing quote"),
    ("unknown escape character", "this backslash in double quotes is not understood", "use single quotes"),
    ("undefined alias", "a '*' begins an alias, which is not read here", "put the text in quotes"),
    ("cannot start any token", "this character cannot begin a value", "put the text in quotes"),
    ("did not find expected <document start>", "this does not belong to what stands above",
     "check the indentation of this line"),
)  # fmt: skip


def explain(error: yaml.YAMLError, lines: Sequence[str]) -> tuple[Place, str, str]:
    """Place, message and help."""
    fallback = ("this cannot be read as YAML", "compare the indentation and quotes with the lines above")
    place = _place(error, lines)
    told = f"{getattr(error, 'problem', '') or ''} {getattr(error, 'context', '') or ''}"
    if isinstance(error, yaml.reader.ReaderError):
        return place, "this line holds a character that YAML does not allow", "remove it"
    for part, message, help_text in EXPLAINED:
        if part in told:
            return place, message, help_text
    return place, *fallback


def _place(error: Any, lines: Sequence[str]) -> Place:
    # Whatever is not closed is best shown where it was opened.
    opened = any(part in (getattr(error, "context", "") or "") for part in ("quoted scalar", "flow "))
    marks = (getattr(error, "context_mark", None), getattr(error, "problem_mark", None))
    mark = (marks[0] or marks[1]) if opened else (marks[1] or marks[0])
    if mark is not None:
        line = min(mark.line + 1, max(1, len(lines)))
        return line, mark.column + 1 if line == mark.line + 1 else 1
    at = getattr(error, "position", None)
    if not isinstance(at, int):
        return 1, 1
    for number, text in enumerate(lines, start=1):
        if at <= len(text):
            return number, at + 1
        at -= len(text) + 1
    return max(1, len(lines)), 1
