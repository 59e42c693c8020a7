"""Bundles on the wire: batches and transactions built, their answers taken apart entry by entry.

Must not send anything; raises when an answer cannot be matched to what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.adapters.fhir.address import condition_query, literal
from service.adapters.fhir.answers import Answer, outcome_codes
from service.ports import RecordRefused, RecordUnavailable, Resource, Search, Write

_STATUS = re.compile(r"\s*(\d{3})\b")


def batch(urls: Sequence[str]) -> dict[str, Any]:
    """A batch of GETs; `urls` are relative to the base and URL-encoded."""
    return _bundle("batch", [{"request": {"method": "GET", "url": url}} for url in urls])


def transaction(writes: Sequence[Write]) -> dict[str, Any]:
    """All writes as one transaction, in the order given."""
    return _bundle("transaction", [_entry(write) for write in writes])


def responses(answer: Answer, expected: int, doing: str) -> list[Answer]:
    """One Answer per entry, in the order asked (R4 Bundle 2.36.1.6); RecordUnavailable when they cannot be matched."""
    entries = answer.body.get("entry", []) if isinstance(answer.body, Mapping) else []
    if len(entries) != expected:
        raise RecordUnavailable(
            f"{doing}: the FHIR server answered {len(entries)} of {expected} entries, so what happened to the rest is"
            " unknown. Try again later.",
            status=answer.status,
        )
    return [_response(entry) for entry in entries]


def matches(page: Mapping[str, Any], kind: str) -> Iterator[Resource]:
    """Matches and includes of one page, without what the server remarks about the search itself."""
    for entry in page.get("entry") or []:
        resource = entry.get("resource") or {}
        if resource and (resource.get("resourceType") != "OperationOutcome" or kind == "OperationOutcome"):
            yield resource


def check(page: Mapping[str, Any], search: Search) -> None:
    """RecordRefused (400) when the server says that it ignored a parameter: its answer holds too much, such as others' records."""
    for entry in page.get("entry") or []:
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "OperationOutcome":
            _check_outcome(resource, search)


def next_link(page: Mapping[str, Any]) -> str | None:
    """`link[next].url`, None on the last page."""
    links = [link.get("url") for link in page.get("link") or [] if link.get("relation") == "next"]
    return str(links[0]) if links and links[0] else None


def _bundle(kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _entry(write: Write) -> dict[str, Any]:
    kind = str(write.resource["resourceType"])
    if "/" in write.full_url:
        kind, logical_id = literal(write.full_url)
        request = {"method": "PUT", "url": f"{kind}/{logical_id}"}
        if write.if_match is not None:
            request["ifMatch"] = f'W/"{write.if_match}"'
        return {"resource": {**write.resource, "id": logical_id}, "request": request}
    request = {"method": "POST", "url": kind}
    if write.create_if_none is not None:
        request["ifNoneExist"] = condition_query(kind, write.create_if_none)
    return {"fullUrl": write.full_url, "resource": write.resource, "request": request}


def _response(entry: Mapping[str, Any]) -> Answer:
    said = entry.get("response") or {}
    status = _STATUS.match(str(said.get("status", "")))
    headers = {name: str(said[name]) for name in ("location", "etag") if said.get(name)}
    body = entry.get("resource") or said.get("outcome")
    # An entry without a readable status proves nothing: it counts as a failure of the server.
    return Answer(status=int(status[1]) if status else 500, headers=headers, body=body)


def _check_outcome(outcome: Mapping[str, Any], search: Search) -> None:
    for issue in outcome.get("issue") or []:
        ignored = issue.get("severity") == "warning" and issue.get("code") in {"not-supported", "invalid"}
        if ignored or issue.get("severity") in {"error", "fatal"}:
            names = ", ".join(dict.fromkeys(name for name, _ in search.params))
            raise RecordRefused(
                f"GET {search.kind}?: the FHIR server does not support one of the search parameters {names}"
                f" ({', '.join(outcome_codes(outcome)) or 'no code'}), and its answer would be wrong without it.",
                status=400,
            )
