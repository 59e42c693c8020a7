"""What a notification says, whatever its flavour: R4 rest-hook, Backport on R4, SubscriptionStatus of R4B and R5.

Everything found here is a hint about what to look at. It must not be believed as the state of the record, and
nothing here looks anything up: references to other hosts are reduced to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.notification_body import NotificationProblem, is_blank
from service.fhir.notification_bundles import Entry, entries_of, inner_bundle
from service.fhir.notification_content import carried_resource
from service.fhir.notification_references import locate
from service.fhir.notification_status import Status, StatusEvent, instant_of, status_of
from service.ports import RawNotification, Resource

__all__ = ["Kind", "NotificationProblem", "Parsed", "ResourceChange", "parse", "parse_resource"]

DELETED_HEADER = "x-medplum-deleted-resource"
INTERACTION_HEADER = "x-medplum-interaction"

NO_FOCUS = "an event without focus: the payload is empty by agreement or by the sender's habit"
BY_IDENTIFIER = "a focus by identifier only: it names no resource that could be read"
NO_ID = "a resource without id: it names no resource that could be read"
PATH_DIFFERS = "the resource in the body is not the one in the path; the path was followed"
UNKNOWN_TYPE = "a notification type that FHIR does not define"


class Kind(StrEnum):
    """What a notification is for."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event"
    RESOURCE_CHANGE = "resource-change"
    PING = "ping"
    """Something changed, and that is all it says (R4 rest-hook without payload)."""


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One resource of our record that is said to have changed."""

    reference: Reference
    version: str | None = None
    at: datetime | None = None
    deleted: bool = False
    resource: Resource | None = None
    """As it was carried; a hint for whom it concerns, never evidence."""
    person: Reference | None = None
    """The Patient that the notification names beside its focus (additionalContext)."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One notification, understood."""

    kind: Kind
    changes: tuple[ResourceChange, ...] = ()
    unnamed: int = 0
    """Changes that happened but name nothing that may be read: only a catch-up finds them."""
    since: int | None = None
    """events-since-subscription-start"""
    numbers: tuple[int, ...] = ()
    """Event numbers, as sent; empty when the sender has none."""
    subscription: Reference | None = None
    """The server's Subscription, `Subscription/id`."""
    errors: tuple[str, ...] = ()
    """Codes of what the server says is wrong with the subscription."""
    notes: tuple[str, ...] = ()
    """What was left out and why; plain words without content."""

    @property
    def needs_catch_up(self) -> bool:
        """Something changed that this notification does not name, the server admits that it failed, or it begins anew:
        between breaking off and shaking hands nothing was told.
        """
        return self.kind in {Kind.PING, Kind.HANDSHAKE} or self.unnamed > 0 or bool(self.errors)


def parse(notification: RawNotification, *, base_url: str) -> Parsed:
    """Understand one notification; NotificationProblem when it can never be understood.

    `base_url` is that of the record server: only references to it are kept.
    """
    if deleted := notification.headers.get(DELETED_HEADER):
        return _one_change(deleted, base_url, deleted=True)
    if notification.method == "DELETE" or is_blank(notification.body):
        return _from_path(notification, base_url)
    resource = carried_resource(notification.body)
    if not resource:
        return _from_path(notification, base_url)
    return _from_topic(resource, base_url) or _from_resource(notification, resource, base_url)


def parse_resource(resource: Resource, *, base_url: str) -> Parsed:
    """The same for a notification that was asked for: what `$events` or `$status` answered."""
    found = _from_topic(resource, base_url)
    if found is None:
        raise NotificationProblem("The answer is no notification: neither a Bundle nor a SubscriptionStatus.")
    return found


def _from_topic(resource: Resource, base_url: str) -> Parsed | None:
    if resource.get("resourceType") == "Bundle":
        return _from_bundle(inner_bundle(resource), base_url)
    status = status_of(resource)
    return None if status is None else _from_status(status, (), base_url)


# --- R4 rest-hook -----------------------------------------------------------------------------------------------


def _from_path(notification: RawNotification, base_url: str) -> Parsed:
    if not notification.path or "/" not in notification.path:
        return Parsed(kind=Kind.PING)
    return _one_change(notification.path, base_url, deleted=notification.method == "DELETE")


def _one_change(text: str, base_url: str, *, deleted: bool) -> Parsed:
    found = locate(text, base_url)
    if found.reference is None:
        return Parsed(kind=Kind.RESOURCE_CHANGE, unnamed=1, notes=_notes(found.note))
    change = ResourceChange(reference=found.reference, version=found.version, deleted=deleted)
    return Parsed(kind=Kind.RESOURCE_CHANGE, changes=(change,))


