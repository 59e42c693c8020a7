"""Who works at the site in which role, read from the record and kept for a moment: it is the same for every person.

Must not be kept so long that a change of staff goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from threading import Lock

from service.domain.vocabulary import Reference
from service.fhir.searches import directory_searches
from service.ports import FhirRecord, Resource, Search

KEEP = timedelta(seconds=15)


class KeptDirectory:
    """PractitionerRoles and Practitioners of the site; safe to share between threads."""

    def __init__(
        self,
        record: FhirRecord,
        role_codes: Iterable[tuple[str | None, str]],
        *,
        also: Iterable[Reference] = (),
        keep: timedelta = KEEP,
        monotonic: Callable[[], float],
    ) -> None:
        """`also`: single people to read, e.g. the accountable person. `monotonic`: seconds that never run back."""
        self._record = record
        self._searches = [*directory_searches(role_codes), *(_by_id(reference) for reference in also)]
        self._keep = keep.total_seconds()
        self._monotonic = monotonic
        self._lock = Lock()
        self._read_at: float | None = None
        self._people: Sequence[Resource] = ()

    def people(self) -> Sequence[Resource]:
        """As read within `keep`; RecordFailure when they have to be read and cannot be."""
        with self._lock:
            now = self._monotonic()
            if self._read_at is None or now - self._read_at >= self._keep:
                answers = self._record.search_all(self._searches)
                self._people = [resource for answer in answers for resource in answer]
                self._read_at = now
            return self._people


def _by_id(reference: Reference) -> Search:
    kind, _, logical_id = reference.partition("/")
    if kind == "PractitionerRole":
        return Search(kind=kind, params=(("_id", logical_id), ("_include", "PractitionerRole:practitioner")))
    return Search(kind=kind, params=(("_id", logical_id),))
