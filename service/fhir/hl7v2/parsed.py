"""One HL7 v2 message from its bytes (ER7): segments, fields, repetitions, components. Knows no FHIR.

Splitting is done by python-hl7; this survives what real senders do to a message before it is split, and bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hl7

MOST_SEPARATORS = 50_000
"""An ADT message has two or three thousand; each costs memory when it is split."""
NULL = '""'
"""HL7 v2: a field that says "delete what you have" (2.5.3)."""

_BYTE_ORDER_MARK = "﻿"
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}(?=[^A-Za-z0-9\s]|$)")
_ENDS = re.compile(r"\r\n|\n|\r")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CHARACTER_SETS: Mapping[str, str] = {
    "ASCII": "ascii",
    "8859/1": "latin-1",
    "8859/2": "iso8859_2",
    "8859/5": "iso8859_5",
    "8859/7": "iso8859_7",
    "8859/9": "iso8859_9",
    "8859/15": "iso8859_15",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
}
"""HL70211, as far as these sets contain ASCII as it is."""


class Unreadable(Exception):
    """Use this when bytes are no HL7 v2 message. Says no content."""


@dataclass(frozen=True)
class Segment:
    """One segment; fields count from 1 as in the standard (MSH-1 is the field separator itself)."""

    name: str
    fields: Sequence[Any] = field(repr=False)
    delimiters: Delimiters = field(repr=False)

    def repetitions(self, number: int) -> list[Repetition]:
        """Every repetition of a field that says something; NULL counts as nothing."""
        found = [Repetition(each, self.delimiters) for each in _parts(self.fields, number)]
        return [each for each in found if each.says_something]

    def first(self, number: int) -> Repetition:
        """The first repetition; an empty one when there is none."""
        return next(iter(self.repetitions(number)), Repetition("", self.delimiters))

    def text(self, number: int, component: int = 1) -> str:
        return self.first(number).text(component)

    def is_null(self, number: int) -> bool:
        """Whether the sender asks to delete this field."""
        return [str(each) for each in _parts(self.fields, number)] == [NULL]


@dataclass(frozen=True)
class Repetition:
    """One repetition of a field."""

    raw: Any = field(repr=False)
    delimiters: Delimiters = field(repr=False)

    def text(self, component: int = 1, sub: int = 1) -> str:
        """A component (or the first of its sub-components), unescaped, trimmed; empty when absent or NULL."""
        part = _child(_child(self.raw, component), sub)
        value = part if isinstance(part, str) else str(part)
        return "" if value.strip() == NULL else self.delimiters.plain(value)

    @property
    def raw_text(self) -> str:
        """All of it, with its delimiters: equal texts are equal fields."""
        return _CONTROL.sub("", str(self.raw)).strip()

    @property
    def says_something(self) -> bool:
        return bool(self.raw_text.strip(self.delimiters.all)) and self.raw_text != NULL


@dataclass(frozen=True, kw_only=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    sub: str

    @property
    def all(self) -> str:
        return self.field + self.component + self.repetition + self.sub

    def plain(self, value: str) -> str:
        """Escape sequences (2.7) replaced, control characters and outer white space gone. Unknown sequences vanish."""
        if self.escape in value:
            sign = re.escape(self.escape)
            value = re.sub(rf"{sign}([^{sign}]{{0,32}}){sign}", lambda found: self._meant(found[1]), value)
        return " ".join(_CONTROL.sub(" ", value).split())

    def _meant(self, sequence: str) -> str:
        known = {"F": self.field, "S": self.component, "R": self.repetition, "T": self.sub, "E": self.escape}
        if sequence in known:
            return known[sequence]
        if sequence.startswith("X") and re.fullmatch(r"([0-9A-Fa-f]{2}){1,15}", sequence[1:]):
            return bytes.fromhex(sequence[1:]).decode("latin-1")
        return " " if sequence.startswith(".") else ""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One message."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()

    def all(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        return next(self.all(name), None)

    @property
    def header(self) -> Segment:
        return self.segments[0]


def parsed(data: bytes, *, wanted: frozenset[str] | None = None) -> Parsed:
    """The message; Unreadable when it is none. `wanted`: only these segments besides MSH are split."""
    text, notes = _decoded(data)
    text = text.lstrip(_BYTE_ORDER_MARK + " \t\r\n\x00")
    lines = [line.strip(" \t") for line in _ENDS.split(text)]
    if not lines or not lines[0].startswith("MSH"):
        raise Unreadable(NO_HEADER)
    if any(line.startswith("MSH") for line in lines[1:]):
        raise Unreadable(SEVERAL)
    if _is_escaped_twice(lines[0]):
        lines = [line.replace("\\\\", "\\") for line in lines]
        notes.append("backslashes that were doubled on the way are single again")
    delimiters = _delimiters(lines[0])
    kept = [line for line in lines[1:] if _SEGMENT.match(line) and (wanted is None or line[:3] in wanted)]
    if sum(1 for line in lines[1:] if line and not _SEGMENT.match(line)):
        notes.append("lines that are no segment were left out")
    if sum(line.count(each) for line in (lines[0], *kept) for each in delimiters.all) > MOST_SEPARATORS:
        raise Unreadable(TOO_MUCH)
    try:
        message = hl7.parse("\r".join([lines[0], *kept]))
    # python-hl7 has many kinds of exceptions for what it cannot split; all become one that is told to the sender
    except Exception as failure:
        raise Unreadable(NOT_SPLIT) from failure
    return Parsed(segments=tuple(_segments(message, delimiters)), notes=tuple(notes))


def _segments(message: Any, delimiters: Delimiters) -> Iterator[Segment]:
    for each in message:
        name = str(each[0])
        if _SEGMENT.fullmatch(name):
            yield Segment(name, each, delimiters)


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """UTF-8 where it is that (it never is by accident), else what MSH-18 says, else ISO 8859-1."""
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    head = data[:4000].decode("latin-1").lstrip()
    said = _said_character_set(re.split(r"[\r\n]", head, maxsplit=1)[0])
    try:
        return data.decode(_CHARACTER_SETS.get(said, "latin-1")), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), [
            "the message is not in the character set of MSH-18; read as ISO 8859-1"
        ]


def _said_character_set(header: str) -> str:
    fields = header.split(header[3:4] or "|")
    return fields[17].split(fields[1][1:2] or "~")[0].strip() if len(fields) > 17 else ""


def _is_escaped_twice(header: str) -> bool:
    """MSH-2 with its escape character twice, as from a program that escaped it once too often."""
    return header[5:9].count("\\") == 2 and "\\\\" in header[4:9]


def _delimiters(header: str) -> Delimiters:
    separator = header[3:4]
    signs = header[4 : header.find(separator, 4)] if separator and separator in header[4:] else ""
    all_signs = separator + signs
    if (
        not 3 <= len(signs) <= 5
        or len(set(all_signs)) != len(all_signs)
        or not all(
            33 <= ord(sign) <= 126 and not sign.isalnum() and sign not in '".+-:' for sign in all_signs
        )
    ):
        raise Unreadable(BAD_SIGNS)
    return Delimiters(
        field=separator,
        component=signs[0],
        repetition=signs[1],
        escape=signs[2],
        sub=signs[3] if len(signs) > 3 else "&",
    )


def _parts(fields: Sequence[Any], number: int) -> list[Any]:
    if number >= len(fields):
        return []
    field_ = fields[number]
    return [field_] if isinstance(field_, str) else list(field_)


def _child(node: Any, number: int) -> Any:
    """The n-th part; what was not split further is its own first part."""
    if isinstance(node, str):
        return node if number == 1 else ""
    return node[number - 1] if len(node) >= number else ""


# --- wording ----------------------------------------------------------------------------------------------------

NO_HEADER = "This is no HL7 v2 message: it does not begin with MSH. Send each message by itself, without batch segments."
SEVERAL = "There are several MSH segments. Send each message in a frame of its own; none of these was stored."
BAD_SIGNS = "MSH-1 and MSH-2 do not name the delimiters: send MSH|^~\\&| or four other different signs."
TOO_MUCH = f"The message has more than {MOST_SEPARATORS} fields and parts; no ADT message needs that. It was not stored."
NOT_SPLIT = "This is no HL7 v2 message that can be taken apart: check its delimiters and segments."
