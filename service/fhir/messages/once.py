"""How messages are stored once: by which ids they are known, and what becomes of one that is handed in (a port)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from service.ports import RawNotification


@dataclass(frozen=True, kw_only=True)
class MessageIds:
    """By what a message is known when it is sent again (R4 Messaging, reliable messaging; HL7 v2 MSH-10)."""

    envelope: str
    """Sender and id of the envelope: Bundle.id or Bundle.identifier; HL7 v2: MSH-3, MSH-4 and MSH-10."""
    header: str
    """MessageHeader.id; empty for HL7 v2."""
    digest: str
    """Of the bytes: the same ids with other content are something new, and must not be lost."""


class Receipt(StrEnum):
    """What became of a message that was handed in."""

    STORED = "stored"
    KNOWN = "known"
    """The very same was stored before; not a second time."""
    OTHER_HEADER = "other-header"
    """The id of the envelope was used before with another MessageHeader.id; not stored."""


class MessageInbox(Protocol):
    """The way into the inbox for messages that carry the data themselves."""

    async def append_once(self, message: RawNotification, ids: MessageIds) -> Receipt:
        """Stores durably before it returns, unless the same was stored before; InboxUnavailable otherwise."""
        ...
