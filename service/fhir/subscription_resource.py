"""The Subscription that asks for notifications, in the shape of its flavour. R4 and both backports; R5 beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.fhir.subscription_r5 import CHANNEL_TYPES, header_line, reason, subscription_r5
from service.fhir.subscription_wanted import NO_PAYLOAD, Asked, Extra, Flavour, Wanted

__all__ = ["BACKPORT", "Asked", "Extra", "Flavour", "Wanted", "subscription"]

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
SEND_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"
SIGNING_SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"  # noqa: S105


def subscription(asked: Asked) -> dict[str, Any]:
    """The Subscription resource to be created (R4, backport-subscription profile, or R5, as asked)."""
    wanted = asked.wanted
    if wanted.flavour is Flavour.R5_TOPIC:
        return subscription_r5(asked)
    resource: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": wanted.status,
        "reason": reason(wanted),
        "criteria": wanted.criteria,
        "channel": _channel(asked),
    }
    if asked.end is not None:
        resource["end"] = asked.end
    if wanted.flavour.by_topic:
        resource["meta"] = {"profile": [f"{BACKPORT}/backport-subscription"]}
        resource["criteria"] = wanted.topic
        if wanted.filters:
            url = f"{BACKPORT}/backport-filter-criteria"
            resource["_criteria"] = {"extension": [{"url": url, "valueString": f} for f in wanted.filters]}
    extensions = [_extension(each) for each in wanted.extras if each.on == "subscription"]
    if wanted.auth == "signature":
        extensions.append({"url": SIGNING_SECRET, "valueString": asked.secret})
    if extensions:
        resource["extension"] = extensions
    return resource


def _channel(asked: Asked) -> dict[str, Any]:
    wanted = asked.wanted
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": asked.endpoint}
    if wanted.channel_coding:
        coding = {"system": CHANNEL_TYPES, "code": "rest-hook"}
        channel["_type"] = {
            "extension": [{"url": f"{BACKPORT}/backport-channel-type", "valueCoding": coding}]
        }
    if wanted.flavour.by_topic:
        content = {"url": f"{BACKPORT}/backport-payload-content", "valueCode": wanted.content}
        # The profile demands channel.payload even where the content is empty.
        channel["payload"] = "application/fhir+json" if wanted.payload == NO_PAYLOAD else wanted.payload
        channel["_payload"] = {"extension": [content]}
    elif wanted.payload != NO_PAYLOAD:
        channel["payload"] = wanted.payload
    if wanted.auth == "header":
        channel["header"] = [header_line(asked)]
    extensions = list(_options(wanted))
    if extensions:
        channel["extension"] = extensions
    return channel


def _options(wanted: Wanted) -> Iterator[dict[str, Any]]:
    if wanted.flavour.by_topic:
        numbers = {
            "backport-heartbeat-period": ("valueUnsignedInt", wanted.heartbeat_seconds),
            "backport-timeout": ("valueUnsignedInt", wanted.timeout_seconds),
            "backport-max-count": ("valuePositiveInt", wanted.most_events),
        }
        for name, (kind, number) in numbers.items():
            if number is not None:
                yield {"url": f"{BACKPORT}/{name}", kind: number}
    if wanted.deletions:
        yield {"url": SEND_DELETES, "valueBoolean": True}
    yield from (_extension(each) for each in wanted.extras if each.on == "channel")


def _extension(extra: Extra) -> dict[str, Any]:
    return {"url": extra.url, f"value{extra.kind[:1].upper()}{extra.kind[1:]}": extra.value}
