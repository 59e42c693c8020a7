"""Problems of definition files: what is wrong, exactly where, and what to write instead.

Wording is for clinicians and analysts; it never holds Python words. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LONGEST_SHOWN = 180


class Severity(StrEnum):
    """How bad a problem is, by its consequence."""

    ERROR = "error"
    """The file is not used."""
    WARNING = "warning"
    """The file is used; a person could be missed or nobody may be able to act."""
    ADVICE = "advice"
    """The file is used and safe; it could be read more easily."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault at one place. `line` and `column` count from 1; `source` is the text of that line."""

    severity: Severity
    code: str
    """Stable kebab-case name of the kind of problem; never reused for another meaning."""
    file: str
    line: int
    column: int
    message: str
    help: str = ""
    source: str = ""


def sorted_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file and place, each once."""
    return tuple(sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.code, p.message)))


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that keep a file from being used."""
    return [p for p in problems if p.severity is Severity.ERROR]


def render_problem(problem: Problem) -> str:
    """Several lines without a final newline: place, message and code; the line with a caret; the help."""
    kind = "" if problem.severity is Severity.ERROR else f"{problem.severity.value}: "
    rows = [f"{problem.file}:{problem.line}:{problem.column}: {kind}{problem.message}  [{problem.code}]"]
    number = str(problem.line)
    margin = " " * (len(number) + 3)
    if problem.source:
        text, caret = _shown(problem.source, problem.column)
        rows += [f"  {number} | {text}".rstrip(), f"{margin}| {' ' * caret}^"]
    if problem.help:
        rows.append(f"{margin}= help: {problem.help}")
    return "\n".join(rows)


def _shown(source: str, column: int) -> tuple[str, int]:
    """The part of a long line around the caret, safe for a terminal, and where the caret stands in it."""
    clean = "".join(c if c.isprintable() else " " for c in source)
    first = 0 if len(clean) <= LONGEST_SHOWN else max(0, column - 1 - LONGEST_SHOWN // 2)
    last = first + LONGEST_SHOWN
    dots = "..." if first else ""
    tail = "..." if len(clean) > last else ""
    return f"{dots}{clean[first:last]}{tail}", len(dots) + column - 1 - first
