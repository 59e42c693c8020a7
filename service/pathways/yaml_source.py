"""Reads one YAML file into a tree, reporting every fault with its place instead of raising.

Refuses what makes a definition mean something else than it says: duplicate keys, missing values, anchors, tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from service.pathways.problems import Problem, Severity
from service.pathways.yaml_faults import explain
from service.pathways.yaml_tree import Node, Place

LARGEST = 512 * 1024
DEEPEST = 24
MOST_VALUES = 20_000
ALIAS = "*"
NO_VALUE = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(kw_only=True)
class Source:
    """One definition file: its text, its tree (None when unreadable) and the problems found so far."""

    file: str
    """As shown to the author."""
    lines: list[str] = field(default_factory=list)
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        place: Place,
        code: str,
        message: str,
        help_text: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Adds a problem at a place of this file."""
        line, column = place
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        self.problems.append(
            Problem(
                severity=severity,
                code=code,
                file=self.file,
                line=line,
                column=column,
                message=message,
                help=help_text,
                source=source,
            )
        )

    @property
    def broken(self) -> bool:
        """True when at least one problem keeps this file from being used."""
        return any(p.severity is Severity.ERROR for p in self.problems)


def read_source(path: FilePath, shown_as: str | None = None) -> Source:
    """The file at `path`; a file that cannot be opened is a problem too."""
    source = Source(file=shown_as or path.as_posix())
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError:
        source.report(
            (1, 1), "unreadable-file", "this file cannot be opened", "check its name and permissions"
        )
        return source
    return parse_source(source, data)


def parse_source(source: Source, data: bytes) -> Source:
    """Fills in the tree and problems of `source` from the bytes of its file."""
    if len(data) > LARGEST:
        source.report((1, 1), "too-large", f"this file is larger than {LARGEST // 1024} KB", "split it")
        return source
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        source.lines = data.decode("utf-8-sig", errors="replace").splitlines()
        source.report(
            (line, 1), "not-utf-8", "this line holds a character that is not UTF-8", "save as UTF-8"
        )
        return source
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    source.lines = text.split("\n")
    try:
        source.root = _tree(source, text)
    except yaml.YAMLError as error:
        place, message, help_text = explain(error, source.lines)
        source.report(place, "yaml", message, help_text)
    except _TooMuch as error:
        source.report(error.place, "too-large", str(error), "a definition file is a page or two; simplify it")
    return source


def _tree(source: Source, text: str) -> Node | None:
    """By the C parser where there is one (ten times as fast); faults are told by the Python one, alike everywhere."""
    if yaml.__with_libyaml__:
        try:
            return _Builder(source, text, yaml.CBaseLoader).build()
        except yaml.YAMLError:
            source.problems.clear()
    return _Builder(source, text, yaml.BaseLoader).build()


class _TooMuch(Exception):
    """Use this when a file nests deeper or holds more values than any definition needs."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


class _Builder:
    """Turns YAML's events into nodes, without recursion limits of its own beyond DEEPEST."""

    def __init__(self, source: Source, text: str, loader: Any) -> None:
        self.source = source
        self.text = text
        self.count = 0
        self.events: Iterator[Any] = yaml.parse(text, Loader=loader)

    def build(self) -> Node | None:
        next(self.events)
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            self.source.report((1, 1), "empty-file", "this file is empty")
            return None
        root = self._node(next(self.events), 0)
        next(self.events)
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            self.source.report(_place(event.start_mark), "several-documents", "a second document begins here",
                               "keep one definition per file and remove '---'")  # fmt: skip
        return root

    def _node(self, event: Any, depth: int) -> Node:
        self.count += 1
        if depth > DEEPEST or self.count > MOST_VALUES:
            raise _TooMuch(
                "this file is nested too deeply or holds too many values", _place(event.start_mark)
            )
        self._refuse_marks(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(event, depth)
        return self._text(event)

    def _refuse_marks(self, event: Any) -> None:
        place = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self.source.report(place, "anchor", f"'{sign}{event.anchor}' is a YAML anchor, which is not read here",
                               "write the content out where it is needed")  # fmt: skip
        elif getattr(event, "tag", None) not in {None, "!"}:
            self.source.report(place, "yaml-tag", "a YAML tag ('!...') is not read here", "remove the tag")

    def _text(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return Node(value="", place=_place(event.start_mark), style=ALIAS)
        raw = self.text[event.start_mark.index : event.end_mark.index]
        return Node(value=event.value, place=_place(event.start_mark), raw=raw, style=event.style or "")

    def _list(self, event: Any, depth: int) -> Node:
        values: list[Node] = []
        node = Node(value=values, place=_place(event.start_mark))
        while not isinstance(inside := next(self.events), yaml.SequenceEndEvent):
            value = self._node(inside, depth + 1)
            if value.style == ALIAS:
                continue  # reported already
            if _is_empty(value):
                self.source.report(
                    value.place, "no-value", "this row of the list is empty", "write it or remove it"
                )
            else:
                values.append(value)
        return node

    def _mapping(self, event: Any, depth: int) -> Node:
        values: dict[str, Node] = {}
        node = Node(value=values, place=_place(event.start_mark))
        while not isinstance(inside := next(self.events), yaml.MappingEndEvent):
            key = self._node(inside, depth + 1)
            value = self._node(next(self.events), depth + 1)
            self._add(node, values, key, value)
        return node

    def _add(self, node: Node, values: dict[str, Node], key: Node, value: Node) -> None:
        name = key.text
        if name is None or not name:
            self.source.report(key.place, "bad-key", "a key must be a plain word", "write 'key: value'")
        elif name in values:
            first = values[name].head[0]
            self.source.report(key.place, "duplicate-key", f"'{name}' stands here twice; first on line {first}",
                               "keep one of the two")  # fmt: skip
        elif value.style == ALIAS:
            node.emptied.add(name)  # reported already
        elif _is_empty(value):
            node.emptied.add(name)
            self.source.report(
                key.place, "no-value", f"'{name}' has no value", "write one, or remove the key"
            )
        else:
            value.key_place = key.place
            values[name] = value


def _is_empty(node: Node) -> bool:
    """Nothing, or one of YAML's words for it, unquoted."""
    return node.style == "" and node.text is not None and node.text in NO_VALUE