def _from_resource(notification: RawNotification, resource: Resource, base_url: str) -> Parsed:
    own = locate(f"{resource['resourceType']}/{resource.get('id')}", base_url).reference
    named = locate(notification.path, base_url).reference if "/" in notification.path else None
    reference = named or (own if resource.get("id") else None)
    if reference is None:
        return Parsed(kind=Kind.RESOURCE_CHANGE, unnamed=1, notes=(NO_ID,))
    change = ResourceChange(
        reference=reference,
        version=_version(resource),
        at=instant_of(_meta(resource).get("lastUpdated")),
        deleted=notification.headers.get(INTERACTION_HEADER, "").lower() == "delete",
        resource=resource,
    )
    differs = named is not None and resource.get("id") is not None and named != own
    return Parsed(
        kind=Kind.RESOURCE_CHANGE, changes=(change,), notes=_notes(PATH_DIFFERS if differs else None)
    )


# --- Bundles ----------------------------------------------------------------------------------------------------


def _from_bundle(bundle: Resource, base_url: str) -> Parsed:
    entries = entries_of(bundle, base_url)
    for entry in entries:
        status = status_of(entry.resource) if entry.resource else None
        if status is not None:
            return _from_status(status, tuple(e for e in entries if e is not entry), base_url)
    if not entries:
        return Parsed(kind=Kind.PING)
    changes = tuple(change for entry in entries if (change := _entry_change(entry)))
    notes = _notes(*(entry.note or NO_ID for entry in entries if entry.reference is None))
    return Parsed(
        kind=Kind.RESOURCE_CHANGE, changes=changes, unnamed=len(entries) - len(changes), notes=notes
    )


def _entry_change(entry: Entry) -> ResourceChange | None:
    if entry.reference is None:
        return None
    resource = entry.resource or {}
    return ResourceChange(
        reference=entry.reference,
        version=_version(resource) or entry.version,
        at=instant_of(_meta(resource).get("lastUpdated")),
        deleted=entry.deleted,
        resource=entry.resource,
    )


# --- topics -----------------------------------------------------------------------------------------------------

_KINDS = {
    "handshake": Kind.HANDSHAKE,
    "heartbeat": Kind.HEARTBEAT,
    "event-notification": Kind.EVENT,
    "query-event": Kind.EVENT,
    "query-status": Kind.HEARTBEAT,
}


def _from_status(status: Status, entries: tuple[Entry, ...], base_url: str) -> Parsed:
    kind = _KINDS.get(status.type, Kind.EVENT if status.events else Kind.PING)
    seen = [_event_change(event, entries, base_url) for event in status.events]
    changes = tuple(change for change, _ in seen if change is not None)
    unknown = UNKNOWN_TYPE if status.type not in _KINDS else None
    # Some senders leave out the event altogether when the payload is empty.
    unnamed = len(seen) - len(changes) if seen else int(kind is Kind.EVENT)
    return Parsed(
        kind=kind,
        changes=changes,
        unnamed=unnamed,
        since=status.since,
        numbers=tuple(event.number for event in status.events if event.number is not None),
        subscription=_subscription(status, base_url),
        errors=status.errors or (("status-error",) if status.status == "error" else ()),
        notes=_notes(unknown, *(note for _, note in seen)),
    )


def _event_change(
    event: StatusEvent, entries: tuple[Entry, ...], base_url: str
) -> tuple[ResourceChange | None, str | None]:
    if event.focus is None:
        return None, BY_IDENTIFIER if event.focus_by_identifier else NO_FOCUS
    found = locate(event.focus, base_url)
    carried = _carried(event.focus, found.reference, entries)
    reference = found.reference or (carried.reference if carried else None)
    if reference is None:
        return None, found.note
    resource = carried.resource if carried else None
    change = ResourceChange(
        reference=reference,
        version=found.version or _version(resource or {}),
        at=event.at,
        deleted=carried.deleted if carried else False,
        resource=resource,
        person=_patient(event.context, base_url),
    )
    return change, None


def _carried(focus: str, reference: Reference | None, entries: tuple[Entry, ...]) -> Entry | None:
    """The Bundle entry of a focus: by its fullUrl for `urn:uuid:`, else by Type/id."""
    by_urn = focus if focus.lower().startswith("urn:") else None
    for entry in entries:
        if (by_urn and entry.full_url == by_urn) or (reference and entry.reference == reference):
            return entry
    return None


def _patient(context: tuple[str, ...], base_url: str) -> Reference | None:
    located = (locate(text, base_url).reference for text in context)
    return next((found for found in located if found and found.startswith("Patient/")), None)


def _subscription(status: Status, base_url: str) -> Reference | None:
    if status.subscription is None:
        return None
    text = status.subscription
    return locate(text if "/" in text else f"Subscription/{text}", base_url).reference


# --- small parts ------------------------------------------------------------------------------------------------


def _meta(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = resource.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _version(resource: Mapping[str, Any]) -> str | None:
    version = _meta(resource).get("versionId")
    return version if isinstance(version, str) else None


def _notes(*notes: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for note in notes if note))
