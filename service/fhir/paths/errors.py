"""The two ways a predicate can fail: when a pathway file is loaded, and when a resource is looked at.

Messages never hold a value from a resource: they may be logged.
"""

from __future__ import annotations


class PathProblem(Exception):
    """Use this when an expression is outside the strict subset: malformed, unknown, or not an element of its resource.

    `column` counts characters from 0 in the expression text; `help` says what to write instead, where we know.
    """

    def __init__(self, message: str, column: int, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.column = column
        self.help = help


class PathEvaluationError(Exception):
    """Use this when a well-formed expression meets a resource it cannot judge (e.g. two items where one is needed)."""
