"""One change in the record, as each flavour of server tells of it."""

from __future__ import annotations

import json

from service.ports import RawNotification, Resource


def put(resource: Resource) -> RawNotification:
    """R4 rest-hook with payload: PUT of the resource below the address."""
    path = f"{resource['resourceType']}/{resource['id']}"
    return _raw("PUT", path, json.dumps(resource).encode())


def empty(_resource: Resource) -> RawNotification:
    """R4 rest-hook without payload: something has changed."""
    return _raw("POST", "", b"")


def id_only(resource: Resource, number: int = 1) -> RawNotification:
    """Backport R4, id-only: the focus is named, nothing is carried."""
    focus = {"reference": f"{resource['resourceType']}/{resource['id']}"}
    event = [{"name": "event-number", "valueString": str(number)}, {"name": "focus", "valueReference": focus}]
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/1"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "events-since-subscription-start", "valueString": str(number)},
            {"name": "notification-event", "part": event},
        ],
    }
    entry = {"fullUrl": "urn:uuid:292d3c72-edc1-4d8a-afaa-d85e19c7f563", "resource": status}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [entry]}
    return _raw("POST", "", json.dumps(bundle).encode())


def _raw(method: str, path: str, body: bytes) -> RawNotification:
    return RawNotification(
        subscription="everything", method=method, path=path, content_type="application/fhir+json", body=body
    )
