"""The Subscription of FHIR R5: a topic, filters as elements, the channel's settings without extensions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from service.fhir.subscription_wanted import NO_PAYLOAD, Asked, Wanted

CHANNEL_TYPES = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_COMPARATOR = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=\d)")


def subscription_r5(asked: Asked) -> dict[str, Any]:
    """The R5 resource to be created."""
    wanted = asked.wanted
    resource: dict[str, Any] = {
        "resourceType": "Subscription",
        "name": wanted.name,
        "status": wanted.status,
        "topic": wanted.topic,
        "end": asked.end,
        "reason": reason(wanted),
        "filterBy": [each for text in wanted.filters for each in filter_by(text)],
        "channelType": {"system": CHANNEL_TYPES, "code": "rest-hook"},
        "endpoint": asked.endpoint,
        "heartbeatPeriod": wanted.heartbeat_seconds,
        "timeout": wanted.timeout_seconds,
        "contentType": "application/fhir+json" if wanted.payload == NO_PAYLOAD else wanted.payload,
        "content": wanted.content,
        "maxCount": wanted.most_events,
    }
    if wanted.auth == "header":
        name, _, value = header_line(asked).partition(": ")
        resource["parameter"] = [{"name": name, "value": value}]
    return {name: value for name, value in resource.items() if value not in (None, [])}


def filter_by(text: str) -> Iterator[dict[str, Any]]:
    """`Encounter?patient=Patient/1&date=ge2026` as R5's filterBy, one for each parameter."""
    kind, mark, query = text.partition("?")
    for name, value in parse_qsl(query if mark else text, keep_blank_values=True):
        parameter, _, modifier = name.partition(":")
        prefix = _COMPARATOR.match(value)
        filtered: dict[str, Any] = {"resourceType": kind} if mark else {}
        filtered["filterParameter"] = parameter
        if modifier:
            filtered["modifier"] = modifier
        if prefix:
            filtered["comparator"] = prefix[1]
        yield {**filtered, "value": value[len(prefix[1]) :] if prefix else value}


def reason(wanted: Wanted) -> str:
    """Subscription.reason, for whoever reads the server's list."""
    return f"Throughline watches {', '.join(wanted.types)} to keep follow-up from being lost ({wanted.name})"


def header_line(asked: Asked) -> str:
    """`Authorization: Bearer ...`, or the secret alone in a header of another name."""
    name = asked.wanted.header
    value = f"Bearer {asked.secret}" if name.lower() == "authorization" else asked.secret
    return f"{name}: {value}"
