"""What an answer of the FHIR server means: which failure it is, and in which words.

Messages name the request by method and resource type, with OperationOutcome codes; never resource content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.adapters.fhir.retry import PASSING
from service.ports import (
    NotInRecord,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    Resource,
    Search,
    VersionConflict,
)

_CODE = re.compile(r"[a-z][a-z-]{1,40}")
_ELEMENT = re.compile(r"[A-Z][A-Za-z]*(\.[a-z][A-Za-z]*(\[\d+\])?){0,12}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status, lower-case headers and decoded body (None when empty) of one answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


def failure(answer: Answer, doing: str, *, fenced: bool = False) -> RecordFailure:
    """The failure of a request that was not answered well; `doing` is e.g. `PUT Task`, `fenced` means If-Match."""
    status = answer.status
    why = ", ".join([str(status), *outcome_codes(answer.body)])
    if status == 412 and fenced:
        return VersionConflict(
            f"{doing}: somebody else wrote this resource meanwhile ({why}). Read again and decide again.",
            status=status,
        )
    if status in {404, 410}:
        return NotInRecord(
            f"{doing}: the FHIR server does not have this ({why}).", status=status, deleted=status == 410
        )
    if status in PASSING | {409}:
        return RecordUnavailable(
            f"{doing}: the FHIR server could not do it now ({why}). Try again later.", status=status
        )
    if status == 412:
        return RecordRefused(
            f"{doing}: more than one resource already carries this identifier ({why}). Remove the duplicates.",
            status=status,
        )
    if 300 <= status < 400:
        return RecordRefused(
            f"{doing}: the FHIR server redirects elsewhere ({why}), which is never followed. Set"
            " THROUGHLINE_FHIR_BASE_URL to the address itself.",
            status=status,
        )
    if status in {401, 403}:
        return RecordRefused(
            f"{doing}: the FHIR server does not let us ({why}). Check the THROUGHLINE_FHIR_AUTH_… settings and the scopes granted.",
            status=status,
        )
    if status >= 500 and status != 501:
        return RecordUnavailable(f"{doing}: the FHIR server failed ({why}). Try again later.", status=status)
    return RecordRefused(
        f"{doing}: the FHIR server will not accept this request as it is ({why}). Run `throughline doctor` to see"
        " what the server supports.",
        status=status,
    )


def version_of(resource: Resource) -> str:
    """meta.versionId; RecordRefused where the server keeps none."""
    version = resource.get("meta", {}).get("versionId")
    if not version:
        raise RecordRefused(
            f"GET {resource.get('resourceType')}: the FHIR server keeps no versionId, so updates cannot be made safe."
            " Switch versioning on for this resource type."
        )
    return str(version)


def resource_of(answer: Answer, doing: str) -> Mapping[str, Any]:
    """The resource in a good answer; the fitting failure otherwise."""
    if not answer.good:
        raise failure(answer, doing)
    if not isinstance(answer.body, Mapping) or "resourceType" not in answer.body:
        raise RecordUnavailable(
            f"{doing}: the answer is not a FHIR resource. Try again later.", status=answer.status
        )
    return answer.body


def refused_search(answer: Answer, search: Search) -> RecordFailure:
    """The failure of a search; names parameters, never their values."""
    names = ", ".join(dict.fromkeys(name for name, _ in search.params))
    problem = failure(answer, f"GET {search.kind}? by {names}")
    if isinstance(problem, NotInRecord):
        return RecordRefused(f"{problem} Is {search.kind} supported there?", status=answer.status)
    return problem


def outcome_codes(body: Any) -> list[str]:
    """`code` or `code at Element.path` of an OperationOutcome's first issues; free text is left out on purpose."""
    if not isinstance(body, Mapping) or body.get("resourceType") != "OperationOutcome":
        return []
    issues = [issue for issue in body.get("issue") or [] if isinstance(issue, Mapping)]
    return list(dict.fromkeys(said for said in map(_issue, issues[:5]) if said))


def _issue(issue: Mapping[str, Any]) -> str:
    code = issue.get("code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return ""
    places = [p for p in issue.get("expression") or [] if isinstance(p, str) and _ELEMENT.fullmatch(p)]
    return f"{code} at {places[0]}" if places else code
