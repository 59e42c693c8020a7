"""The history of a resource type (ports.RecordHistory): the only place in which a server says what was deleted.

Newest first, and read only as far back as asked: some servers forget `_since` on their second page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from service.adapters.fhir.address import etag_version
from service.adapters.fhir.answers import resource_of
from service.adapters.fhir.bundles import next_link
from service.adapters.fhir.client import FhirClient, Request
from service.domain.vocabulary import Reference
from service.fhir.notification_references import locate
from service.fhir.record_history import HistoryEntry
from service.fhir.references import mapping, reference_to, version_of
from service.fhir.times import parse_time
from service.ports import NotInRecord, RecordFailure, RecordRefused, RecordUnavailable, Resource

PAGE = 200
MOST_PAGES = 1_000


class HttpRecordHistory:
    """ports.RecordHistory over HTTP. A server that once refused is not asked again in the life of this process."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client
        self._refused: dict[str, RecordFailure] = {}

    def since(self, kind: str, at: datetime) -> Iterator[HistoryEntry]:
        if kind in self._refused:
            raise self._refused[kind]
        instant = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            page = self._page(
                kind, self._client.base.below(f"{kind}/_history?_since={instant}&_count={PAGE}")
            )
        except (RecordRefused, NotInRecord) as refused:
            self._refused[kind] = refused
            raise
        yield from self._entries(kind, page, at)

    def _entries(self, kind: str, page: Resource, at: datetime) -> Iterator[HistoryEntry]:
        visited: set[str] = set()
        for _ in range(MOST_PAGES):
            for entry in page.get("entry") or []:
                found = self._entry(kind, mapping(entry))
                if found is not None and found.changed_at is not None and found.changed_at < at:
                    return
                if found is not None:
                    yield found
            link = next_link(page)
            url = self._client.base.next_page(link) if link else ""
            if not url or url in visited:
                return
            visited.add(url)
            page = self._page(kind, url)
        raise RecordUnavailable(
            f"GET {kind}/_history: the FHIR server's pages never end. Report it to its operator."
        )

    def _entry(self, kind: str, entry: Mapping[str, Any]) -> HistoryEntry | None:
        request, response = mapping(entry.get("request")), mapping(entry.get("response"))
        carried = mapping(entry.get("resource"))
        named = (entry.get("fullUrl"), request.get("url"))
        located = (locate(str(each), self._client.base.url).reference for each in named if each)
        own = reference_to(carried) if carried.get("id") else None
        reference = own or next((each for each in located if each and each.startswith(f"{kind}/")), None)
        if reference is None:
            return None
        changed = mapping(carried.get("meta")).get("lastUpdated") or response.get("lastModified")
        return HistoryEntry(
            reference=Reference(reference),
            version=version_of(carried) or etag_version(str(response.get("etag") or "")) or "",
            changed_at=parse_time(changed, UTC),
            resource=carried or None,
            deleted=str(request.get("method")).upper() == "DELETE",
        )

    def _page(self, kind: str, url: str) -> Resource:
        doing = f"GET {kind}/_history"
        return resource_of(self._client.send(Request(method="GET", url=url, doing=doing)), doing)
