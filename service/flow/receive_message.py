"""The door for FHIR messages: authenticate, bound, check, store durably once, and only then say 200.

Checks everything that can be checked without the record, so that a sender hears at once what it has to put right.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from service.fhir.messages.bundle import read_bundle
from service.fhir.messages.content import MessageRefused, Sender
from service.fhir.messages.envelope import read_envelope
from service.fhir.messages.once import MessageIds, MessageInbox, Receipt
from service.fhir.messages.raw import raw_bundle
from service.fhir.notification_answers import Answer, Outcome, refused
from service.fhir.notification_body import NotificationProblem, depth, is_blank, resource_of
from service.fhir.outcome import IssueCode, all_ok, operation_outcome
from service.flow.receive import Limits, kept_trace, too_large, unavailable
from service.ports import InboxUnavailable

JSON_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """A sender and the tokens by which it is known, the current one first."""

    sender: Sender
    tokens: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A message that may be stored."""

    body: bytes = field(repr=False)
    sender: Sender
    ids: MessageIds


def known_sender(headers: Mapping[str, str], trusted: Sequence[Trusted]) -> Sender | None:
    """Whose token it is; every token is compared, in constant time."""
    scheme, _, given = headers.get("authorization", "").strip().partition(" ")
    given = given.strip() if scheme.lower() == "bearer" else ""
    found: Sender | None = None
    for each in trusted:
        for token in each.tokens:
            if hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()) and given:
                found = each.sender
    return found if found is not None and found.may_post else None


def refuse_unread(
    headers: Mapping[str, str], query: Mapping[str, str], sender: Sender | None, limits: Limits
) -> Answer | None:
    """What can be refused before the body is read."""
    if sender is None:
        return stranger()
    if {"async", "response-url"} & query.keys():
        return refused(400, Outcome.REFUSED, IssueCode.NOT_SUPPORTED, NO_ANSWER)
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return refused(
            415, Outcome.WRONG_TYPE, IssueCode.NOT_SUPPORTED, ENCODED, {"accept-encoding": "identity"}
        )
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in JSON_TYPES:
        return refused(415, Outcome.WRONG_TYPE, IssueCode.NOT_SUPPORTED, WRONG_TYPE)
    declared = headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.body_bytes:
        return too_large(limits)
    return None


def stranger() -> Answer:
    """For whoever shows no token that is known here."""
    challenge = {"www-authenticate": 'Bearer realm="messages"'}
    return refused(401, Outcome.UNTRUSTED, IssueCode.LOGIN, UNTRUSTED, challenge)


def check(body: bytes, sender: Sender, limits: Limits, now: datetime) -> Checked | Answer:
    """The message when it can be worked on, else the refusal with every reason. Takes some milliseconds."""
    if is_blank(body):
        return refused(400, Outcome.MALFORMED, IssueCode.STRUCTURE, EMPTY)
    if depth(body) > limits.depth:
        return refused(400, Outcome.TOO_DEEP, IssueCode.TOO_COSTLY, TOO_DEEP.format(limits.depth))
    try:
        bundle = resource_of(body)
        read_bundle(bundle, sender=sender, now=now)
    except NotificationProblem as problem:
        return refused(400, Outcome.MALFORMED, IssueCode.STRUCTURE, str(problem))
    except MessageRefused as problem:
        return _refusal(problem)
    envelope = read_envelope(bundle)
    ids = MessageIds(
        envelope=f"{sender.name} {envelope.bundle_id}",
        header=envelope.header_id,
        digest=sha256(body).hexdigest(),
    )
    return Checked(body=body, sender=sender, ids=ids)


async def store(message: Checked, inbox: MessageInbox, limits: Limits, trace: str = "") -> Answer:
    """200 if and only if it is stored, now or before. Sent again it hears what it heard the first time.

    `trace`: the traceparent that the work on it continues.
    """
    raw = raw_bundle(message.body, message.sender, kept_trace(trace))
    try:
        receipt = await inbox.append_once(raw, message.ids)
    except InboxUnavailable:
        return unavailable(limits)
    if receipt is Receipt.OTHER_HEADER:
        return refused(409, Outcome.CONFLICT, IssueCode.DUPLICATE, OTHER_HEADER)
    outcome = Outcome.STORED if receipt is Receipt.STORED else Outcome.KNOWN
    return Answer(status=200, body=_RECEIVED, outcome=outcome)


def _refusal(problem: MessageRefused) -> Answer:
    """422: what was sent is understood and cannot be worked on; unaltered, it never will be."""
    is_forbidden = all(issue.code is IssueCode.FORBIDDEN for issue in problem.issues)
    body = json.dumps(operation_outcome(problem.issues), separators=(",", ":")).encode()
    return Answer(status=403 if is_forbidden else 422, body=body, outcome=Outcome.REFUSED)


# --- wording ----------------------------------------------------------------------------------------------------

RECEIVED = "The message was received and is stored; it is worked on now. There is no further answer."
UNTRUSTED = "Send the bearer token that was agreed with this site (Authorization: Bearer …). Ask the site for it if there is none."
NO_ANSWER = "Notifications are not answered by messages: leave out the parameters async and response-url."
ENCODED = "Compressed bodies are not accepted here. Send the message without Content-Encoding."
WRONG_TYPE = "Messages are accepted as FHIR JSON: send Content-Type application/fhir+json."
EMPTY = "The body is empty. Send the message as a Bundle of type message."
TOO_DEEP = "The JSON is nested deeper than {} levels. No FHIR resource needs that; it was not stored."
OTHER_HEADER = "This Bundle.id was used before, with another MessageHeader.id. Each message has ids of its own; this one was not stored."

_RECEIVED = json.dumps(all_ok(RECEIVED), separators=(",", ":")).encode()
