"""A notification as the body of a dead letter and back, so that a retry begins with exactly what came in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from service.fhir.notification_body import NotificationProblem
from service.ports import DeadLetter, RawNotification


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


def letter_of(entry: str, notification: RawNotification, reason: str, at: datetime) -> DeadLetter:
    """An entry of the inbox, parked."""
    return DeadLetter(
        id=f"notification-{entry}",
        kind="notification",
        subject=notification.subscription,
        reason=reason,
        at=at,
        body=packed(notification),
    )


FAULT = "Throughline itself failed on this notification ({}). Report it with this letter's id, then retry."
REFUSED = "The record server refused to show what changed (HTTP {}). Check what Throughline's account may read, then retry."
NOT_TAKEN = (
    "The record server refused what this message tells (HTTP {}). Check what Throughline's account may write and which"
    " profiles the server enforces, then retry."
)
