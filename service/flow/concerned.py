"""Whom a change concerns: named by the notification, found in the record, or nobody, and then why not.

Asks once for what many changes of a round have in common. Must not wake anybody, nor decide what becomes of an entry.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import StrEnum

from service.domain.vocabulary import Reference
from service.fhir.notification_references import lookups
from service.fhir.notifications import ResourceChange
from service.fhir.references import reference_to
from service.fhir.searches import people_of
from service.ports import (
    Echoes,
    FhirRecord,
    NotInRecord,
    RecordFailure,
    RecordUnavailable,
    Resource,
    ResourceVersion,
)

log = logging.getLogger(__name__)


class Skip(StrEnum):
    """Why a change woke nobody."""

    OWN_WRITE = "it is our own write, and whoever wrote it has looked again since"
    DELETED = "the resource is deleted and the notification names no person"
    NOT_FOUND = "the resource is not in the record (yet), or hidden from us"
    ABOUT_NOBODY = "the resource is about no person"


class Concerned:
    """Finds people for the changes of one round; what it has read is forgotten with it."""

    def __init__(self, record: FhirRecord, echoes: Echoes, base_url: str) -> None:
        self._record = record
        self._echoes = echoes
        self._base_url = base_url
        self._ours: frozenset[ResourceVersion] = frozenset()
        self._read: dict[Reference, Resource] = {}
        self._record_down = False

    def prepare(self, changes: Iterable[ResourceChange]) -> None:
        """Ask which are our own writes, and read all foci that name nobody in a few searches."""
        known = list(changes)
        self._ours = self._echoes.ours({version for each in known if (version := _version_of(each))})
        asked = dict.fromkeys(
            each.reference
            for each in known
            if not each.deleted and not self._is_ours(each) and not self._named(each)
        )
        if len(asked) > 1:
            self._look_up(asked)

    def people(self, change: ResourceChange) -> tuple[Reference, ...] | Skip:
        """Everybody whom the change concerns, or why nobody. RecordFailure when the record had to say and did not."""
        if self._is_ours(change):
            return Skip.OWN_WRITE
        named = self._named(change)
        if named:
            return named
        if change.deleted:
            return Skip.DELETED
        try:
            return people_of(self._focus(change.reference), self._base_url) or Skip.ABOUT_NOBODY
        except NotInRecord as absent:
            return Skip.DELETED if absent.deleted else Skip.NOT_FOUND

    def _is_ours(self, change: ResourceChange) -> bool:
        """Without a version it may be anybody's later change; and nothing that we do deletes."""
        return not change.deleted and _version_of(change) in self._ours

    def _named(self, change: ResourceChange) -> tuple[Reference, ...]:
        """Whom the notification itself names: cheaper than a read, and all there is when the focus is deleted."""
        if change.reference.startswith("Patient/"):
            return (change.reference,)
        carried = people_of(change.resource, self._base_url) if change.resource else ()
        return (change.person, *carried) if change.person else carried

    def _look_up(self, asked: Iterable[Reference]) -> None:
        """What is missing afterwards is asked for one by one."""
        try:
            for found in self._record.search_all(lookups(asked)):
                self._read.update({reference: each for each in found if (reference := reference_to(each))})
        except RecordUnavailable:
            self._record_down = True
        except RecordFailure as failure:
            # Only a shortcut: servers that refuse a search by several ids still answer each read.
            log.info("foci are read one by one: the record refused to search them (%s)", failure.status)

    def _focus(self, reference: Reference) -> Resource:
        if reference not in self._read:
            if self._record_down:
                # One time-out is enough: the entries that need no read are not held up by those that do.
                raise RecordUnavailable("The record does not answer; this entry is taken up again later.")
            try:
                self._read[reference] = self._record.read(reference)
            except RecordUnavailable:
                self._record_down = True
                raise
        return self._read[reference]


def _version_of(change: ResourceChange) -> ResourceVersion | None:
    return (change.reference, change.version) if change.version else None
