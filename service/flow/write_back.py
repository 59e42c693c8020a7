"""Writing a decision into the record, so that doing it again, or dying half-way, ends with the same record.

Must not decide anything: what is written is given, complete and in order. Nothing is skipped without an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.full_urls import full_urls, resolved, without
from service.ports import (
    FhirRecord,
    RecordFailure,
    RecordRefused,
    Resource,
    VersionConflict,
    Write,
    Written,
)


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """What stands in the record now, one per write in the order given, and how many requests it took."""

    written: tuple[Written, ...]
    requests: int


def write_back(record: FhirRecord, writes: Sequence[Write]) -> WriteReport:
    """Write everything, at once where the server can, else step by step.

    The enrolment CarePlan is the first write when it is new and the last when it is updated; either way it is finished
    last, so that a half-written decision shows an unchanged or incomplete enrolment and is taken up again.
    VersionConflict means that somebody else wrote meanwhile: read again and decide again.
    """
    _check_complete(writes)
    writing = _Writing(record, writes)
    writing.run()
    return WriteReport(written=writing.report(), requests=writing.requests)


class _Writing:
    """One write-back under way: what is known so far, and what still has to be completed."""

    def __init__(self, record: FhirRecord, writes: Sequence[Write]) -> None:
        self._record = record
        self._writes = writes
        self._written: dict[str, Written] = {}
        self._incomplete: dict[str, frozenset[str]] = {}
        """full_url of what was created -> the full URLs its References could not name then."""
        self.requests = 0

    def run(self) -> None:
        if self._fits_a_transaction():
            self._transact()
        last = self._updated_enrolment()
        for write in self._writes:
            if write is not last and write.full_url not in self._written:
                self._step(write)
        for write in (*self._writes[1:], *self._writes[:1]):
            if write is not last:
                self._complete(write)
        if last is not None and last.full_url not in self._written:
            self._step(last)
        if last is not None:
            self._complete(last)

    def _updated_enrolment(self) -> Write | None:
        last = self._writes[-1] if self._writes else None
        updates = (
            last is not None and last.create_if_none is None and last.resource["resourceType"] == "CarePlan"
        )
        return last if updates else None

    def report(self) -> tuple[Written, ...]:
        return tuple(self._written[write.full_url] for write in self._writes)

    @property
    def _known(self) -> dict[str, str]:
        return {full_url: written.reference for full_url, written in self._written.items()}

    # --- at once

    def _fits_a_transaction(self) -> bool:
        can = self._record.capabilities
        conditional = any(write.create_if_none is not None for write in self._writes)
        fits = can.transaction_limit is None or not conditional or len(self._writes) <= can.transaction_limit
        return can.atomic_transactions and fits and len(self._writes) > 1

    def _transact(self) -> None:
        """One transaction. Where it is refused as a whole, or in part, the steps that follow find out what and why."""
        self.requests += 1
        try:
            results = self._record.transact(self._writes)
        except VersionConflict:
            self._check_fences()  # one condition failed, but which? A stale fence must not become half a decision
            return
        except RecordRefused:
            return
        pairs = list(zip(self._writes, results, strict=True))
        failed = {write.full_url for write, result in pairs if isinstance(result, RecordFailure)}
        later = {write.full_url for write in self._writes}
        for write, result in pairs:
            later.discard(write.full_url)
            if isinstance(result, RecordFailure):
                continue
            self._written[write.full_url] = result
            # What was there already may be an unfinished one of an earlier try; and where only some entries were
            # written, the server may have named ids for others that then failed, so those References lead nowhere.
            existed = write.create_if_none is not None and not result.created
            doubtful = full_urls(write.resource) & (later if existed else failed)
            if doubtful:
                self._incomplete[write.full_url] = doubtful

    def _check_fences(self) -> None:
        for write in self._writes:
            if write.if_match is None:
                continue
            self.requests += 1
            if _version(self._record.read(Reference(write.full_url))) != write.if_match:
                raise VersionConflict(
                    f"{write.resource['resourceType']}: somebody else wrote this resource meanwhile. Read again and"
                    " decide again.",
                    status=412,
                )

    # --- step by step

    def _step(self, write: Write) -> None:
        ahead = full_urls(write.resource) - self._known.keys()
        body = resolved(without(write.resource, ahead), self._known)
        self.requests += 1
        if write.create_if_none is None and write.if_match is None and "/" not in write.full_url:
            raise RecordRefused(
                f"{write.resource['resourceType']}: a new resource needs the condition under which it is created."
            )
        now = replace(write, resource=body)
        result = self._record.update(now) if "/" in write.full_url else self._record.create(now)
        self._written[write.full_url] = result
        if ahead:
            self._incomplete[write.full_url] = ahead

    def _complete(self, write: Write) -> None:
        """Give a resource the References that could not be named when it was made, fenced by its version then."""
        ahead = self._incomplete.pop(write.full_url, None)
        if ahead is None:
            return
        before = self._written[write.full_url]
        version = before.version
        body = resolved(write.resource, self._known)
        if not before.created and write.create_if_none is not None:
            self.requests += 1
            current = self._record.read(before.reference)
            if _says(current, body):
                return
            if not _says(current, resolved(without(write.resource, ahead), self._known)):
                raise VersionConflict(
                    f"{write.resource['resourceType']}: somebody else has made this resource meanwhile, and"
                    " differently. Read again and decide again.",
                    status=409,
                )
            version = _version(current)
        self.requests += 1
        update = Write(resource=_with_id(body, before.reference), full_url=before.reference, if_match=version)
        result = self._record.update(update)
        self._written[write.full_url] = replace(result, created=before.created)


def _check_complete(writes: Sequence[Write]) -> None:
    given = {write.full_url for write in writes}
    if len(given) != len(writes):
        raise RecordRefused(
            "Two writes of one decision carry the same full URL: each resource is written once."
        )
    for write in writes:
        if full_urls(write.resource) - given:
            raise RecordRefused(
                f"{write.resource['resourceType']}: it refers to a new resource that is not part of this decision."
            )


def _says(current: Resource, wanted: Mapping[str, Any]) -> bool:
    """Whether the record holds what we would write, apart from what servers add or rewrite by themselves."""
    return all(
        current.get(name) == value for name, value in wanted.items() if name not in _SERVERS_OWN
    ) and not (set(current) - set(wanted) - _SERVERS_OWN)


_SERVERS_OWN = frozenset({"id", "meta", "text"})


def _with_id(body: dict[str, Any], reference: Reference) -> dict[str, Any]:
    return {**body, "id": reference.partition("/")[2]}


def _version(resource: Resource) -> str:
    return str(resource.get("meta", {}).get("versionId", ""))
