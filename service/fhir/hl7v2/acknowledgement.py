"""The answer to an HL7 v2 message: ACK with MSA and, where it is refused, ERR. Original and enhanced mode.

Says why in words and by HL70357; repeats nothing of the message but what its own MSH says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from service.fhir.hl7v2.header import Condition, Header, Refused
from service.fhir.hl7v2.parsed import Parsed

ORIGINAL = {"accept": "AA", "error": "AE", "reject": "AR"}
ENHANCED = {"accept": "CA", "error": "CE", "reject": "CR"}
_SUCCESS, _FAILURE = frozenset({"AL", "SU"}), frozenset({"AL", "ER"})
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\r": " ", "\n": " "}


def acknowledgements(
    message: Parsed | None, header: Header | None, refusal: Refused | None, *, now: datetime, zone: tzinfo
) -> list[bytes]:
    """What is sent back, in order; nothing where the sender asks for no answer.

    Original mode (MSH-15 and MSH-16 empty): one answer. Enhanced mode: the accept acknowledgement that MSH-15 asks for,
    then the application acknowledgement that MSH-16 asks for, which here says no more: what is stored is worked on.
    `message` and `header` None: what came could not be read.
    """
    codes = list(_codes(header, refusal))
    return [_acknowledgement(message, header, refusal, code, now, zone) for code in codes]


def wants_refusals(header: Header) -> bool:
    """Whether the sender would hear that its message is refused."""
    if not (header.accept_when or header.apply_when):
        return True
    return bool({header.accept_when, header.apply_when} & _FAILURE)


def _codes(header: Header | None, refusal: Refused | None) -> Iterator[str]:
    outcome = "accept" if refusal is None else "reject" if refusal.for_good else "error"
    asked = _SUCCESS if refusal is None else _FAILURE
    if header is None or not (header.accept_when or header.apply_when):
        yield ORIGINAL[outcome]
        return
    if header.accept_when in asked:
        yield ENHANCED[outcome]
    if header.apply_when in asked:
        yield ORIGINAL[outcome]


def _acknowledgement(
    message: Parsed | None,
    header: Header | None,
    refusal: Refused | None,
    code: str,
    now: datetime,
    zone: tzinfo,
) -> bytes:
    event = header.event if header and header.event.isalnum() else ""
    kind = f"ACK^{event}^ACK" if event else "ACK"
    control = header.control_id if header else ""
    fields = [
        *_parties(message),
        now.astimezone(zone).strftime("%Y%m%d%H%M%S%z"),
        "",
        kind,
        _escaped(f"{code}{control}"[:199]),
        _escaped(header.processing if header and header.processing else "P"),
        _escaped(header.version if header and header.version else "2.5.1"),
    ]
    segments = ["|".join(["MSH", "^~\\&", *fields]) + "||||||UNICODE UTF-8"]
    says = _escaped(refusal.says) if refusal else ""
    segments.append("|".join(["MSA", code, _escaped(control), says]).rstrip("|"))
    if refusal is not None:
        number, text = refusal.condition.value
        segments.append(f"ERR||{refusal.where}|{number}^{text}^HL70357|E||||{says}")
    return ("\r".join(segments) + "\r").encode("utf-8")


def _parties(message: Parsed | None) -> list[str]:
    """MSH-3 to MSH-6 with sender and receiver changed over, as they were written."""
    if message is None:
        return ["", "", "", ""]
    return [_rewritten(message, number) for number in (5, 6, 3, 4)]


def _rewritten(message: Parsed, number: int) -> str:
    """An HD field in the delimiters of the answer, which need not be those of the message."""
    value = message.header.first(number)
    return "^".join(_escaped(value.text(component)) for component in (1, 2, 3)).rstrip("^")


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def unreadable(says: str) -> Refused:
    """For bytes that are no message at all."""
    return Refused(Condition.DATA_TYPE, says, for_good=True)
