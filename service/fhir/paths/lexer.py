"""Text into tokens, each with its column. Knows spelling only: what is a number, a date, a quoted string."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from service.fhir.paths.errors import PathProblem

MAX_TOKENS = 400
"""More than any predicate a person reviews; bounds the depth of what is compiled."""


class Kind(Enum):
    NAME = "name"
    QUOTED_NAME = "quoted name"
    STRING = "string"
    NUMBER = "number"
    TEMPORAL = "date or time"
    SPECIAL = "$name"
    VARIABLE = "%name"
    SYMBOL = "symbol"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    column: int

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else f"'{self.text}'"


_DATE = r"\d{4}(?:-\d{2}(?:-\d{2})?)?"
_CLOCK = r"\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_PATTERN = re.compile(
    rf"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<temporal>@T{_CLOCK}|@{_DATE}(?:T(?:{_CLOCK}(?:Z|[+-]\d{{2}}:\d{{2}})?)?)?)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | `(?P<quoted>(?:[^`\\]|\\.)*)`
  | '(?P<string>(?:[^'\\]|\\.)*)'
  | (?P<special>\$(?:this|index|total)\b)
  | %(?P<variable>[A-Za-z_][A-Za-z0-9_]*)
  | %`(?P<quoted_variable>[^`]*)`
  | %'(?P<string_variable>[^']*)'
  | (?P<symbol><=|>=|!=|!~|/(?!\*)|[-+*=~<>|&.,()\[\]{{}}])
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "temporal": Kind.TEMPORAL,
    "number": Kind.NUMBER,
    "name": Kind.NAME,
    "quoted": Kind.QUOTED_NAME,
    "string": Kind.STRING,
    "special": Kind.SPECIAL,
    "variable": Kind.VARIABLE,
    "quoted_variable": Kind.VARIABLE,
    "string_variable": Kind.VARIABLE,
    "symbol": Kind.SYMBOL,
}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "/": "/", "'": "'", '"': '"', "`": "`"}


def tokens_of(text: str) -> list[Token]:
    """All tokens and an END. Raises PathProblem at the first character that begins no token."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        group = match.lastgroup
        if group != "skip":
            assert group is not None  # every alternative of the pattern is a named group
            found.append(_token(_KINDS[group], match.group(group), position))
        position = match.end()
        if len(found) > MAX_TOKENS:
            raise PathProblem("the expression is too long", position, "split it into several predicates")
    return [*found, Token(Kind.END, "", len(text))]


def _token(kind: Kind, text: str, column: int) -> Token:
    if kind in (Kind.STRING, Kind.QUOTED_NAME) and "\\" in text:
        text = _ESCAPE.sub(lambda match: _unescape(match.group(1), column + 1 + match.start()), text)
    return Token(kind, text, column)


def _unescape(code: str, column: int) -> str:
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code not in _ESCAPED:
        raise PathProblem(f"'\\{code}' is not an escape in FHIRPath", column, "write \\\\ for one backslash")
    return _ESCAPED[code]


def _unreadable(text: str, position: int) -> PathProblem:
    if text.startswith("/*", position):
        return PathProblem("the comment is not closed", position, "end it with */")
    character = text[position]
    if character in "'`":
        return PathProblem("the quote is not closed", position, f"end it with {character}")
    if character == '"':
        return PathProblem("FHIRPath strings have single quotes", position, "write '...'")
    if character == "!":
        return PathProblem("'!' is not an operator", position, "write != or .not()")
    if character == "@":
        return PathProblem(
            "this is not a date or time", position, "write @2026-03-06, @2026-03-06T16:30:00Z or @T16:30"
        )
    return PathProblem(f"'{character}' has no meaning here", position)
