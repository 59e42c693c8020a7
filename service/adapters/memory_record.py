"""The FHIR record in memory (ports.FhirRecord): for worked examples, simulations and tests.

As strict as a strict server: unknown search parameters and unresolved references are refused. Keeps every version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, TypeVar

from service.adapters.fhir.address import condition_search
from service.adapters.memory_search import Found, find
from service.domain.vocabulary import Reference
from service.fhir.full_urls import full_urls, resolved
from service.ports import (
    Capabilities,
    Clock,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    Resource,
    Search,
    VersionConflict,
    Write,
    Written,
)

_Done = TypeVar("_Done")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong with the n-th write (from 1; a transaction is one write): raise to fail."""

    before: Callable[[int], None] = lambda _n: None
    """The write has not happened."""
    after: Callable[[int], None] = lambda _n: None
    """The write has happened, its answer is lost."""


class InMemoryRecord:
    """A record that lives as long as this object; safe to share between threads.

    `capabilities` decides how transactions behave: a non-atomic one names ids for all entries first and keeps what
    succeeded, and one with a limit refuses more entries, as real servers do.
    """

    def __init__(
        self, clock: Clock, capabilities: Capabilities | None = None, faults: Faults | None = None
    ) -> None:
        self._clock = clock
        self._capabilities = capabilities or Capabilities(atomic_transactions=True)
        self.faults = faults or Faults()
        self.writes = 0
        """Write requests so far, failed ones included."""
        self._versions: dict[str, list[dict[str, Any] | None]] = {}
        self._next_id = 0
        self._lock = RLock()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    # --- arranging and looking, without going through the port

    def put(self, resource: Resource) -> Reference:
        """Store a resource as somebody else's system would: given id or a new one, no conditions, no faults."""
        with self._lock:
            logical_id = str(resource.get("id") or self._new_id())
            return self._store(f"{resource['resourceType']}/{logical_id}", resource).reference

    def delete(self, reference: Reference) -> None:
        with self._lock:
            self._current(reference)
            self._versions[reference].append(None)

    def versions(self, reference: Reference) -> list[Resource]:
        """All versions, oldest first; deletions are left out."""
        with self._lock:
            return [_copied(v) for v in self._versions.get(reference, []) if v is not None]

    def everything(self) -> list[Resource]:
        """The current version of all there is, in the order of creation."""
        with self._lock:
            return [_copied(r) for r in self._all()]

    # --- reading

    def read(self, reference: Reference) -> Resource:
        with self._lock:
            return _copied(self._current(reference))

    def search(self, search: Search) -> Iterator[Resource]:
        with self._lock:
            found: Found = find(search, self._all())
            return iter([_copied(resource) for resource in found])

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return [list(self.search(search)) for search in searches]

    # --- writing

    def create(self, write: Write) -> Written:
        return self._faulty(lambda: self._create(write))

    def update(self, write: Write) -> Written:
        return self._faulty(lambda: self._update(write))

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        return self._faulty(lambda: self._transact(writes))

    # --- inside

    def _faulty(self, act: Callable[[], _Done]) -> _Done:
        with self._lock:
            self.writes += 1
            number = self.writes
            self.faults.before(number)
            done = act()
            self.faults.after(number)
            return done

    def _all(self) -> list[dict[str, Any]]:
        return [versions[-1] for versions in self._versions.values() if versions[-1] is not None]

    def _current(self, reference: str) -> dict[str, Any]:
        versions = self._versions.get(reference)
        kind = reference.partition("/")[0]
        if versions is None:
            raise NotInRecord(f"GET {kind}: the record does not have this (404).", status=404)
        if versions[-1] is None:
            raise NotInRecord(f"GET {kind}: this was deleted (410).", status=410, deleted=True)
        return versions[-1]

    def _new_id(self) -> str:
        self._next_id += 1
        return str(self._next_id)

    def _store(self, reference: str, resource: Resource) -> Written:
        """A new version; unchanged content makes none, as on most servers."""
        versions = self._versions.setdefault(reference, [])
        current = versions[-1] if versions else None
        kind, _, logical_id = reference.partition("/")
        body = {**_copied(resource), "resourceType": kind, "id": logical_id}
        meta = {k: v for k, v in body.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
        if current is not None and _plain(current) == _plain(body):
            return _written(current, created=False)
        given = resource.get("meta", {}).get("lastUpdated") if current is None else None
        body["meta"] = {
            **meta,
            "versionId": str(len(versions) + 1),
            "lastUpdated": given or self._clock.now().isoformat(timespec="milliseconds"),
        }
        versions.append(body)
        return _written(body, created=len(versions) == 1)

    def _match(self, write: Write) -> dict[str, Any] | None:
        if write.create_if_none is None:
            return None
        search = condition_search(str(write.resource["resourceType"]), write.create_if_none)
        found = find(search, self._all())
        if len(found) > 1:
            raise RecordRefused(
                f"POST {search.kind}: more than one resource carries this identifier (412).", status=412
            )
        return dict(found[0]) if found else None

    def _create(self, write: Write, logical_id: str | None = None) -> Written:
        existing = self._match(write)
        if existing is not None:
            return _written(existing, created=False)
        kind = str(write.resource["resourceType"])
        _refuse_unresolved(write.resource)
        return self._store(f"{kind}/{logical_id or self._new_id()}", write.resource)

    def _update(self, write: Write) -> Written:
        current = self._current(write.full_url)
        if write.if_match is not None and current["meta"]["versionId"] != write.if_match:
            raise VersionConflict(
                f"PUT {write.resource['resourceType']}: somebody else wrote this resource meanwhile (412). Read again and"
                " decide again.",
                status=412,
            )
        _refuse_unresolved(write.resource)
        return replace(self._store(write.full_url, write.resource), created=False)

    def _transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        limit = self._capabilities.transaction_limit
        if limit is not None and len(writes) > limit and any(w.create_if_none for w in writes):
            raise RecordRefused("POST transaction: too many entries (400).", status=400)
        kept = ({k: list(v) for k, v in self._versions.items()}, self._next_id)
        known = {w.full_url: self._reference_to_be(w) for w in writes}
        results: list[Written | RecordFailure] = []
        for write in writes:
            now = replace(write, resource=resolved(write.resource, known))
            try:
                results.append(self._transacted(now, known[write.full_url]))
            except RecordFailure as problem:
                if self._capabilities.atomic_transactions:
                    self._versions, self._next_id = kept
                    raise
                results.append(problem)
        return results

    def _transacted(self, write: Write, reference: str) -> Written:
        if "/" in write.full_url:
            return self._update(write)
        return self._create(write, reference.partition("/")[2])

    def _reference_to_be(self, write: Write) -> str:
        if "/" in write.full_url:
            return write.full_url
        existing = self._match(write)
        logical_id = existing["id"] if existing is not None else self._new_id()
        return f"{write.resource['resourceType']}/{logical_id}"


_NESTED: frozenset[type] = frozenset({dict, list})


def _copied(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of JSON that shares nothing that could be changed. `copy.deepcopy` takes ten times as long for it."""
    # Most values are texts: asking for their class here is cheaper than calling for each.
    return {
        name: _copied_value(each) if each.__class__ in _NESTED else each for name, each in resource.items()
    }


def _copied_value(value: Any) -> Any:
    if value.__class__ is dict:
        return _copied(value)
    return [_copied_value(each) if each.__class__ in _NESTED else each for each in value]


def _refuse_unresolved(resource: Resource) -> None:
    if full_urls(resource):
        raise RecordRefused(
            f"POST {resource['resourceType']}: it refers to a resource that does not exist yet (400).",
            status=400,
        )


def _plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
    return {**resource, "meta": meta}


def _written(resource: Mapping[str, Any], *, created: bool) -> Written:
    reference = Reference(f"{resource['resourceType']}/{resource['id']}")
    return Written(reference=reference, version=resource["meta"]["versionId"], created=created)
