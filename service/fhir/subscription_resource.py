"""The FHIR R4 Subscription that asks for notifications, and how what a server keeps differs from what was asked.

Never shows a secret or an address: differences are told by the name of the element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from service.fhir.references import mapping, mappings
from service.ports import Resource

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
SEND_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"
SIGNING_SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"  # noqa: S105
NO_PAYLOAD = "none"


class Flavour(StrEnum):
    """Which kind of Subscription the server understands."""

    R4_REST_HOOK = "r4-rest-hook"
    """FHIR R4: criteria are a search."""
    R4_BACKPORT = "r4-backport"
    """Subscriptions R5 Backport 1.1 on R4: criteria are a topic's canonical URL."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one subscription is to watch, as a site says it in its subscriptions folder."""

    name: str
    flavour: Flavour = Flavour.R4_REST_HOOK
    criteria: str = ""
    """`Encounter?...` (R4 rest-hook)"""
    topic: str = ""
    """Canonical URL (backport)"""
    filters: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    """Resource types that a topic is about; of criteria it is the type in front."""
    payload: str = "application/fhir+json"
    content: str = "id-only"
    """empty, id-only or full-resource (backport)"""
    auth: str = "header"
    """header, signature or address"""
    header: str = "Authorization"
    status: str = "requested"
    """What it is created as: `requested` by the standard, `active` for servers that never activate one."""
    deletions: bool = False
    """Ask for deletions too, where the server knows that extension."""
    heartbeat_seconds: int | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types it tells about; what a catch-up of it reads."""
        return self.watched or ((self.criteria.partition("?")[0],) if self.criteria else ())


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One wanted subscription together with where and how it is to be notified."""

    wanted: Wanted
    endpoint: str = field(repr=False)
    secret: str = field(repr=False)


def subscription(asked: Asked) -> dict[str, Any]:
    """The Subscription resource to be created (R4 Subscription; backport-subscription profile where asked)."""
    wanted = asked.wanted
    resource: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": wanted.status,
        "reason": f"Throughline watches {', '.join(wanted.types)} to keep follow-up from being lost ({wanted.name})",
        "criteria": wanted.criteria,
        "channel": _channel(asked),
    }
    if wanted.flavour is Flavour.R4_BACKPORT:
        resource["meta"] = {"profile": [f"{BACKPORT}/backport-subscription"]}
        resource["criteria"] = wanted.topic
        if wanted.filters:
            url = f"{BACKPORT}/backport-filter-criteria"
            resource["_criteria"] = {"extension": [{"url": url, "valueString": f} for f in wanted.filters]}
    if wanted.auth == "signature":
        resource["extension"] = [{"url": SIGNING_SECRET, "valueString": asked.secret}]
    return resource


def endpoint_of(resource: Resource) -> str:
    """channel.endpoint, or empty."""
    endpoint = mapping(resource.get("channel")).get("endpoint")
    return endpoint if isinstance(endpoint, str) else ""


def status_of(resource: Resource) -> str:
    """Subscription.status, or empty."""
    status = resource.get("status")
    return status if isinstance(status, str) else ""


def differences(asked: Asked, found: Resource) -> tuple[str, ...]:
    """What the server keeps otherwise than asked, one plain sentence each; empty when it keeps what matters.

    The status is not compared: it is the server's to set.
    """
    return tuple(_differences(asked, subscription(asked), found))


# --- rendering --------------------------------------------------------------------------------------------------


def _channel(asked: Asked) -> dict[str, Any]:
    wanted = asked.wanted
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": asked.endpoint}
    extensions: list[dict[str, Any]] = []
    if wanted.flavour is Flavour.R4_BACKPORT:
        content = {"url": f"{BACKPORT}/backport-payload-content", "valueCode": wanted.content}
        # The profile demands channel.payload even where the content is empty.
        channel["payload"] = "application/fhir+json"
        channel["_payload"] = {"extension": [content]}
        if wanted.heartbeat_seconds is not None:
            heartbeat = f"{BACKPORT}/backport-heartbeat-period"
            extensions.append({"url": heartbeat, "valueUnsignedInt": wanted.heartbeat_seconds})
    elif wanted.payload != NO_PAYLOAD:
        channel["payload"] = wanted.payload
    if wanted.auth == "header":
        channel["header"] = [header_line(asked)]
    if wanted.deletions:
        extensions.append({"url": SEND_DELETES, "valueBoolean": True})
    if extensions:
        channel["extension"] = extensions
    return channel


def header_line(asked: Asked) -> str:
    """`Authorization: Bearer ...`, or the secret alone in a header of another name."""
    name = asked.wanted.header
    value = f"Bearer {asked.secret}" if name.lower() == "authorization" else asked.secret
    return f"{name}: {value}"


# --- comparing --------------------------------------------------------------------------------------------------


def _differences(asked: Asked, ours: Resource, theirs: Resource) -> Iterator[str]:
    our_channel, their_channel = mapping(ours.get("channel")), mapping(theirs.get("channel"))
    if ours["criteria"] != theirs.get("criteria"):
        yield f"criteria: asked for {ours['criteria']}, the server has {_shown(theirs.get('criteria'))}"
    if their_channel.get("type") != "rest-hook":
        yield f"channel type: asked for rest-hook, the server has {_shown(their_channel.get('type'))}"
    if endpoint_of(theirs) != asked.endpoint:
        yield "address: the server would notify another address than the one asked for"
    if our_channel.get("payload") != their_channel.get("payload"):
        yield (
            f"payload: asked for {our_channel.get('payload', NO_PAYLOAD)}, "
            f"the server has {_shown(their_channel.get('payload'))}"
        )
    headers = their_channel.get("header")
    # A server may keep secrets to itself; only a header that it shows can be wrong.
    if isinstance(headers, list) and headers and our_channel.get("header", headers) != headers:
        yield "header: the server would send another secret than the one asked for"
    for word, at in _EXTENSIONS.items():
        if _extensions(ours, at) - _extensions(theirs, at):
            yield f"{word}: the server dropped what was asked for"


_EXTENSIONS = {
    "filter": ("_criteria",),
    "payload content": ("channel", "_payload"),
    "channel options": ("channel",),
}


def _extensions(resource: Resource, at: tuple[str, ...]) -> set[tuple[str, str]]:
    element: Mapping[str, Any] = resource
    for step in at:
        element = mapping(element.get(step))
    found = mappings(element.get("extension"))
    return {(str(e.get("url")), str([v for k, v in e.items() if k.startswith("value")])) for e in found}


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else NO_PAYLOAD
