"""Messages for tests: the published examples, and small ones of our own with every part open to be said otherwise."""

from __future__ import annotations

import json
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
    bundle_id: str = "b1",
    header_id: str = "h1",
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
