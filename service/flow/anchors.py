"""What running enrolments began with, and when: how far back a person's record must be read for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from service.domain.vocabulary import Reference
from service.fhir.belonging import anchor_of
from service.fhir.references import mapping, reference_to
from service.fhir.times import parse_time
from service.ports import FhirRecord, NotInRecord, Resource


def beginnings(periods: Iterable[Resource], zone: tzinfo) -> list[datetime]:
    """When each of these began, of those that say so."""
    starts = (parse_time(mapping(each.get("period")).get("start"), zone) for each in periods)
    return [start for start in starts if start is not None]


def read_anchors(
    plans: Iterable[Resource], about: Iterable[Resource], record: FhirRecord
) -> tuple[list[Resource], frozenset[Reference]]:
    """The resources that running enrolments began with, where the searches did not bring them: read, or known deleted.

    A server that answers 404 may only hide it, so that alone ends nobody's pathway.
    """
    known = {reference_to(resource) for resource in about}
    read: list[Resource] = []
    gone: set[Reference] = set()
    for anchor in {anchor for plan in plans if (anchor := anchor_of(plan)) and anchor not in known}:
        try:
            read.append(record.read(anchor))
        except NotInRecord as absent:
            if absent.deleted:
                gone.add(anchor)
    return read, frozenset(gone)
