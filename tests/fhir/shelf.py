"""A record in memory for tests of rendering and reading: gives ids and versions, resolves full URLs, creates once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from service.domain.evidence import PersonRecord
from service.domain.vocabulary import Reference
from service.fhir.read import Catalogue, read_person
from service.ports import Write
from tests.fhir.decisions import DENVER, NOW, PERSON

Json = dict[str, Any]


class Shelf:
    """What a server does with Writes, as far as these tests need it. Counts ids per type: Task/1, Task/2 ..."""

    def __init__(self, resources: Iterable[Json] = ()) -> None:
        self.by_reference: dict[Reference, Json] = {
            Reference(f"{each['resourceType']}/{each['id']}"): each for each in resources
        }
        self._existing: dict[str, Reference] = {}

    def write(self, writes: Sequence[Write], at: datetime = NOW) -> None:
        places: dict[str, str] = {}
        for write in writes:
            places[write.full_url] = self._place(write)
        for write in writes:
            reference = Reference(places[write.full_url])
            before = self.by_reference.get(reference)
            if write.create_if_none is not None and before is not None:
                continue
            text = json.dumps(write.resource)
            for full_url, place in places.items():
                text = text.replace(f'"{full_url}"', f'"{place}"')
            resource = json.loads(text)
            version = int(before["meta"]["versionId"]) + 1 if before else 1
            kind, _, logical_id = reference.partition("/")
            assert resource["resourceType"] == kind
            resource["id"] = logical_id
            resource["meta"] = {
                **resource.get("meta", {}),
                "versionId": str(version),
                "lastUpdated": at.isoformat(),
            }
            self.by_reference[reference] = resource

    def _place(self, write: Write) -> str:
        if write.create_if_none is None:
            assert self.by_reference[Reference(write.full_url)]["meta"]["versionId"] == write.if_match
            return write.full_url
        if write.create_if_none not in self._existing:
            kind = write.resource["resourceType"]
            taken = sum(1 for each in self._existing.values() if each.startswith(f"{kind}/"))
            self._existing[write.create_if_none] = Reference(f"{kind}/{taken + 1}")
        return self._existing[write.create_if_none]

    def of(self, kind: str) -> list[Json]:
        return [each for each in self.by_reference.values() if each["resourceType"] == kind]

    def read(self, now: datetime = NOW) -> PersonRecord:
        return read_person(
            self.by_reference.values(), person=PERSON, catalogue=Catalogue(zone=DENVER), now=now
        )
