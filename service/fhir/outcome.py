"""OperationOutcome: how a refusal or a warning is told over HTTP. Diagnostics never hold resource content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """R4 issue-severity (required binding)."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


class IssueCode(StrEnum):
    """The R4 issue-type codes (required binding) that this service has a use for."""

    INVALID = "invalid"
    STRUCTURE = "structure"
    REQUIRED = "required"
    VALUE = "value"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    NOT_SUPPORTED = "not-supported"
    NOT_FOUND = "not-found"
    TOO_LONG = "too-long"
    TOO_COSTLY = "too-costly"
    CONFLICT = "conflict"
    DUPLICATE = "duplicate"
    BUSINESS_RULE = "business-rule"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    EXCEPTION = "exception"
    INCOMPLETE = "incomplete"
    INFORMATIONAL = "informational"


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One thing to tell the caller, in a sentence that says what to do next."""

    code: IssueCode
    says: str
    severity: Severity = Severity.ERROR
    expression: tuple[str, ...] = ()
    """FHIRPath of the element concerned, where there is one."""


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """An OperationOutcome with at least one issue; ValueError when there is nothing to tell."""
    if not issues:
        raise ValueError("an OperationOutcome needs at least one issue; say what happened")
    return {"resourceType": "OperationOutcome", "issue": [_rendered(issue) for issue in issues]}


def refusal(code: IssueCode, says: str, *, expression: str | None = None) -> dict[str, Any]:
    """The usual case: one error."""
    where = (expression,) if expression else ()
    return operation_outcome([Issue(code=code, says=says, expression=where)])


def all_ok(says: str) -> dict[str, Any]:
    """An outcome that reports success (R4 OperationOutcome: severity information, code informational)."""
    return operation_outcome([Issue(code=IssueCode.INFORMATIONAL, says=says, severity=Severity.INFORMATION)])


def _rendered(issue: Issue) -> dict[str, Any]:
    element: dict[str, Any] = {
        "severity": issue.severity.value,
        "code": issue.code.value,
        "details": {"text": issue.says},
        "diagnostics": issue.says,
    }
    if issue.expression:
        element["expression"] = list(issue.expression)
    return element
