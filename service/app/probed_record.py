"""The record, whose abilities are tried at the first use: a worker may start before the record server does."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from threading import Lock

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.domain.vocabulary import Reference
from service.ports import Capabilities, RecordFailure, Resource, Search, Write, Written

log = logging.getLogger(__name__)


class ProbedRecord:
    """ports.FhirRecord. Every method raises RecordUnavailable until the server has been tried once."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client
        self._lock = Lock()
        self._record: HttpFhirRecord | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self._probed().capabilities

    def read(self, reference: Reference) -> Resource:
        return self._probed().read(reference)

    def search(self, search: Search) -> Iterator[Resource]:
        return self._probed().search(search)

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return self._probed().search_all(searches)

    def create(self, write: Write) -> Written:
        return self._probed().create(write)

    def update(self, write: Write) -> Written:
        return self._probed().update(write)

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        return self._probed().transact(writes)

    def _probed(self) -> HttpFhirRecord:
        if self._record is not None:
            return self._record
        with self._lock:
            if self._record is None:
                capabilities = probe(self._client).capabilities
                for note in capabilities.notes:
                    log.warning("about the record server: %s", note)
                self._record = HttpFhirRecord(self._client, capabilities)
            return self._record
