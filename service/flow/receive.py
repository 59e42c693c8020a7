"""The first step: authenticate a notification, hold it within bounds, store it durably, and only then say 200.

Never touches the record and never interprets what a notification means; milliseconds.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from service.fhir.notification_answers import Answer, Outcome, accepted, refused
from service.fhir.notification_body import NotificationProblem, is_blank
from service.fhir.notification_content import XML_TYPES, carried_resource, is_deeper
from service.fhir.outcome import IssueCode
from service.ports import InboxUnavailable, RawNotification

METHODS = ("POST", "PUT", "DELETE")
JSON_TYPES = frozenset(
    {"", "application/fhir+json", "application/json", "application/json+fhir", "text/json", "text/plain"}
)
READ_TYPES = JSON_TYPES | XML_TYPES
KEPT_HEADERS = ("x-medplum-deleted-resource", "x-medplum-interaction")
"""Headers that carry meaning; everything else a sender sets is dropped, secrets first."""
TRACE = "traceparent"
"""Kept when it is well-formed (W3C Trace Context 3.2): it holds numbers only. `tracestate` and `baggage` may hold anything."""
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PATH = re.compile(r"(?:[A-Z][A-Za-z]{1,63}(?:/[A-Za-z0-9\-.]{1,64})?)?\Z")


class Auth(StrEnum):
    """How the sender of a subscription proves that it is the server we subscribed at."""

    HEADER = "header"
    """A secret in a request header (Subscription.channel.header)."""
    SIGNATURE = "signature"
    """HMAC-SHA256 of the raw body in X-Signature (hex) or X-Hub-Signature (sha256=hex)."""
    ADDRESS = "address"
    """Only the unguessable address: for servers that can send neither of the two."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One configured subscription, as the receiving end knows it."""

    name: str
    token: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """The current one first; older ones are accepted until every server has the new one."""
    auth: Auth = Auth.HEADER
    header: str = "authorization"
    """Lower-case name of the header that carries the secret."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what a sender may make us hold."""

    body_bytes: int = 5_000_000
    depth: int = 50
    read_within: timedelta = timedelta(seconds=20)
    """How long a sender may take to send its body."""
    held_bytes: int = 200_000_000
    """Bodies in memory at one time, all senders together."""
    retry_after: timedelta = timedelta(seconds=5)
    """What a sender is told to wait when its notification cannot be stored."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One HTTP request on a notification address."""

    method: str
    path: str
    """Behind the token: `Type/id`, `Type` or empty."""
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes = field(default=b"", repr=False)


class AsyncInbox(Protocol):
    """The appending half of ports.Inbox, for a web process that must not wait in a thread."""

    async def append(self, notification: RawNotification) -> str:
        """Stores durably before it returns; InboxUnavailable otherwise."""
        ...


async def receive(request: Delivery, *, watch: Watch | None, inbox: AsyncInbox, limits: Limits) -> Answer:
    """Answer one notification; it is stored if and only if the answer is 200.

    `watch` is the subscription that the token belongs to, None when it belongs to none.
    """
    refusal = refuse_unread(request, watch=watch, limits=limits)
    if refusal is not None or watch is None:
        return refusal or unknown_address()
    return await receive_read(request, watch=watch, inbox=inbox, limits=limits)


async def receive_read(request: Delivery, *, watch: Watch, inbox: AsyncInbox, limits: Limits) -> Answer:
    """The second half of `receive`, for a request that `refuse_unread` let pass and whose body has been read since."""
    try:
        refusal = _refuse_read(request, watch, limits)
        if refusal is not None:
            return refusal
        kind = _kind_of(request.body)
        await inbox.append(_raw(request, watch))
    except NotificationProblem as problem:
        return refused(400, Outcome.MALFORMED, IssueCode.STRUCTURE, str(problem))
    except InboxUnavailable:
        return unavailable(limits)
    return accepted(request.method, request.body, kind)


def refuse_unread(request: Delivery, *, watch: Watch | None, limits: Limits) -> Answer | None:
    """Everything that can be refused before the body is read, so that strangers cost no memory.

    An unknown token takes the same comparisons as a known one, against a secret that nobody has.
    """
    trusted = _header_proves(request, watch or _NOBODY)
    if watch is None or not _PATH.match(request.path):
        return unknown_address()
    if request.method not in METHODS:
        return wrong_method()
    if not trusted:
        return refused(401, Outcome.UNTRUSTED, IssueCode.LOGIN, UNTRUSTED)
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        plain = {"accept-encoding": "identity"}
        return refused(415, Outcome.WRONG_TYPE, IssueCode.NOT_SUPPORTED, ENCODED, plain)
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limits.body_bytes:
        return too_large(limits)
    return None


def too_large(limits: Limits) -> Answer:
    """For the web, which stops reading as soon as the limit is passed."""
    megabytes = f"{limits.body_bytes / 1_000_000:g}"
    return refused(413, Outcome.TOO_LARGE, IssueCode.TOO_LONG, TOO_LARGE.format(megabytes))


