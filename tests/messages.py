"""Messages for tests: the published examples, and small ones of our own with every part open to be said otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from service.fhir.messages.content import Sender
from tests.builders import Json

DENVER = ZoneInfo("America/Denver")
DATA = Path(__file__).parent / "fhir/data"
DAVINCI = DATA / "davinci-alerts"
EVENTS = "http://hl7.org/fhir/us/davinci-alerts/CodeSystem/notification-event"
MRN = "https://hospital.example/mrn"
VISIT = "https://hospital.example/visit"

SENDER = Sender(
    name="general-hospital",
    zone=DENVER,
    may_post=True,
    application="ADTApp",
    facility="GHHSFacility",
    authorities={"GHH": MRN, "GHHVISIT": VISIT},
)


def davinci(event: str) -> Json:
    """A published example: admit, transfer or discharge."""
    return json.loads((DAVINCI / f"{event}-notification-message-bundle-01.json").read_text(encoding="utf-8"))


def a_message(
    *,
    event: str = "discharge",
    bundle_id: str | None = "b1",
    header_id: str | None = "h1",
    sent: str = "2026-03-06T14:05:00-07:00",
    patient: Json | None = None,
    encounter: Json | None = None,
    others: tuple[Json, ...] = (),
    header: Json | None = None,
    **bundle: Any,
) -> Json:
    """A notification about Ada's stay, as her hospital sends it. None as a value removes an element."""
    first = {
        "resourceType": "MessageHeader",
        "id": header_id,
        "eventCoding": {"system": EVENTS, "code": f"notification-{event}"},
        "source": {"endpoint": "https://hospital.example/messages"},
        "focus": [{"reference": "urn:uuid:stay"}],
    }
    person = {
        "resourceType": "Patient",
        "identifier": [{"system": MRN, "value": "4711"}],
        "name": [{"family": "Lovelace", "given": ["Ada"]}],
    }
    stay = {
        "resourceType": "Encounter",
        "identifier": [{"system": VISIT, "value": "V1"}],
        "status": "finished" if event == "discharge" else "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "urn:uuid:ada"},
        "period": {"start": "2026-03-01T09:00:00-07:00"}
        | ({"end": "2026-03-06T14:00:00-07:00"} if event == "discharge" else {}),
        "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2"}]}],
    }
    entries = [
        {"fullUrl": "urn:uuid:header", "resource": first | (header or {})},
        {"fullUrl": "urn:uuid:stay", "resource": stay | (encounter or {})},
        {"fullUrl": "urn:uuid:ada", "resource": person | (patient or {})},
        *({"fullUrl": f"urn:uuid:other{n}", "resource": each} for n, each in enumerate(others)),
    ]
    whole = {
        "resourceType": "Bundle",
        "id": bundle_id,
        "type": "message",
        "timestamp": sent,
        "entry": entries,
    }
    return _without_none(whole | bundle)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_none(each) for each in value]
    return value


# --- HL7 v2

HL7V2 = DATA / "hl7v2"
CLINIC = Sender(
    name="clinic",
    zone=DENVER,
    application="Ntierprise",
    facility="Ntierprise Clinic",
    authorities={"BCBS": MRN},
)
SENDERS = (SENDER, CLINIC)


def adt_file(event: str) -> bytes:
    """A published example, e.g. `A03`."""
    return (HL7V2 / f"ADT-{event}-01.hl7").read_bytes()


def an_adt(
    event: str = "A03",
    *,
    control_id: str = "1",
    at: str = "20260306140500-0700",
    mrn: str = "4711^^^GHH^MR",
    visit: str = "V1^^^GHHVISIT",
    ended: str = "",
    pid: Mapping[int, str] | None = None,
    pv1: Mapping[int, str] | None = None,
    msh: Mapping[int, str] | None = None,
    more: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> bytes:
    """A message about Ada's stay in small; fields by number replace or add. `without` leaves segments out."""
    header = {3: "ADTApp", 4: "GHHSFacility", 5: "THR", 6: "CLINIC", 7: at, 9: f"ADT^{event}^ADT_A01", 10: control_id, 11: "P", 12: "2.5.1"}  # fmt: skip
    person = {1: "1", 3: mrn, 5: "Lovelace^Ada", 7: "19900101", 8: "F"}
    stay = {1: "1", 2: "I", 3: "WARD^1^2", 19: visit, 44: "20260301090000-0700", 45: ended}
    segments = [
        "MSH|^~\\&|" + _fields(header | dict(msh or {}), 3),
        "EVN||" + at,
        "PID|" + _fields(person | dict(pid or {}), 1),
        *(["PV1|" + _fields(stay | dict(pv1 or {}), 1)] if event not in {"A40", "A28", "A31"} else []),
        *more,
    ]
    return "\r".join(s for s in segments if s[:3] not in without).encode()


def _fields(values: Mapping[int, str], first: int) -> str:
    return "|".join(values.get(number, "") for number in range(first, max(values) + 1))
