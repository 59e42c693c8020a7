"""The FHIR record over HTTP (ports.FhirRecord): read, search, create once, update if unchanged, transactions.

Must not decide what to write, and must not believe the server: what it does was probed, every entry's status is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.adapters.fhir import bundles
from service.adapters.fhir.address import (
    condition_query,
    condition_search,
    etag_version,
    literal,
    located,
)
from service.adapters.fhir.answers import Answer, failure, version_of
from service.adapters.fhir.client import Request
from service.adapters.fhir.reading import RecordReader
from service.adapters.fhir.retry import PASSING
from service.domain.vocabulary import Reference
from service.ports import (
    NotInRecord,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    VersionConflict,
    Write,
    Written,
)


class _AlreadyThere(Exception):
    """Use this when a search before the next try of a create finds that it has happened."""

    def __init__(self, written: Written) -> None:
        super().__init__()
        self.written = written


class HttpFhirRecord(RecordReader):
    """A FHIR R4 server as the record, with the capabilities that `service.adapters.fhir.probe` found."""

    def create(self, write: Write) -> Written:
        kind = _kind(write)
        if write.create_if_none is None:
            return self._post(kind, write, None)
        if self._capabilities.atomic_transactions:
            return self._alone_in_a_transaction(write)
        if not self._capabilities.conditional_create:
            already = self._existing(kind, write.create_if_none)
            if already is not None:
                return already
        try:
            return self._post(kind, write, write.create_if_none)
        except _AlreadyThere as found:
            return found.written

    def _alone_in_a_transaction(self, write: Write) -> Written:
        """Some servers look and create in two steps unless a transaction holds both: parallel creates then both win."""
        (result,) = self.transact([write])
        if isinstance(result, RecordFailure):
            raise result
        return result

    def update(self, write: Write) -> Written:
        kind, logical_id = literal(write.full_url)
        doing = f"PUT {kind}"
        if write.if_match is not None and not self._capabilities.if_match:
            self._check_version(write)
        request = Request(
            method="PUT",
            url=self.client.base.below(f"{kind}/{logical_id}"),
            doing=doing,
            body={**write.resource, "id": logical_id},
            headers={} if write.if_match is None else {"If-Match": f'W/"{write.if_match}"'},
            writes=True,
            retry_on=PASSING | {409},
            before_retry=lambda status: self._check_version(write) if status in {None, 409} else None,
        )
        answer = self.client.send(request)
        if not answer.good:
            raise failure(answer, doing, fenced=write.if_match is not None)
        return self._written(answer, Reference(write.full_url), created=answer.status == 201)

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        answer = self.client.send(
            Request(
                method="POST",
                url=self.client.base.url,
                doing="POST transaction",
                body=bundles.transaction(writes),
                writes=True,
                repeatable=all(write.create_if_none or write.if_match for write in writes),
                retry_on=PASSING | {409},
            )
        )
        if not answer.good:
            raise failure(answer, "POST transaction", fenced=any(write.if_match for write in writes))
        entries = bundles.responses(answer, len(writes), "POST transaction")
        return [self._entry(write, entry) for write, entry in zip(writes, entries, strict=True)]

    def _entry(self, write: Write, entry: Answer) -> Written | RecordFailure:
        if not entry.good and entry.status != 304:
            doing = f"{'PUT' if write.create_if_none is None and write.if_match else 'POST'} {_kind(write)}"
            return failure(entry, f"{doing} in a transaction", fenced=write.if_match is not None)
        try:
            if "/" in write.full_url:
                return self._written(entry, Reference(write.full_url), created=entry.status == 201)
            return self._created(entry, write, write.create_if_none)
        except RecordFailure as problem:
            return problem

    def _post(self, kind: str, write: Write, condition: str | None) -> Written:
        doing = f"POST {kind}"
        headers = {} if condition is None else {"If-None-Exist": condition_query(kind, condition)}
        answer = self.client.send(
            Request(
                method="POST",
                url=self.client.base.below(kind),
                doing=doing,
                body=write.resource,
                headers=headers,
                writes=True,
                repeatable=condition is not None,
                retry_on=frozenset({429}) if condition is None else PASSING | {409, 412},
                before_retry=lambda _status: self._stop_if_there(kind, condition),
            )
        )
        if not answer.good and answer.status != 304:
            problem = failure(answer, doing)
            if isinstance(problem, NotInRecord):  # the type itself is unknown to this server
                raise RecordRefused(f"{problem} Is {kind} supported there?", status=answer.status)
            raise problem
        return self._created(answer, write, condition)

    def _created(self, answer: Answer, write: Write, condition: str | None) -> Written:
        """Who was created, from Location or body; looked up when the server answers with neither."""
        place = located(answer.headers.get("location", ""))
        body = answer.body if isinstance(answer.body, Mapping) else {}
        kind = _kind(write)
        if place is not None and place[0].startswith(f"{kind}/"):
            return self._written(answer, Reference(place[0]), created=answer.status == 201)
        if body.get("resourceType") == kind and body.get("id"):
            return self._written(answer, Reference(f"{kind}/{body['id']}"), created=answer.status == 201)
        found = self._existing(kind, condition) if condition is not None else None
        if found is None:
            raise RecordUnavailable(
                f"POST {kind}: the FHIR server did not say where it put the resource. Try again later."
            )
        return Written(reference=found.reference, version=found.version, created=answer.status == 201)

    def _written(self, answer: Answer, reference: Reference, *, created: bool) -> Written:
        place = located(answer.headers.get("location", ""))
        body = answer.body if isinstance(answer.body, Mapping) else {}
        version = etag_version(answer.headers.get("etag", "")) or (place[1] if place else None)
        if version is None and f"{body.get('resourceType')}/{body.get('id')}" == reference:
            version = version_of(body)
        return Written(
            reference=reference, version=version or version_of(self.read(reference)), created=created
        )

    def _existing(self, kind: str, condition: str) -> Written | None:
        """The oldest match of a condition: on a server without conditional creates there may be several."""
        matches = [r for r in self.search(condition_search(kind, condition)) if r.get("resourceType") == kind]
        if not matches:
            return None
        oldest = min(matches, key=lambda r: (str(r.get("meta", {}).get("lastUpdated")), str(r.get("id"))))
        return Written(
            reference=Reference(f"{kind}/{oldest['id']}"), version=version_of(oldest), created=False
        )

    def _stop_if_there(self, kind: str, condition: str | None) -> None:
        if condition is None or self._capabilities.conditional_create:
            return
        already = self._existing(kind, condition)
        if already is not None:
            raise _AlreadyThere(already)

    def _check_version(self, write: Write) -> None:
        """Compare before writing where the server does not, and tell a lost race from a busy server."""
        if write.if_match is None:
            return
        if version_of(self.read(Reference(write.full_url))) != write.if_match:
            raise VersionConflict(
                f"PUT {_kind(write)}: somebody else wrote this resource meanwhile. Read again and decide again.",
                status=409,
            )


def _kind(write: Write) -> str:
    return str(write.resource.get("resourceType", ""))
