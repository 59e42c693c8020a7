"""What we understand of messages, as a CapabilityStatement: Da Vinci asks every receiver for one."""

from __future__ import annotations

import json

from service.fhir.messages.bundle import EVENTS
from service.fhir.systems import BASE

PUBLISHED = "2026-11-24"
"""When this statement was last changed (R4 CapabilityStatement.date)."""


def capability_statement(version: str) -> bytes:
    """FHIR JSON."""
    events = ", ".join(sorted(EVENTS))
    return json.dumps(
        {
            "resourceType": "CapabilityStatement",
            "url": f"{BASE}/CapabilityStatement/message-receiver",
            "version": version,
            "status": "active",
            "date": PUBLISHED,
            "kind": "instance",
            "software": {"name": "Throughline", "version": version},
            "implementation": {"description": "Receiver of admit, discharge and transfer notifications"},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "implementationGuide": ["http://hl7.org/fhir/us/davinci-alerts"],
            "instantiates": [
                "http://hl7.org/fhir/us/davinci-alerts/CapabilityStatement/notification-receiver"
            ],
            "rest": [
                {
                    "mode": "server",
                    "documentation": f"Takes {events}. Nothing can be read here.",
                    "security": {"description": "A bearer token agreed with the site, over TLS."},
                    "operation": [
                        {
                            "name": "process-message",
                            "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
                        }
                    ],
                }
            ],
        },
        separators=(",", ":"),
    ).encode()
