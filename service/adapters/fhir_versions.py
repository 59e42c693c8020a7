"""The record in R4 shapes whatever version its server speaks: R4 and R4B pass through, R5 is translated both ways.

Must not decide anything: which version it is, the server says in its CapabilityStatement, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from service.adapters.fhir.answers import failure
from service.adapters.fhir.client import FhirClient, Request
from service.domain.vocabulary import Reference
from service.fhir.notification_references import lookups
from service.fhir.r5 import as_r4, as_r5
from service.fhir.references import reference_to, version_of
from service.ports import (
    Capabilities,
    FhirRecord,
    RecordFailure,
    RecordUnavailable,
    Resource,
    Search,
    VersionConflict,
    Write,
    Written,
)

R5 = "5."


def server_version(client: FhirClient) -> Callable[[], str]:
    """CapabilityStatement.fhirVersion, asked at the first call and kept; `4.0.1` where the server does not say."""
    return _Asked(client)


class _Asked:
    def __init__(self, client: FhirClient) -> None:
        self._client, self._lock, self._version = client, Lock(), ""

    def __call__(self) -> str:
        with self._lock:
            if not self._version:
                self._version = self._ask()
        return self._version

    def _ask(self) -> str:
        url = self._client.base.below("metadata")
        answer = self._client.send(Request(method="GET", url=url, doing="GET metadata"))
        if not answer.good:
            refused = failure(answer, "GET metadata")
            if isinstance(refused, RecordUnavailable):
                raise refused
            return "4.0.1"  # a server that hides its CapabilityStatement is taken for what nearly all of them are
        body = answer.body if isinstance(answer.body, Mapping) else {}
        return str(body.get("fhirVersion") or "4.0.1")


History = Callable[[Reference], Iterator[Mapping[str, Any]]]
"""Every version of one resource, as pages of a history Bundle; RecordRefused where the server keeps none."""


def history_in_r4(history: History, version: Callable[[], str]) -> History:
    """A server's history in R4 shapes, whatever version it speaks."""

    def told(reference: Reference) -> Iterator[Mapping[str, Any]]:
        for page in history(reference):
            yield _page_in_r4(page) if version().startswith(R5) else page

    return told


def _page_in_r4(page: Mapping[str, Any]) -> Mapping[str, Any]:
    entries = [
        {**each, "resource": as_r4(each["resource"])} if each.get("resource") else each
        for each in page.get("entry") or []
    ]
    return {**page, "entry": entries}


class VersionNeutralRecord:
    """ports.FhirRecord over another one. An update of an R5 resource reads it once more, to keep what R4 cannot say."""

    def __init__(self, record: FhirRecord, version: Callable[[], str]) -> None:
        self._record = record
        self._version = version

    @property
    def capabilities(self) -> Capabilities:
        return self._record.capabilities

    def read(self, reference: Reference) -> Resource:
        return self._in(self._record.read(reference))

    def search(self, search: Search) -> Iterator[Resource]:
        return map(self._in, self._record.search(search))

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return [[self._in(each) for each in found] for found in self._record.search_all(searches)]

    def create(self, write: Write) -> Written:
        return self._record.create(self._out(write, {}))

    def update(self, write: Write) -> Written:
        return self._record.update(self._out(write, self._as_they_are([write])))

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        before = self._as_they_are(writes)
        return self._record.transact([self._out(write, before) for write in writes])

    @property
    def _is_r5(self) -> bool:
        return self._version().startswith(R5)

    def _in(self, resource: Resource) -> Resource:
        return as_r4(resource) if self._is_r5 else resource

    def _out(self, write: Write, before: Mapping[str, Resource]) -> Write:
        if not self._is_r5:
            return write
        return replace(write, resource=as_r5(write.resource, before.get(write.full_url)))

    def _as_they_are(self, writes: Sequence[Write]) -> Mapping[str, Resource]:
        """What updates change, in R5; VersionConflict when a version has moved on already."""
        updated = [write for write in writes if "/" in write.full_url]
        if not updated or not self._is_r5:
            return {}
        found: dict[str, Resource] = {}
        for some in self._record.search_all(lookups(Reference(write.full_url) for write in updated)):
            found |= {reference: each for each in some if (reference := reference_to(each))}
        for write in updated:
            if write.full_url not in found:
                found[write.full_url] = self._record.read(Reference(write.full_url))
            if write.if_match is not None and version_of(found[write.full_url]) != write.if_match:
                raise VersionConflict(
                    f"PUT {write.resource.get('resourceType')}: somebody else wrote this resource meanwhile. Read again"
                    " and decide again.",
                    status=412,
                )
        return found
