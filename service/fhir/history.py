"""Versions of resources, and the record as it was: from Bundles of any type that hold a person's record.

Pure. A reference to another entry of the Bundle, by its fullUrl, becomes `Type/id`; nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.full_urls import resolved
from service.fhir.read.elements import last_updated
from service.fhir.references import mapping, mappings, reference_to, relative_reference, version_of
from service.fhir.times import parse_time
from service.ports import Resource

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class NotABundle(Exception):
    """Use this when what should be a Bundle cannot be read as one; says at which entry, and what is missing."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a resource, or its deletion."""

    reference: Reference
    number: str
    """meta.versionId; empty where nobody says."""
    at: datetime | None
    """When the record had it (meta.lastUpdated); None where nobody says."""
    content: Resource | None = field(compare=False, repr=False)
    """None: it was deleted."""


class History:
    """Every known version of every resource, the oldest first."""

    def __init__(self, versions: Iterable[Version] = ()) -> None:
        self._versions: dict[Reference, tuple[Version, ...]] = {}
        self.add(versions)

    def add(self, versions: Iterable[Version]) -> None:
        """The same version of a resource counts once, however often it comes."""
        grouped: dict[Reference, list[Version]] = {}
        for version in versions:
            grouped.setdefault(version.reference, []).append(version)
        for reference, found in grouped.items():
            known = {(v.number, v.at): v for v in (*self._versions.get(reference, ()), *found)}
            self._versions[reference] = tuple(sorted(known.values(), key=_age))

    def __contains__(self, reference: object) -> bool:
        return reference in self._versions

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._versions)

    def of(self, reference: Reference) -> tuple[Version, ...]:
        """Its versions, the oldest first; none for a resource that is not known."""
        return self._versions.get(reference, ())

    def exact(self, reference: Reference, number: str) -> Version | None:
        """The version of this number."""
        return next((v for v in self.of(reference) if v.number == number), None)

    def after(self, reference: Reference, number: str) -> Version | None:
        """The version that followed this one."""
        found = self.of(reference)
        place = next((n for n, v in enumerate(found) if v.number == number), None)
        return found[place + 1] if place is not None and place + 1 < len(found) else None

    def last_by(self, reference: Reference, cut: datetime) -> Version | None:
        """The newest version that the record had at `cut`; one whose time nobody says was always there."""
        return next((v for v in reversed(self.of(reference)) if v.at is None or v.at <= cut), None)


def _age(version: Version) -> tuple[datetime, int, str]:
    number = int(version.number) if version.number.isdecimal() else 0
    return version.at or _EARLIEST, number, version.number


def as_version(resource: Resource, zone: tzinfo) -> Version | None:
    """The version a resource as read is; None when it has no id."""
    reference = reference_to(resource)
    if reference is None:
        return None
    at = last_updated(resource, zone)
    return Version(reference=reference, number=version_of(resource), at=at, content=resource)


def versions_in(bundle: object, zone: tzinfo) -> list[Version]:
    """The versions that a Bundle (history, searchset, collection, transaction …) holds. NotABundle says what is wrong."""
    if mapping(bundle).get("resourceType") != "Bundle":
        raise NotABundle("it is not a FHIR Bundle: its resourceType must be Bundle")
    entries = list(mappings(mapping(bundle).get("entry")))
    if not entries:
        raise NotABundle("it has no entry")
    places = {url: place for n, entry in enumerate(entries) for url, place in _place(entry, n)}
    found = (_version(entry, number, places, zone) for number, entry in enumerate(entries))
    return [version for version in found if version is not None]


def _place(entry: Mapping[str, Any], number: int) -> Iterator[tuple[str, str]]:
    """(fullUrl, `Type/id`) of an entry that other entries may refer to by its fullUrl."""
    url, resource = entry.get("fullUrl"), mapping(entry.get("resource"))
    if isinstance(url, str) and resource.get("resourceType"):
        yield url, f"{resource['resourceType']}/{_id(entry, number)}"


def _id(entry: Mapping[str, Any], number: int) -> str:
    """The id the entry's resource has or gets: an entry that is still to be created is known by its fullUrl."""
    own = mapping(entry.get("resource")).get("id")
    if isinstance(own, str) and _ID.fullmatch(own):
        return own
    tail = re.split(r"[/:]", str(entry.get("fullUrl", "")))[-1]
    return tail if _ID.fullmatch(tail) else f"entry-{number + 1}"


def _version(
    entry: Mapping[str, Any], number: int, places: Mapping[str, str], zone: tzinfo
) -> Version | None:
    resource = mapping(entry.get("resource"))
    if not resource:
        return _deletion(entry, zone)
    kind = resource.get("resourceType")
    if kind == "OperationOutcome" and mapping(entry.get("search")).get("mode") == "outcome":
        return None
    if not isinstance(kind, str) or not kind[:1].isupper():
        raise NotABundle(f"entry {number + 1} holds a resource without its resourceType")
    version = as_version({**resolved(resource, places), "id": _id(entry, number)}, zone)
    if version is None:
        raise NotABundle(f"entry {number + 1} holds a {kind} whose id or type is not a FHIR one")
    return version


def _deletion(entry: Mapping[str, Any], zone: tzinfo) -> Version | None:
    """A history's entry without a resource (R4 http, 2.36.0.9); anything else without one says nothing."""
    request, response = mapping(entry.get("request")), mapping(entry.get("response"))
    reference = relative_reference("/".join(str(request.get("url", "")).split("/")[-2:]))
    if request.get("method") != "DELETE" or reference is None:
        return None
    number = str(response.get("etag", "")).removeprefix("W/").strip('"')
    return Version(
        reference=reference, number=number, at=parse_time(response.get("lastModified"), zone), content=None
    )
