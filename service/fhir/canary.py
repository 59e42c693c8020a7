"""The canary: one resource about nobody, which Throughline changes now and then, and whose notification must come back.

Words and shape only; when it is sent and what its absence means is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.systems import BASE, condition, extension_url, full_url
from service.ports import Resource, Write

SYSTEM = f"{BASE}/identifier/canary"
CODE_SYSTEM = f"{BASE}/CodeSystem/canary"
SENT = extension_url("canary-sent")
MARK = "canary"
"""Watermark: where it is, and when it was sent and came back."""
HEARD = "canary-heard"
"""Watermark: the last notifications of it. Apart from the other one, because a notification may overtake its sending."""
HEARD_KEPT = 8
TEXT = "Throughline's canary: about nobody. Throughline changes it to see whether this server's notifications arrive."


@dataclass(frozen=True, kw_only=True)
class Canary:
    """The last one that was sent."""

    reference: Reference
    version: str
    sent_at: datetime
    back_at: datetime | None = None
    lost_since: datetime | None = None
    """When the first was sent of those that did not come back in a row; None when the one before came back."""


def canary_resource(value: str, now: datetime, before: Resource | None = None) -> dict[str, Any]:
    """The Basic resource as it is to stand; `value` is the identifier of this installation's canary."""
    kept: Mapping[str, Any] = before or {}
    return {
        **kept,
        "resourceType": "Basic",
        "extension": [{"url": SENT, "valueInstant": now.isoformat(timespec="milliseconds")}],
        "identifier": [{"system": SYSTEM, "value": value}],
        "code": {"coding": [{"system": CODE_SYSTEM, "code": "canary"}], "text": TEXT},
    }


def canary_write(value: str, now: datetime) -> Write:
    """Creates it where it is not there yet."""
    return Write(
        resource=canary_resource(value, now),
        full_url=full_url(SYSTEM, value),
        create_if_none=condition(SYSTEM, value),
    )


def canary_kept(mark: str | None) -> Canary | None:
    """The last one sent, from its watermark; None when there was none."""
    try:
        kept = json.loads(mark or "")
        return Canary(
            reference=Reference(kept["reference"]),
            version=kept["version"],
            sent_at=datetime.fromisoformat(kept["sent_at"]),
            back_at=_instant(kept["back_at"]),
            lost_since=_instant(kept["lost_since"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def canary_mark(canary: Canary) -> str:
    """The watermark of one."""
    return json.dumps(
        {
            "reference": canary.reference,
            "version": canary.version,
            "sent_at": canary.sent_at.isoformat(),
            "back_at": None if canary.back_at is None else canary.back_at.isoformat(),
            "lost_since": None if canary.lost_since is None else canary.lost_since.isoformat(),
        }
    )


def heard_with(mark: str | None, version: str | None, at: datetime) -> str:
    """The watermark of what was heard, with one more notification: which version, and when."""
    return json.dumps([*_heard(mark), [version or "", at.isoformat()]][-HEARD_KEPT:])


def back_at(canary: Canary, heard: str | None) -> datetime | None:
    """When the notification of this very change came; a sender that tells no version is taken at its word."""
    times = (
        datetime.fromisoformat(at)
        for version, at in _heard(heard)
        if version == canary.version or (not version and datetime.fromisoformat(at) >= canary.sent_at)
    )
    return min(times, default=None)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _heard(mark: str | None) -> list[list[str]]:
    try:
        kept = json.loads(mark or "[]")
        return [[str(version), datetime.fromisoformat(at).isoformat()] for version, at in kept]
    except (ValueError, TypeError):
        return []
