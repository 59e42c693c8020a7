"""Whom a change concerns: named by the notification, found in the record, or nobody, and then why not.

Asks once for what many changes of a round have in common. Must not wake anybody, nor decide what becomes of an entry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.notification_references import lookups
from service.fhir.notifications import ResourceChange
from service.fhir.references import reference_to
from service.fhir.searches import anchored_searches, anchors_of, people_of
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

Answer = TypeVar("Answer")


class Skip(StrEnum):
    """Why a change woke nobody."""

    OWN_WRITE = "it is our own write, and whoever wrote it has looked again since"
    DELETED = "the resource is deleted, the notification names no person, and no pathway began with it"
    NOT_FOUND = "the resource is not in the record (yet), or hidden from us"
    ABOUT_NOBODY = "the resource is about no person"
    CANARY = "it is the canary, which is about nobody and shows that notifications arrive"


class Concerned:
    """Finds people for the changes of one round; what it has read is forgotten with it."""

    def __init__(
        self, record: FhirRecord, echoes: Echoes, *, pathways: Iterable[PathwayId], base_url: str
    ) -> None:
        """`pathways`: on which enrolments may have begun with something that is deleted now."""
        self._record = record
        self._echoes = echoes
        self._pathways = tuple(pathways)
        self._base_url = base_url
        self._ours: frozenset[ResourceVersion] = frozenset()
        self._read: dict[Reference, Resource] = {}
        self._began: dict[Reference, tuple[Reference, ...]] = {}
        """Deleted resource -> whose pathways it had begun, as far as already asked."""
        self._record_down = False

    def prepare(self, changes: Iterable[ResourceChange]) -> None:
        """Ask which are our own writes, and in a few searches for all that name nobody."""
        known = list(changes)
        self._ours = self._echoes.ours({version for each in known if (version := _version_of(each))})
        nameless = [each for each in known if not self._is_ours(each) and not self._named(each)]
        deleted = dict.fromkeys(each.reference for each in nameless if each.deleted)
        asked = dict.fromkeys(each.reference for each in nameless if not each.deleted)
        try:
            if len(deleted) > 1:
                self._look_up_anchored(deleted)
            if len(asked) > 1:
                self._look_up(asked)
        except RecordUnavailable:
            self._record_down = True
        except RecordFailure as failure:
            # Only a shortcut: servers that refuse a search by several ids still answer each read.
            log.info("foci are read one by one: the record refused to search them (%s)", failure.status)

    def people(self, change: ResourceChange) -> tuple[Reference, ...] | Skip:
        """Everybody whom the change concerns, or why nobody. RecordFailure when the record had to say and did not."""
        if self._is_ours(change):
            return Skip.OWN_WRITE
        named = self._named(change)
        if named:
            return named
        if change.deleted:
            return self._anchored(change.reference) or Skip.DELETED
        try:
            return people_of(self._focus(change.reference), self._base_url) or Skip.ABOUT_NOBODY
        except NotInRecord as absent:
            if not absent.deleted:
                return Skip.NOT_FOUND
            return self._anchored(change.reference) or Skip.DELETED

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
        for found in self._record.search_all(lookups(asked)):
            self._read.update({reference: each for each in found if (reference := reference_to(each))})

    def _look_up_anchored(self, deleted: Iterable[Reference]) -> None:
        asked = dict.fromkeys(deleted)
        began: dict[Reference, list[Reference]] = {reference: [] for reference in asked}
        for found in self._record.search_all(anchored_searches(asked, self._pathways)):
            for plan in found:
                for anchor in anchors_of(plan):
                    began.get(anchor, []).extend(people_of(plan, self._base_url))
        self._began.update({anchor: tuple(dict.fromkeys(people)) for anchor, people in began.items()})

    def _anchored(self, deleted: Reference) -> tuple[Reference, ...]:
        """Whose pathways the deleted resource had begun: they end, and that has to be written."""
        if deleted not in self._began:
            self._ask(lambda: self._look_up_anchored([deleted]))
        return self._began[deleted]

    def _focus(self, reference: Reference) -> Resource:
        if reference not in self._read:
            self._read[reference] = self._ask(lambda: self._record.read(reference))
        return self._read[reference]

    def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """One time-out is enough: the entries that need nothing of the record are not held up by those that do."""
        if self._record_down:
            raise RecordUnavailable("The record does not answer; this entry is taken up again later.")
        try:
            return ask()
        except RecordUnavailable:
            self._record_down = True
            raise


def _version_of(change: ResourceChange) -> ResourceVersion | None:
    return (change.reference, change.version) if change.version else None
