"""MSH: who sends, what it is, how it wants to be answered, and whether it may be taken at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from service.fhir.hl7v2.adt_events import EVENTS
from service.fhir.hl7v2.parsed import Parsed, Segment
from service.fhir.messages.content import Sender


class Condition(Enum):
    """HL70357, as far as it is told here: (code, text)."""

    ACCEPTED = ("0", "Message accepted")
    SEGMENT_SEQUENCE = ("100", "Segment sequence error")
    REQUIRED_FIELD = ("101", "Required field missing")
    DATA_TYPE = ("102", "Data type error")
    UNSUPPORTED_TYPE = ("200", "Unsupported message type")
    UNSUPPORTED_EVENT = ("201", "Unsupported event code")
    UNSUPPORTED_PROCESSING = ("202", "Unsupported processing id")
    UNSUPPORTED_VERSION = ("203", "Unsupported version id")
    UNKNOWN_KEY = ("204", "Unknown key identifier")
    INTERNAL = ("207", "Application internal error")


class Refused(Exception):
    """Use this when an HL7 v2 message is not taken: why, where, and whether sending it again unaltered can help."""

    def __init__(self, condition: Condition, says: str, *, where: str = "", for_good: bool = False) -> None:
        super().__init__(says)
        self.condition = condition
        self.says = says
        self.where = where
        """ERL with hats: segment, sequence, field."""
        self.for_good = for_good
        """MSH itself is not acceptable: AR, else AE."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What MSH says, as it says it."""

    application: str
    facility: str
    sent: str
    kind: str
    event: str
    control_id: str
    processing: str
    version: str
    accept_when: str
    """MSH-15: AL, NE, ER, SU or empty (original mode)."""
    apply_when: str
    """MSH-16"""

    @property
    def identity(self) -> str:
        """By it a message that is sent again is known (v2-to-FHIR: MSH-3, MSH-4, MSH-10)."""
        return f"{self.application}|{self.facility}|{self.control_id}"


def read_header(message: Parsed) -> Header:
    """MSH, whatever it holds. The event is that of MSH-9; EVN-1 only where MSH-9 has none."""
    msh = message.header
    return Header(
        application=msh.text(3),
        facility=msh.text(4),
        sent=msh.text(7),
        kind=msh.text(9).upper(),
        event=msh.text(9, 2).upper() or _event_of(message.first("EVN")),
        control_id=msh.text(10),
        processing=msh.text(11).upper(),
        version=msh.text(12),
        accept_when=msh.text(15).upper(),
        apply_when=msh.text(16).upper(),
    )


def _event_of(evn: Segment | None) -> str:
    return evn.text(1).upper() if evn else ""


def sender_of(header: Header, senders: Iterable[Sender]) -> Sender:
    """Whose message it is; Refused when MSH-3 and MSH-4 are nobody's. Read without regard to capitals."""
    here = header.application.casefold(), header.facility.casefold()
    for each in senders:
        if each.application and (each.application.casefold(), each.facility.casefold()) == here:
            return each
    raise Refused(Condition.UNKNOWN_KEY, UNKNOWN_SENDER, where="MSH^1^3", for_good=True)


def check_certificate(sender: Sender, senders: Iterable[Sender], shown: frozenset[str]) -> None:
    """Refused unless a certificate with these names may speak for this sender: one that is listed for somebody speaks
    for them and for nobody else.
    """
    speaks_for = {each.name for each in senders if each.certificates & shown}
    if sender.name in speaks_for or not (sender.certificates or speaks_for):
        return
    raise Refused(Condition.UNKNOWN_KEY, OTHER_CERTIFICATE, where="MSH^1^3", for_good=True)


def check_header(header: Header, sender: Sender) -> None:
    """Refused when MSH says that this message is not for us."""
    if not header.control_id:
        raise Refused(Condition.REQUIRED_FIELD, NO_CONTROL_ID, where="MSH^1^10")
    if len(header.control_id) > 199:
        raise Refused(Condition.DATA_TYPE, LONG_CONTROL_ID, where="MSH^1^10")
    if header.kind != "ADT":
        raise Refused(Condition.UNSUPPORTED_TYPE, OTHER_TYPE, where="MSH^1^9", for_good=True)
    if header.event not in EVENTS:
        taken = ", ".join(sorted(EVENTS))
        raise Refused(Condition.UNSUPPORTED_EVENT, OTHER_EVENT.format(taken), where="MSH^1^9", for_good=True)
    if header.processing and header.processing not in sender.processing:
        raise Refused(Condition.UNSUPPORTED_PROCESSING, OTHER_PROCESSING, where="MSH^1^11", for_good=True)
    if not (header.version == "2" or header.version.startswith("2.")):
        raise Refused(Condition.UNSUPPORTED_VERSION, OTHER_VERSION, where="MSH^1^12", for_good=True)


def is_acknowledgement(header: Header) -> bool:
    """An answer to a message of ours, which there is none of; answering it could go on for ever."""
    return header.kind in {"ACK", "MCF"}


# --- wording ----------------------------------------------------------------------------------------------------

UNKNOWN_SENDER = "This sending application and facility (MSH-3, MSH-4) may not send here. Ask the site to list them in senders.yaml."
OTHER_CERTIFICATE = (
    "The certificate of this connection does not speak for this sending application and facility (MSH-3, MSH-4). Ask the site"
    " which names it lists for them under certificates in senders.yaml."
)
NO_CONTROL_ID = "MSH-10 is missing: by it a message that is sent again is known not to be a second one."
LONG_CONTROL_ID = "MSH-10 is longer than 199 characters."
OTHER_TYPE = "Only ADT messages are taken here."
OTHER_EVENT = "This event is not taken here. What is taken: {}."
OTHER_PROCESSING = "This processing id (MSH-11) is not taken from this sender: tests and training must not reach the record of care."
OTHER_VERSION = "This version (MSH-12) is not taken here: send HL7 v2.1 to v2.9."
