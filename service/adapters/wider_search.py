"""A record whose server cannot search some type by person: such a type is read whole and sorted out here.

Only for small servers and rare types; more than `MOST` resources are refused rather than read. Changes nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice

from service.domain.vocabulary import Reference
from service.fhir.searches import people_of
from service.ports import (
    Capabilities,
    FhirRecord,
    RecordFailure,
    RecordRefused,
    Resource,
    Search,
    Write,
    Written,
)

log = logging.getLogger(__name__)

MOST = 2_000
NOT_KNOWN = frozenset({400, 404})
"""What servers answer to a parameter or a type that they do not know."""


class WiderSearch:
    """ports.FhirRecord around another one. What the server was seen not to know is remembered per type."""

    def __init__(self, record: FhirRecord, *, base_url: str = "") -> None:
        self._record = record
        self._base = base_url
        self._unknown: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:
        return self._record.capabilities

    def read(self, reference: Reference) -> Resource:
        return self._record.read(reference)

    def create(self, write: Write) -> Written:
        return self._record.create(write)

    def update(self, write: Write) -> Written:
        return self._record.update(write)

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        return self._record.transact(writes)

    def search(self, search: Search) -> Iterator[Resource]:
        person = _person(search)
        if person is None:
            yield from self._record.search(search)
        else:
            yield from self._about(person, search)

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        if not any(self._is_unknown(search) for search in searches):
            try:
                return self._record.search_all(searches)
            except RecordRefused as refusal:
                if refusal.status not in NOT_KNOWN:
                    raise
                # Which of them it was, each for itself will show; from then on the others go together again.
                return [list(self.search(search)) for search in searches]
        together = [search for search in searches if not self._is_unknown(search)]
        answers = iter(self.search_all(together))
        return [
            list(self.search(search)) if self._is_unknown(search) else next(answers) for search in searches
        ]

    def _is_unknown(self, search: Search) -> bool:
        return search.kind in self._unknown and _person(search) is not None

    def _about(self, person: Reference, search: Search) -> Iterator[Resource]:
        if search.kind not in self._unknown:
            try:
                yield from list(self._record.search(search))
                return
            except RecordRefused as refusal:
                if refusal.status not in NOT_KNOWN:
                    raise
            self._unknown.add(search.kind)
            log.warning(
                "the record server cannot search %s by person: reading all of them instead", search.kind
            )
        yield from self._whole(person, search)

    def _whole(self, person: Reference, search: Search) -> Iterator[Resource]:
        wide = Search(kind=search.kind, params=tuple(p for p in search.params if not _names_person(p)))
        try:
            found = list(islice(self._record.search(wide), MOST + 1))
        except RecordRefused as refusal:
            if refusal.status not in NOT_KNOWN:
                raise
            # A type that the server does not have at all: nobody can have recorded anything in it.
            log.debug("the record server has no %s", search.kind)
            return
        if len(found) > MOST:
            raise RecordRefused(
                f"GET {search.kind}?: the FHIR server cannot search it by person and holds too many to read them all."
                " Enable that search parameter on the server."
            )
        for resource in found:
            if resource.get("resourceType") != search.kind or person in people_of(resource, self._base):
                yield resource


def _names_person(param: tuple[str, str]) -> bool:
    return param[1].startswith("Patient/")


def _person(search: Search) -> Reference | None:
    return next((Reference(value) for _, value in filter(_names_person, search.params)), None)