def unavailable(limits: Limits) -> Answer:
    """Not stored: the sender has to keep it and send it again."""
    wait = {"retry-after": str(max(1, int(limits.retry_after.total_seconds())))}
    return refused(503, Outcome.UNAVAILABLE, IssueCode.TRANSIENT, UNAVAILABLE, wait)


def too_slow() -> Answer:
    return refused(408, Outcome.TOO_SLOW, IssueCode.TRANSIENT, TOO_SLOW)


def fault() -> Answer:
    """For the web, when this software fails: the sender keeps its notification and sends it again."""
    return refused(500, Outcome.FAULT, IssueCode.EXCEPTION, FAULT)


def unknown_address() -> Answer:
    return refused(404, Outcome.UNKNOWN, IssueCode.NOT_FOUND, NOT_FOUND)


def wrong_method() -> Answer:
    allowed = {"allow": ", ".join(METHODS)}
    return refused(405, Outcome.WRONG_METHOD, IssueCode.NOT_SUPPORTED, WRONG_METHOD, allowed)


# --- checks -----------------------------------------------------------------------------------------------------


def _refuse_read(request: Delivery, watch: Watch, limits: Limits) -> Answer | None:
    if len(request.body) > limits.body_bytes:
        return too_large(limits)
    if watch.auth is Auth.SIGNATURE and not _signature_proves(request, watch):
        return refused(401, Outcome.UNTRUSTED, IssueCode.LOGIN, UNTRUSTED)
    if is_blank(request.body):
        return None
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in READ_TYPES:
        return refused(415, Outcome.WRONG_TYPE, IssueCode.NOT_SUPPORTED, WRONG_TYPE)
    if is_deeper(request.body, limits.depth):
        return refused(400, Outcome.TOO_DEEP, IssueCode.TOO_COSTLY, TOO_DEEP.format(limits.depth))
    return None


def _header_proves(request: Delivery, watch: Watch) -> bool:
    given = request.headers.get(watch.header, "").strip()
    scheme, _, credentials = given.partition(" ")
    if scheme.lower() == "bearer":
        given = credentials.strip()
    known = _is_one_of(given, watch.secrets)
    return known or watch.auth is not Auth.HEADER


def _signature_proves(request: Delivery, watch: Watch) -> bool:
    expected = [hmac.new(secret.encode(), request.body, sha256).hexdigest() for secret in watch.secrets]
    plain = request.headers.get("x-signature", "").strip().lower()
    hub = request.headers.get("x-hub-signature", "").strip().lower().removeprefix("sha256=")
    # Both are compared, whichever was sent: what is missing is the empty text, which never matches.
    return _is_one_of(plain, expected) | _is_one_of(hub, expected)


def _is_one_of(given: str, known: tuple[str, ...] | list[str]) -> bool:
    """Compared in constant time with each of them, so that the time says nothing about which or how much agrees."""
    matches = [hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()) for secret in known]
    return bool(given) and any(matches)


_NOBODY = Watch(name="", token="", secrets=("no subscription has this secret" * 2,))


def _kind_of(body: bytes) -> str:
    """ResourceType of the body, empty when there is none; NotificationProblem when it is neither FHIR JSON nor XML."""
    return "" if is_blank(body) else str(carried_resource(body).get("resourceType", ""))


def _raw(request: Delivery, watch: Watch) -> RawNotification:
    return RawNotification(
        subscription=watch.name,
        method=request.method,
        path=request.path,
        content_type=request.headers.get("content-type", ""),
        body=request.body,
        headers=_kept(request.headers),
    )


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    return kept | kept_trace(headers.get(TRACE, ""))


def kept_trace(trace: str) -> dict[str, str]:
    """The header to be kept for a trace; none when it is not well-formed."""
    return {TRACE: trace} if _TRACEPARENT.fullmatch(trace) else {}


# --- wording ----------------------------------------------------------------------------------------------------

NOT_FOUND = "There is no notification endpoint at this address. Read the address again from the Subscription's channel.endpoint."
UNTRUSTED = "This notification does not prove that it comes from the subscribed server. Send the header or signature that the Subscription asks for."
WRONG_METHOD = "Notifications are sent with POST, PUT or DELETE."
ENCODED = "Compressed bodies are not accepted here. Send the notification without Content-Encoding."
WRONG_TYPE = "This media type is not accepted here. Send FHIR JSON as application/fhir+json, or FHIR XML as application/fhir+xml."
TOO_LARGE = "The body is larger than {} MB. Subscribe without payload, or with id-only content: the record is read anyway."
TOO_DEEP = "The body is nested deeper than {} levels. No FHIR resource needs that; it was not stored."
TOO_SLOW = "The body did not arrive in time; it was not stored. Send it again."
FAULT = "Throughline failed on this request; nothing was stored. Send it again, and report it if it stays so."
UNAVAILABLE = "The notification could not be stored. Keep it and send it again."
