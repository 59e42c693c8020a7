"""The entries of a notification Bundle, each reduced to the resource of our record that it speaks of.

Must not decide what the Bundle as a whole means, nor follow a fullUrl.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.notification_references import Found, locate
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: what it speaks of (None with a note when that may not be looked up), and what it carries."""

    full_url: str | None
    reference: Reference | None
    version: str | None
    deleted: bool
    resource: Resource | None
    note: str | None


def entries_of(bundle: Resource, base_url: str) -> tuple[Entry, ...]:
    """All entries that are objects, in order; anything else is passed over."""
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        return ()
    return tuple(_entry(entry, base_url) for entry in entries if isinstance(entry, Mapping))


def inner_bundle(bundle: Resource) -> Resource:
    """The notification Bundle inside a message (channel type `message`, R4B and R5); the Bundle itself otherwise."""
    if bundle.get("type") != "message":
        return bundle
    entries = bundle.get("entry")
    carried = [_mapping(entry).get("resource") for entry in entries] if isinstance(entries, list) else []
    inner = [r for r in carried if isinstance(r, Mapping) and r.get("resourceType") == "Bundle"]
    return inner[0] if inner else bundle


def _entry(entry: Mapping[str, Any], base_url: str) -> Entry:
    resource = entry.get("resource")
    carried = resource if isinstance(resource, Mapping) else None
    request = _mapping(entry.get("request"))
    full_url = _text(entry.get("fullUrl"))
    found = _found(full_url, carried, _text(request.get("url")), base_url)
    return Entry(
        full_url=full_url,
        reference=found.reference,
        version=found.version,
        deleted=str(request.get("method")).upper() == "DELETE",
        resource=carried,
        note=found.note,
    )


def _found(full_url: str | None, resource: Resource | None, asked: str | None, base_url: str) -> Found:
    """A fullUrl with a host decides (a foreign one ends it); else the resource's own id, else the request."""
    if full_url and not full_url.lower().startswith("urn:"):
        return locate(full_url, base_url)
    if resource and _text(resource.get("id")):
        return locate(f"{resource.get('resourceType')}/{resource['id']}", base_url)
    return locate(asked, base_url) if asked and "/" in asked else Found()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
