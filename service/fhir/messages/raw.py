"""Messages as they lie in the inbox, and back: which entries are messages, of which kind, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from service.domain.vocabulary import Reference
from service.fhir.hl7v2.adt import read_adt
from service.fhir.hl7v2.header import Refused
from service.fhir.hl7v2.parsed import Unreadable
from service.fhir.messages.bundle import read_bundle
from service.fhir.messages.content import Message, MessageRefused, Sender
from service.fhir.notification_body import NotificationProblem, resource_of
from service.ports import RawNotification

PROCESS_MESSAGE = "$process-message"
"""`path` of a FHIR message; a notification never has one that begins with a dollar sign."""
MLLP = "$mllp"
HL7V2_TYPE = "x-application/hl7-v2+er7"


def raw_bundle(body: bytes, sender: Sender, headers: Mapping[str, str] | None = None) -> RawNotification:
    """`headers` are kept with it, as those of a notification are."""
    return RawNotification(
        subscription=sender.name,
        method="POST",
        path=PROCESS_MESSAGE,
        content_type="application/fhir+json",
        body=body,
        headers=headers or {},
    )


def raw_hl7v2(body: bytes, sender: Sender, headers: Mapping[str, str] | None = None) -> RawNotification:
    return RawNotification(
        subscription=sender.name,
        method="POST",
        path=MLLP,
        content_type=HL7V2_TYPE,
        body=body,
        headers=headers or {},
    )


def is_message(raw: RawNotification) -> bool:
    """Whether it carries the data itself."""
    return raw.path in {PROCESS_MESSAGE, MLLP}


def read_raw(raw: RawNotification, senders: Mapping[str, Sender], now: datetime) -> tuple[Message, ...]:
    """What it tells; NotificationProblem when it cannot be taken (any more). `senders` by name."""
    sender = senders.get(raw.subscription)
    if sender is None:
        raise NotificationProblem(NO_SENDER)
    try:
        if raw.path == MLLP:
            return read_adt(raw.body, senders=[sender], now=now)
        return (read_bundle(resource_of(raw.body), sender=sender, now=now),)
    except (MessageRefused, Refused, Unreadable) as problem:
        raise NotificationProblem(str(problem)) from problem


def refuse_messages(_raw: RawNotification) -> tuple[Reference, ...]:
    """Where nobody may send messages: whatever came all the same is parked."""
    raise NotificationProblem(NO_SENDER)


NO_SENDER = "The sender of this message is no longer listed in senders.yaml. List it again, then retry."
