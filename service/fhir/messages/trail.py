"""The trail of one message: who said it, when, and which resources it made or changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from service.fhir import systems
from service.fhir.labels import high_water, labelled
from service.fhir.messages.content import Message
from service.fhir.times import fhir_time
from service.ports import Write


def message_provenance(
    message: Message, writes: Sequence[Write], *, now: datetime, zone: tzinfo, software_version: str
) -> Write:
    """One Provenance about everything that is written because of this message (at least one write)."""
    code = uuid5(
        NAMESPACE_URL, " ".join([message.identity, *sorted(w.full_url + (w.if_match or "") for w in writes)])
    ).hex
    provenance: dict[str, Any] = {
        "resourceType": "Provenance",
        "meta": {"tag": [{"system": systems.MESSAGE, "code": code}]},
        "target": [{"reference": each.full_url} for each in writes],
        "occurredDateTime": fhir_time(message.sent_at, zone),
        "recorded": fhir_time(now, zone),
        "activity": {"text": "; ".join([f"Message {message.event}", *message.notes])},
        "agent": [
            _agent("author", "Author", _sender(message.sender)),
            _agent("assembler", "Assembler", systems.software(software_version)),
        ],
        "entity": [{"role": "source", "what": {"identifier": _of_message(message)}}],
    }
    return Write(
        resource=labelled(provenance, high_water(write.resource for write in writes)),
        full_url=systems.full_url(systems.MESSAGE, code),
        create_if_none=f"_tag={systems.MESSAGE}|{code}",
    )


def _agent(code: str, display: str, who: dict[str, Any]) -> dict[str, Any]:
    coding = {"system": systems.PROVENANCE_PARTICIPANT, "code": code, "display": display}
    return {"type": {"coding": [coding]}, "who": who}


def _sender(name: str) -> dict[str, Any]:
    """A logical reference: no Organization has to exist on the server."""
    return {
        "type": "Organization",
        "identifier": {"system": systems.SENDER, "value": name},
        "display": name,
    }


def _of_message(message: Message) -> dict[str, str]:
    return {"system": systems.REPORTED, "value": message.identity}
