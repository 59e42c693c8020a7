"""An ADT message as Messages: about whom, what stay, and what happened to it. Nothing is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

from service.fhir.hl7v2 import labels
from service.fhir.hl7v2.adt_events import ABOUT_THE_PERSON, MAY_LACK_VISIT, MERGES
from service.fhir.hl7v2.datatypes import identifier, moment_of
from service.fhir.hl7v2.header import Condition, Header, Refused, check_header, read_header, sender_of
from service.fhir.hl7v2.parsed import Parsed, Segment, Unreadable, parsed
from service.fhir.hl7v2.patient import patient_of, taken_back
from service.fhir.hl7v2.visit import Visit
from service.fhir.messages.bundle import CLOCKS_DIFFER
from service.fhir.messages.content import Entry, Key, Message, Sender
from service.fhir.messages.identity import full_url_of, patient_keys

READ = frozenset({"EVN", "PID", "ARV", "PV1", "PV2", "DG1", "MRG"})


def read_adt(data: bytes, *, senders: Iterable[Sender], now: datetime) -> tuple[Message, ...]:
    """One Message, or for a merge of several people one for each; Refused or Unreadable when it cannot be taken."""
    message = parsed(data, wanted=READ)
    sender = sender_of(read_header(message), senders)
    return messages_of(message, sender, now, digest=sha256(data).hexdigest()[:16])


def messages_of(message: Parsed, sender: Sender, now: datetime, *, digest: str) -> tuple[Message, ...]:
    """What a message of this sender tells; `digest` tells messages apart that carry the same control id."""
    header = read_header(message)
    check_header(header, sender)
    told = tuple(_messages(message, header, sender, now, digest))
    if not told:
        raise Refused(Condition.SEGMENT_SEQUENCE, NO_PID, where="PID")
    return told


def _messages(
    message: Parsed, header: Header, sender: Sender, now: datetime, digest: str
) -> Iterator[Message]:
    times = _Times(message, header, sender, now)
    for number, (pid, mrg) in enumerate(_people(message)):
        patient = _patient(pid, message, sender)
        yield Message(
            sender=sender.name,
            identity=f"{sender.name} {header.control_id} {digest}" + (f" {number}" if number else ""),
            event=f"ADT^{header.event}",
            sent_at=times.sent_at(),
            patient=patient,
            entries=tuple(_visit(message, header, sender, patient, times)),
            replaced=_replaced(mrg, header, sender),
            notes=message.notes,
        )
        if header.event not in MERGES:
            return


def _people(message: Parsed) -> Iterator[tuple[Segment, Segment | None]]:
    """PID with the MRG that belongs to it; A40 may bring several such groups."""
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            if pid is not None:
                yield pid, None
            pid = segment
        elif segment.name == "MRG" and pid is not None:
            yield pid, segment
            pid = None
    if pid is not None:
        yield pid, None


def _patient(pid: Segment, message: Parsed, sender: Sender) -> Entry:
    resource = patient_of(pid, sender)
    keys = patient_keys(resource, sender)
    if not keys:
        raise Refused(Condition.REQUIRED_FIELD, NO_NUMBER, where="PID^1^3")
    return Entry(
        full_url=full_url_of(sender, f"Patient {keys[0][0]} {keys[0][1]}"),
        resource=labels.with_labels(resource, [*labels.of_message(message), *labels.of_person(message)]),
        keys=keys,
        removes=taken_back(pid),
    )


def _replaced(mrg: Segment | None, header: Header, sender: Sender) -> tuple[Key, ...]:
    if header.event not in MERGES:
        return ()
    numbers = [identifier(each, sender) for each in mrg.repetitions(1)] if mrg else []
    found = patient_keys({"identifier": [each for each in numbers if each]}, sender)
    if not found:
        raise Refused(Condition.REQUIRED_FIELD, NO_MERGED, where="MRG^1^1")
    return found


def _visit(message: Parsed, header: Header, sender: Sender, patient: Entry, times: _Times) -> Iterator[Entry]:
    if header.event in ABOUT_THE_PERSON or header.event in MERGES:
        return
    pv1 = message.first("PV1")
    if pv1 is None:
        if header.event in MAY_LACK_VISIT:
            return
        raise Refused(Condition.SEGMENT_SEQUENCE, NO_PV1, where="PV1")
    visit = Visit(message, pv1, header.event, sender, patient, times.happened_at())
    if visit.has_key():
        yield from visit.entries()
    elif header.event not in MAY_LACK_VISIT:
        raise Refused(Condition.REQUIRED_FIELD, NO_VISIT_NUMBER, where="PV1^1^19")


class _Times:
    """When it was said, and when it happened. A time ahead of our clock says nothing about order."""

    def __init__(self, message: Parsed, header: Header, sender: Sender, now: datetime) -> None:
        evn = message.first("EVN")
        self._now = now
        self._recorded = moment_of(evn.text(2), sender.zone) if evn else None
        self._occurred = moment_of(evn.text(6), sender.zone) if evn else None
        self._sent = moment_of(header.sent, sender.zone)

    def sent_at(self) -> datetime:
        return self._first(self._recorded, self._sent) or self._now

    def happened_at(self) -> datetime | None:
        return self._first(self._occurred, self._recorded, self._sent)

    def _first(self, *moments: datetime | None) -> datetime | None:
        latest = self._now + CLOCKS_DIFFER
        return next((each for each in moments if each is not None and each <= latest), None)


__all__ = ["READ", "Refused", "Unreadable", "read_adt"]

# --- wording ----------------------------------------------------------------------------------------------------

NO_PID = "There is no PID segment: an ADT message is about a person."
NO_NUMBER = (
    "PID-3 has no number by which the person can be found: send the medical record number with its assigning authority."
    " Social security and similar numbers are not used for that."
)
NO_MERGED = "MRG-1 is missing or names nobody: it says which record was merged into the one of PID-3."
NO_PV1 = "There is no PV1 segment: this event is about a stay."
NO_VISIT_NUMBER = "PV1-19 is missing, and so is the admit time (PV1-44): the stay cannot be told from others. Send the visit number."
