"""One person's record, read for one reconcile: enrolments first, then what they are about, then what the domain sees.

Someone whose records were merged is one person: what is in the records that were merged away is read as theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from service.domain.evidence import PersonRecord
from service.domain.vocabulary import RUNNING_PLAN, Reference
from service.fhir.belonging import Reading, anchor_of
from service.fhir.former_records import former_records, parted, readdressed
from service.fhir.labels import high_water
from service.fhir.patient_links import FURTHEST
from service.fhir.read import Catalogue, read_person
from service.fhir.references import reference_to
from service.fhir.searches import enrolment_search, person_searches
from service.flow.anchors import beginnings, read_anchors
from service.ports import FhirRecord, Resource, Search

Directory = Callable[[], Sequence[Resource]]


class Asked(Protocol):
    """What of a site's practice decides how much is read (see practice.Practice)."""

    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def types(self) -> frozenset[str]: ...
    @property
    def ever(self) -> frozenset[str]: ...
    @property
    def lookback(self) -> timedelta: ...


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The record as the domain sees it, and the resources it was read from, by reference."""

    record: PersonRecord
    resources: Mapping[Reference, Resource]
    labels: Sequence[Mapping[str, Any]]
    as_read: Sequence[Resource] = ()
    former: frozenset[Reference] = frozenset()
    """Records of the same person that were merged into theirs; in `resources` all is as if it were about the person."""
    parted: frozenset[Reference] = frozenset()
    """Records that had been merged into theirs and stand for themselves again."""

    @property
    def reading(self) -> Reading:
        """As read, for whoever asks whose something is."""
        return Reading(resources=self.as_read, former=self.former, parted=self.parted)


def read_record(
    person: Reference,
    record: FhirRecord,
    asked: Asked,
    now: datetime,
    directory: Directory,
    known: frozenset[Reference] = frozenset(),
) -> Seen:
    """The person's record with those that were merged into it: each reading may tell of another merge, or of its end.

    `known`: records that say so themselves, where the person's own does not.
    """
    base = asked.catalogue.base_url
    seen = _read(person, frozenset(), record, asked, now, directory)
    apart: frozenset[Reference] = frozenset()
    for _ in range(FURTHEST):
        told = former_records(person, seen.as_read, base) | known
        apart |= parted(person, told, seen.as_read, record.read, base)
        if told - apart == seen.former:
            break
        seen = _read(person, told - apart, record, asked, now, directory)
    return replace(seen, parted=apart)


def _read(
    person: Reference,
    former: frozenset[Reference],
    record: FhirRecord,
    asked: Asked,
    now: datetime,
    directory: Directory,
) -> Seen:
    """Two rounds: the enrolments first, because their beginnings say how far back the rest must be read."""
    zone = asked.catalogue.zone
    people = (person, *sorted(former))
    plans = [plan for one in people for plan in record.search(enrolment_search(one))]
    running = [plan for plan in plans if plan.get("status") in RUNNING_PLAN]
    since = min([now, *beginnings(running, zone)]) - asked.lookback
    about = plans + _about(people, record, asked, since)
    read, gone = read_anchors(running, about, record)
    about += read
    anchors = set(map(anchor_of, running))
    stays = beginnings([each for each in about if reference_to(each) in anchors], zone)
    if stays and min(stays) < since:
        # What belongs to a long stay may have been recorded when it began.
        about += _about(people, record, asked, min(stays))
    as_read = [*directory(), *about]
    everything = readdressed(as_read, former, person) if former else as_read
    seen = read_person(everything, person=person, catalogue=asked.catalogue, now=now)
    return Seen(
        record=replace(seen, gone=seen.gone | gone),
        resources=by_reference(everything),
        labels=high_water(about),
        as_read=as_read,
        former=former,
    )


def by_reference(resources: Iterable[Resource]) -> dict[Reference, Resource]:
    found = ((reference_to(resource), resource) for resource in resources)
    return {reference: resource for reference, resource in found if reference}


def all_of(record: FhirRecord, searches: Sequence[Search]) -> list[Resource]:
    return [resource for answer in record.search_all(searches) for resource in answer]


def _about(people: Iterable[Reference], record: FhirRecord, asked: Asked, since: datetime) -> list[Resource]:
    each = (person_searches(person, asked.types, since, ever=asked.ever) for person in people)
    return all_of(record, [search for searches in each for search in searches])
