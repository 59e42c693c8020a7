"""PID as Patient (v2-to-FHIR: PID[Patient])."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.fhir.hl7v2.datatypes import (
    Json,
    address,
    compact,
    concept,
    date,
    date_time,
    each_of,
    human_name,
    identifier,
    telecom,
)
from service.fhir.hl7v2.parsed import Repetition, Segment
from service.fhir.messages.content import Sender

_GENDERS = {"M": "male", "F": "female", "O": "other", "A": "other", "N": "other", "U": "unknown"}
_SSN = "http://hl7.org/fhir/sid/us-ssn"
DEATH_TAKEN_BACK = frozenset({"deceasedDateTime", "deceasedBoolean"})


def patient_of(pid: Segment, sender: Sender) -> Json:
    """The Patient; elements that PID does not say are absent."""
    birth = date(pid.text(7))
    return compact(
        {
            "resourceType": "Patient",
            "identifier": each_of(_identifiers(pid, sender)),
            "name": each_of(human_name(each) for number in (5, 9) for each in pid.repetitions(number)),
            "telecom": each_of(_telecoms(pid)),
            "gender": _GENDERS.get(pid.text(8).upper()),
            "birthDate": birth,
            "address": each_of(address(each) for each in pid.repetitions(11)),
            "maritalStatus": concept(pid.first(16), sender, default="0002"),
            "communication": each_of(_language(each, sender) for each in pid.repetitions(15)),
            **_births(pid),
            **_death(pid, sender),
        }
    )


def taken_back(pid: Segment) -> frozenset[str]:
    """A death that the sender deletes (PID-29 is the HL7 null)."""
    return DEATH_TAKEN_BACK if pid.is_null(29) else frozenset()


def _identifiers(pid: Segment, sender: Sender) -> Iterator[Json | None]:
    for number in (3, 2, 4):
        yield from (identifier(each, sender) for each in pid.repetitions(number))
    yield from (_social_security(each, sender) for each in pid.repetitions(19))


def _social_security(value: Repetition, sender: Sender) -> Json | None:
    found = identifier(value, sender, kind="SS")
    return {**found, "system": _SSN} if found else None


def _telecoms(pid: Segment) -> Iterator[Json | None]:
    for number, use in ((13, "home"), (14, "work"), (40, "")):
        yield from (telecom(each, use=use) for each in pid.repetitions(number))


def _language(value: Repetition, sender: Sender) -> Json | None:
    said = concept(value, sender, default="0296")
    return {"language": said} if said else None


def _births(pid: Segment) -> Json:
    order = pid.text(25)
    if order.isascii() and order.isdigit() and 0 < len(order) < 3:
        return {"multipleBirthInteger": int(order)}
    several = _yes_or_no(pid.text(24))
    return {} if several is None else {"multipleBirthBoolean": several}


def _death(pid: Segment, sender: Sender) -> Json:
    """PID-29, else PID-30. `N` says that the person lives, and takes back what was told before."""
    died_at = date_time(pid.text(29), sender.zone)
    if died_at:
        return {"deceasedDateTime": died_at}
    died = _yes_or_no(pid.text(30))
    return {} if died is None else {"deceasedBoolean": died}


def _yes_or_no(text: str) -> bool | None:
    answers: dict[str, Any] = {"Y": True, "N": False}
    return answers.get(text.upper())
