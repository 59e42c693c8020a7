"""Reading from a FHIR server: single resources, searches page by page, several searches in one request.

Must not write. A parameter that the server ignores never widens an answer: it is refused, or chosen here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from service.adapters.fhir import bundles
from service.adapters.fhir.address import literal, query_of
from service.adapters.fhir.answers import Answer, failure, refused_search, resource_of
from service.adapters.fhir.client import FhirClient, Request
from service.adapters.fhir.narrowing import MOST, names, narrowed
from service.adapters.fhir.retry import PASSING
from service.domain.vocabulary import Reference
from service.ports import Capabilities, RecordRefused, Resource, Search

_LOG = logging.getLogger(__name__)

PAGE = 200
"""Resources asked for per page; servers cap it as they like."""
BATCH = 20
"""Searches in one batch Bundle."""
MOST_PAGES = 10_000


class RecordReader:
    """The reading half of the record; safe to share between threads."""

    def __init__(self, client: FhirClient, capabilities: Capabilities) -> None:
        self.client = client
        self._capabilities = capabilities
        self.narrowed: set[str] = set()
        """Searches (type and parameter names) that this server cannot do, so that they are done here."""

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def read(self, reference: Reference) -> Resource:
        kind, logical_id = literal(reference)
        answer = self.client.send(
            Request(method="GET", url=self.client.base.below(f"{kind}/{logical_id}"), doing=f"GET {kind}")
        )
        return resource_of(answer, f"GET {kind}")

    def history(self, reference: Reference) -> Iterator[Mapping[str, Any]]:
        """Every version of one resource, as pages of a history Bundle. RecordRefused where the server keeps none."""
        kind, logical_id = literal(reference)
        doing = f"GET {kind} _history"
        url = self.client.base.below(f"{kind}/{logical_id}/_history?_count={PAGE}")
        visited: set[str] = set()
        while url not in visited:
            visited.add(url)
            page = resource_of(self.client.send(Request(method="GET", url=url, doing=doing)), doing)
            yield page
            link = bundles.next_link(page)
            if link is None:
                return
            url = self.client.base.next_page(link)
        raise RecordRefused(f"{doing}: the FHIR server's pages never end. Report it to its operator.")

    def search(self, search: Search) -> Iterator[Resource]:
        if names(search) in self.narrowed:
            yield from self._chosen_here(search)
            return
        try:
            page = self._page(search, self._url(search))
            bundles.check(page, search)
        except RecordRefused as refused:
            if refused.status != 400:
                raise
            yield from self._chosen_here(search, refused)
            return
        yield from self._pages(search, page)

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        able = [
            search for search in searches if self.capabilities.batch and names(search) not in self.narrowed
        ]
        asked = list(dict.fromkeys(able))
        together: dict[Search, Answer] = {}
        for chunk in (asked[i : i + BATCH] for i in range(0, len(asked), BATCH)):
            if len(chunk) > 1:
                together.update(zip(chunk, self._batch(chunk), strict=True))
        return [
            self._found(search, together[search]) if search in together else list(self.search(search))
            for search in searches
        ]

    def _batch(self, searches: Sequence[Search]) -> list[Answer]:
        doing = "POST batch"
        body = bundles.batch([f"{search.kind}?{query_of(search, PAGE)}" for search in searches])
        answer = self.client.send(Request(method="POST", url=self.client.base.url, doing=doing, body=body))
        if not answer.good:
            raise failure(answer, doing)
        return bundles.responses(answer, len(searches), doing)

    def _found(self, search: Search, entry: Answer) -> list[Resource]:
        """Of one entry; asked again alone, with everything that helps, where the batch did not bring a full answer."""
        if not entry.good and entry.status not in PASSING | {400}:
            raise refused_search(entry, search)
        if not entry.good or entry.body is None:
            return list(self.search(search))
        try:
            bundles.check(entry.body, search)
        except RecordRefused:
            return list(self.search(search))
        return list(self._pages(search, entry.body))

    def _chosen_here(self, search: Search, refused: RecordRefused | None = None) -> Iterator[Resource]:
        """Where the server does not support a parameter: ask without it and choose here, as long as that is bounded."""
        try:
            page = self._page(search, self._url(search), "handling=lenient")
        except RecordRefused as still:
            raise refused or still from None
        everything = list(islice(self._pages(search, page, "handling=lenient"), MOST + 1))
        if len(everything) > MOST:
            raise refused or RecordRefused(
                f"GET {names(search)}: too much to choose from without the server's help."
            )
        chosen = narrowed(search, everything, self.read)
        if names(search) not in self.narrowed:
            self.narrowed.add(names(search))
            _LOG.warning(
                "The FHIR server cannot search %s: everything is read and chosen here.", names(search)
            )
        yield from chosen

    def _url(self, search: Search) -> str:
        return self.client.base.below(f"{search.kind}?{query_of(search, PAGE)}")

    def _page(self, search: Search, url: str, prefer: str = "handling=strict") -> Mapping[str, Any]:
        answer = self.client.send(
            Request(method="GET", url=url, doing=f"GET {search.kind}?", headers={"Prefer": prefer})
        )
        if not answer.good:
            raise refused_search(answer, search)
        return resource_of(answer, f"GET {search.kind}?")

    def _pages(
        self, search: Search, page: Mapping[str, Any], prefer: str = "handling=strict"
    ) -> Iterator[Resource]:
        seen: set[tuple[object, object]] = set()
        visited: set[str] = set()
        for _ in range(MOST_PAGES):
            for resource in bundles.matches(page, search.kind):
                key = (resource.get("resourceType"), resource.get("id"))
                if key not in seen:  # pages shift while others write, and includes repeat on every page
                    seen.add(key)
                    yield resource
            link = bundles.next_link(page)
            if link is None:
                return
            url = self.client.base.next_page(link)
            if url in visited:
                break
            visited.add(url)
            page = self._page(search, url, prefer)
        raise RecordRefused(
            f"GET {search.kind}?: the FHIR server's pages never end. Report it to its operator."
        )
