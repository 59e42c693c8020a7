"""The record as it was (ports.FhirRecord): answers from versions handed over; refuses to be written.

As strict as the record in memory. Must not change a resource: its versionId and lastUpdated are evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from service.adapters.memory_search import find
from service.domain.vocabulary import Reference
from service.fhir.references import reference_to
from service.ports import (
    Capabilities,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    Resource,
    Search,
    Write,
    Written,
)


class PastRecord:
    """One version of each resource. `gone`: what the record said had been deleted by then."""

    def __init__(self, resources: Iterable[Resource], gone: Iterable[Reference] = ()) -> None:
        self._resources = list(resources)
        self._by_reference = {reference_to(resource): resource for resource in self._resources}
        self._gone = frozenset(gone)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(conditional_create=False, if_match=False, batch=False)

    def read(self, reference: Reference) -> Resource:
        found = self._by_reference.get(reference)
        if found is not None:
            return found
        deleted, kind = reference in self._gone, reference.partition("/")[0]
        why = "had been deleted by then" if deleted else "was not in the record then"
        raise NotInRecord(f"GET {kind}: it {why}.", status=410 if deleted else 404, deleted=deleted)

    def search(self, search: Search) -> Iterator[Resource]:
        return iter(find(search, self._resources))

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return [list(self.search(search)) for search in searches]

    def create(self, write: Write) -> Written:
        raise _past(write)

    def update(self, write: Write) -> Written:
        raise _past(write)

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        raise _past(writes[0])


def _past(write: Write) -> RecordRefused:
    return RecordRefused(f"{write.resource['resourceType']}: the past cannot be written.")
