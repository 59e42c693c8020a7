"""A notification as the body of a dead letter and back, so that a retry begins with exactly what came in."""

from __future__ import annotations

import msgspec

from service.fhir.notification_body import NotificationProblem
from service.ports import RawNotification


def packed(notification: RawNotification) -> bytes:
    """JSON with the body in base64."""
    return msgspec.json.encode(notification)


def unpacked(body: bytes) -> RawNotification:
    """The notification of a dead letter; NotificationProblem when the letter was not written by `packed`."""
    try:
        return msgspec.json.decode(body, type=RawNotification)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise NotificationProblem(
            "This letter holds no notification; look at it with `throughline dead-letters list`."
        ) from problem


FAULT = "Throughline itself failed on this notification ({}). Report it with this letter's id, then retry."
REFUSED = "The record server refused to show what changed (HTTP {}). Check what Throughline's account may read, then retry."
