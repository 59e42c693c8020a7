"""The door for HL7 v2: read, check whose it is and what it tells, store durably once, and only then acknowledge.

A sender that asks for no answer hears no refusal: what it sends is stored all the same, and parked where a person sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256

from service.fhir.hl7v2.acknowledgement import acknowledgements, unreadable, wants_refusals
from service.fhir.hl7v2.adt import READ, messages_of
from service.fhir.hl7v2.header import (
    Condition,
    Header,
    Refused,
    check_certificate,
    is_acknowledgement,
    read_header,
    sender_of,
)
from service.fhir.hl7v2.parsed import Parsed, Unreadable, parsed
from service.fhir.messages.content import Sender
from service.fhir.messages.once import MessageIds, MessageInbox, Receipt
from service.fhir.messages.raw import raw_hl7v2
from service.fhir.notification_answers import Outcome
from service.flow.receive import kept_trace
from service.ports import InboxUnavailable

UNKNOWN = "unknown"
"""Stands for the sender where it is nobody's message."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A frame as far as it could be understood."""

    body: bytes = field(repr=False)
    message: Parsed | None = None
    header: Header | None = None
    sender: Sender | None = None
    refusal: Refused | None = None
    is_answer: bool = False
    """It is itself an acknowledgement, which is never answered."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What is sent back, and for counting: whose message it was and how it ended."""

    frames: tuple[bytes, ...] = field(repr=False)
    sender: str
    outcome: Outcome
    hang_up: bool = False
    """The sender asks for no answer and its message could not be stored: only a broken connection tells it."""


def open_frame(
    body: bytes, senders: Sequence[Sender], now: datetime, shown: frozenset[str] = frozenset()
) -> Opened:
    """Everything that can be checked without the record. Takes some milliseconds.

    `shown`: the names in the certificate of whoever sent it; none when they had to show none.
    """
    opened = Opened(body=body)
    try:
        message = parsed(body, wanted=READ)
        header = read_header(message)
        opened = Opened(body=body, message=message, header=header, is_answer=is_acknowledgement(header))
        if opened.is_answer:
            return opened
        sender = sender_of(header, senders)
        check_certificate(sender, senders, shown)
        opened = Opened(body=body, message=message, header=header, sender=sender)
        messages_of(message, sender, now, digest="")
    except Unreadable as problem:
        return Opened(body=body, refusal=unreadable(str(problem)))
    except Refused as refusal:
        return Opened(
            body=body, message=opened.message, header=opened.header, sender=opened.sender, refusal=refusal
        )
    return opened


async def answer_frame(
    opened: Opened, inbox: MessageInbox, *, now: datetime, zone: tzinfo, trace: str = ""
) -> Answered:
    """Stored if it may be, then answered; the acknowledgement says "accepted" if and only if it is stored.

    `trace`: the traceparent that the work on it continues.
    """
    name = opened.sender.name if opened.sender else UNKNOWN
    if opened.is_answer:
        return Answered(frames=(), sender=name, outcome=Outcome.KNOWN)
    refusal, outcome = opened.refusal, Outcome.REFUSED if opened.message else Outcome.MALFORMED
    is_heard = opened.header is None or wants_refusals(opened.header)
    if opened.sender and opened.header and (refusal is None or not is_heard):
        try:
            receipt = await inbox.append_once(
                raw_hl7v2(opened.body, opened.sender, kept_trace(trace)),
                _ids(opened.body, opened.sender, opened.header),
            )
            outcome = Outcome.STORED if receipt is Receipt.STORED else Outcome.KNOWN
        except InboxUnavailable:
            refusal, outcome = Refused(Condition.INTERNAL, UNAVAILABLE), Outcome.UNAVAILABLE
    frames = acknowledgements(opened.message, opened.header, refusal, now=now, zone=zone)
    return Answered(
        frames=tuple(frames),
        sender=name,
        outcome=outcome,
        hang_up=outcome is Outcome.UNAVAILABLE and not frames,
    )


def too_long(limit: int, *, now: datetime, zone: tzinfo) -> Answered:
    """For a frame that is not read to its end."""
    return _unread(TOO_LONG.format(f"{limit / 1_000_000:g}"), Outcome.TOO_LARGE, now, zone)


def broken_off(*, now: datetime, zone: tzinfo) -> Answered:
    """For a frame whose end never came."""
    return _unread(BROKEN_OFF, Outcome.MALFORMED, now, zone)


def failed(opened: Opened | None, *, now: datetime, zone: tzinfo) -> Answered:
    """For a fault of ours: the sender keeps the message."""
    refusal = Refused(Condition.INTERNAL, FAULT)
    message, header = (opened.message, opened.header) if opened else (None, None)
    frames = acknowledgements(message, header, refusal, now=now, zone=zone)
    return Answered(frames=tuple(frames), sender=UNKNOWN, outcome=Outcome.FAULT, hang_up=not frames)


def _unread(says: str, outcome: Outcome, now: datetime, zone: tzinfo) -> Answered:
    frames = acknowledgements(None, None, unreadable(says), now=now, zone=zone)
    return Answered(frames=tuple(frames), sender=UNKNOWN, outcome=outcome)


def _ids(body: bytes, sender: Sender, header: Header) -> MessageIds:
    """Control ids are used again by some senders: only the same id with the same content is the same message."""
    digest = sha256(body).hexdigest()
    return MessageIds(envelope=f"{sender.name} {header.identity}", header="", digest=digest)


# --- wording ----------------------------------------------------------------------------------------------------

UNAVAILABLE = "The message could not be stored. Keep it and send it again."
FAULT = "Throughline failed on this message; it was not stored. Keep it, send it again, and report it if it stays so."
TOO_LONG = "The message is longer than {} MB; it was not stored."
BROKEN_OFF = "The frame has no end (0x1C 0x0D), or another one began inside it; it was not stored."
