"""What a server keeps of a Subscription, whatever its FHIR version, and how that differs from what was asked.

Never shows a secret or an address: differences are told by the name of the element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.fhir.references import codings, mapping, mappings
from service.fhir.subscription_resource import BACKPORT, subscription
from service.fhir.subscription_wanted import NO_PAYLOAD, Asked
from service.fhir.times import parse_time
from service.ports import Resource

RENEW_AT_LEAST = timedelta(days=7)
"""Renewed a third of its time before its end, but not more than this before."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A Subscription of any version in one shape."""

    status: str
    watches: str
    """The criteria, or the topic's canonical URL."""
    channel: str
    endpoint: str = field(repr=False)
    media_type: str
    content: str
    headers: tuple[str, ...] = field(repr=False)
    filters: frozenset[tuple[str, ...]]
    heartbeat: int | None
    timeout: int | None
    most: int | None
    options: frozenset[tuple[str, str]] = field(repr=False)
    """Extensions that no other member holds."""
    end: datetime | None
    since: datetime | None
    """When the server last wrote it, by its own clock."""


def kept_of(resource: Resource) -> Kept:
    """What matters of a Subscription as the server shows it; nothing is believed to be there."""
    return _of_r5(resource) if "channelType" in resource or "topic" in resource else _of_r4(resource)


def endpoint_of(resource: Resource) -> str:
    """Where it notifies, or empty."""
    return kept_of(resource).endpoint


def status_of(resource: Resource) -> str:
    """Subscription.status, or empty."""
    return _text(resource.get("status"))


def ends_soon(kept: Kept, now: datetime) -> bool:
    """Whether it has to be renewed: its last third has begun, though not more than a week before the end.

    Both ends of its time are the server's own instants, so a server that grants an hour at a time is renewed every
    forty minutes and not at every look.
    """
    if kept.end is None:
        return False
    granted = kept.end - kept.since if kept.since is not None else RENEW_AT_LEAST
    return now >= kept.end - min(RENEW_AT_LEAST, max(granted, timedelta()) / 3)


def differences(asked: Asked, found: Resource) -> tuple[str, ...]:
    """What the server keeps otherwise than asked, one plain sentence each; empty when it keeps what matters.

    The status and the end are not compared: they are the server's to set.
    """
    return tuple(
        _differences(kept_of(subscription(asked)), kept_of(found), by_topic=asked.wanted.flavour.by_topic)
    )


def _differences(ours: Kept, theirs: Kept, *, by_topic: bool) -> Iterator[str]:
    name = "topic" if by_topic else "criteria"
    yield from _other(name, ours.watches, theirs.watches)
    yield from _other("channel type", ours.channel, theirs.channel)
    if theirs.endpoint != ours.endpoint:
        yield "address: the server would notify another address than the one asked for"
    yield from _other("payload", ours.media_type, theirs.media_type)
    # A server may keep secrets to itself; only a header that it shows can be wrong.
    if theirs.headers and ours.headers and not set(ours.headers) <= set(theirs.headers):
        yield "header: the server would send another secret than the one asked for"
    if ours.filters - theirs.filters:
        yield "filter: the server dropped what was asked for"
    if by_topic:
        yield from _other("payload content", ours.content, theirs.content)
    for what, asked, kept in (
        ("heartbeat", ours.heartbeat, theirs.heartbeat),
        ("timeout", ours.timeout, theirs.timeout),
        ("events per notification", ours.most, theirs.most),
    ):
        if asked is not None and asked != kept:
            yield f"{what}: asked for {asked}, the server has {kept if kept is not None else NO_PAYLOAD}"
    if ours.options - theirs.options:
        yield "channel options: the server dropped what was asked for"


def _other(what: str, ours: str, theirs: str) -> Iterator[str]:
    if ours != theirs:
        yield f"{what}: asked for {ours or NO_PAYLOAD}, the server has {theirs or NO_PAYLOAD}"


# --- reading ----------------------------------------------------------------------------------------------------

_NUMBERS = {
    "heartbeat": f"{BACKPORT}/backport-heartbeat-period",
    "timeout": f"{BACKPORT}/backport-timeout",
    "most": f"{BACKPORT}/backport-max-count",
}


def _of_r4(resource: Resource) -> Kept:
    channel = mapping(resource.get("channel"))
    extensions = dict(_extensions(channel))
    filters = (_text(value) for _, value in _extensions(resource.get("_criteria")))
    contents = (_text(value) for _, value in _extensions(channel.get("_payload")))
    return Kept(
        status=status_of(resource),
        watches=_text(resource.get("criteria")),
        channel=_text(channel.get("type")),
        endpoint=_text(channel.get("endpoint")),
        media_type=_text(channel.get("payload")),
        content=next(contents, ""),
        headers=tuple(each for each in _list(channel.get("header")) if isinstance(each, str)),
        filters=frozenset((text,) for text in filters),
        heartbeat=_number(extensions.get(_NUMBERS["heartbeat"])),
        timeout=_number(extensions.get(_NUMBERS["timeout"])),
        most=_number(extensions.get(_NUMBERS["most"])),
        options=frozenset((url, str(v)) for url, v in extensions.items() if url not in _NUMBERS.values()),
        end=parse_time(resource.get("end"), UTC),
        since=_last_updated(resource),
    )


def _of_r5(resource: Resource) -> Kept:
    parameters = mappings(resource.get("parameter"))
    names = ("resourceType", "filterParameter", "modifier", "comparator", "value")
    return Kept(
        status=status_of(resource),
        watches=_text(resource.get("topic")),
        channel=next((code for _, code in codings({"coding": resource.get("channelType")})), ""),
        endpoint=_text(resource.get("endpoint")),
        media_type=_text(resource.get("contentType")),
        content=_text(resource.get("content")),
        headers=tuple(f"{_text(each.get('name'))}: {_text(each.get('value'))}" for each in parameters),
        filters=frozenset(
            # The type may be a name or the canonical URL that ends with it; `eq` is what no comparator means.
            tuple(
                _text(each.get(name)).rpartition("/")[2] if name == "resourceType" else _said(each, name)
                for name in names
            )
            for each in mappings(resource.get("filterBy"))
        ),
        heartbeat=_number(resource.get("heartbeatPeriod")),
        timeout=_number(resource.get("timeout")),
        most=_number(resource.get("maxCount")),
        options=frozenset(),
        end=parse_time(resource.get("end"), UTC),
        since=_last_updated(resource),
    )


def _said(filtered: Mapping[str, Any], name: str) -> str:
    text = _text(filtered.get(name))
    return "" if (name, text) == ("comparator", "eq") else text


def _extensions(element: object) -> Iterator[tuple[str, Any]]:
    for each in mappings(mapping(element).get("extension")):
        value = next((value for key, value in each.items() if key.startswith("value")), None)
        yield _text(each.get("url")), value


def _last_updated(resource: Resource) -> datetime | None:
    return parse_time(mapping(resource.get("meta")).get("lastUpdated"), UTC)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    try:
        return None if value is None or isinstance(value, bool) else int(str(value))
    except ValueError:
        return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
