"""What a sender of notifications is told: always a FHIR resource, because some senders read nothing else.

Says no content of the notification, except the resource itself that a PUT expects back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from service.fhir.notification_xml import is_xml
from service.fhir.outcome import IssueCode, all_ok, refusal
from service.ports import Resource

FHIR_JSON = "application/fhir+json"


class Outcome(StrEnum):
    """How receiving ended, for counting."""

    STORED = "stored"
    UNKNOWN = "unknown-address"
    UNTRUSTED = "untrusted"
    WRONG_METHOD = "wrong-method"
    WRONG_TYPE = "wrong-media-type"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    MALFORMED = "malformed"
    TOO_SLOW = "too-slow"
    UNAVAILABLE = "not-stored"
    FAULT = "fault"
    # Of messages that carry the data themselves:
    KNOWN = "known"
    REFUSED = "refused"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer: status, FHIR JSON body, headers beside Content-Type."""

    status: int
    body: bytes = field(repr=False)
    outcome: Outcome
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(
    status: int, outcome: Outcome, code: IssueCode, says: str, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(status=status, body=_json(refusal(code, says)), outcome=outcome, headers=headers or {})


def accepted(method: str, body: bytes, kind: str) -> Answer:
    """Stored. A POSTed Bundle is answered as the transaction its sender may take it for, a PUT with its own resource.

    HAPI delivers through its transaction client and its update client, which count any other answer as a failure.
    """
    return Answer(status=200, body=_thanks(method, body, kind), outcome=Outcome.STORED)


def _thanks(method: str, body: bytes, kind: str) -> bytes:
    if kind == "Bundle" and method == "POST":
        return TRANSACTION_RESPONSE
    if kind and method == "PUT" and not is_xml(body):
        return body
    return RECEIVED


def _json(resource: Resource) -> bytes:
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


TRANSACTION_RESPONSE = _json({"resourceType": "Bundle", "type": "transaction-response"})
RECEIVED = _json(all_ok("The notification is stored and will be looked at."))
