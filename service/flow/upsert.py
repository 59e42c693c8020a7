"""What a message tells, put into the record: found by identifier, made when missing, changed where it is news.

Doing it again, or dying half-way, ends the same. Two messages at once about the same thing take turns by its version.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.full_urls import resolved
from service.fhir.messages.content import SHARED_KINDS, Entry, Message, Sender
from service.fhir.messages.identity import searched
from service.fhir.messages.merging import first_told, merged
from service.fhir.messages.people import (
    carries,
    the_one,
    those_who_hold,
    with_old_identifiers,
    with_replaced,
    with_replacement,
)
from service.fhir.messages.raw import read_raw
from service.fhir.messages.trail import message_provenance
from service.fhir.patient_links import Ambiguous, replaces, survivor
from service.fhir.references import reference_to, referred, version_of
from service.flow.write_back import write_back
from service.ports import (
    FhirRecord,
    NotInRecord,
    RawNotification,
    RecordUnavailable,
    Resource,
    Search,
    VersionConflict,
    Write,
    Written,
)

log = logging.getLogger(__name__)

TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Site:
    """What holds for every message that is put into the record."""

    record: FhirRecord
    base_url: str
    zone: tzinfo
    software_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Upserted:
    """Whom the message concerns, and what of it was news."""

    people: tuple[Reference, ...]
    written: tuple[Written, ...] = ()


def tell(raw: RawNotification, senders: Mapping[str, Sender], site: Site, now: datetime) -> list[Reference]:
    """Put what a message from the inbox tells into the record, and say whom it concerns.

    NotificationProblem when it cannot be understood (any more), Ambiguous when a person has to look.
    """
    concerned: dict[Reference, None] = {}
    for message in read_raw(raw, senders, now):
        for note in message.notes:
            log.info("message of %s: %s", raw.subscription, note)
        done = upsert(message, site, now)
        concerned |= dict.fromkeys(done.people)
        log.info("message of %s told the record", raw.subscription, extra={"writes": len(done.written)})
    return list(concerned)


def upsert(message: Message, site: Site, now: datetime) -> Upserted:
    """Put it into the record. Ambiguous when a person has to look; RecordFailure when the record did not do it."""
    for _ in range(TRIES):
        try:
            done = _Attempt(message, site, now).run()
        except VersionConflict:
            log.info("somebody else wrote what a message is about: reading again")
            continue
        if done is not None:
            return done
        log.info("somebody else has made what a message is about: reading again")
    raise RecordUnavailable(f"Others changed what a message is about {TRIES} times; it is tried again later.")


class _Attempt:
    """One reading of the record and one writing of what is missing in it."""

    def __init__(self, message: Message, site: Site, now: datetime) -> None:
        self._message = message
        self._site = site
        self._now = now
        self._old: tuple[Resource, ...] = ()
        """Patients that the message says are the same person, and the record does not say so yet."""
        self._places: dict[str, str] = {}
        """Full URL of an entry -> its reference, where the record has it."""

    def run(self) -> Upserted | None:
        """None when somebody else was quicker to make one of the resources: it has to be read first."""
        found = self._found()
        patient = self._patient(found)
        self._old = self._merged_away(found, patient)
        known = {entry.full_url: each for entry, each in self._matches(found, patient)}
        if patient is not None:
            known[self._message.patient.full_url] = patient
        self._places = {url: str(reference_to(each)) for url, each in known.items()}
        writes = [*self._entry_writes(known), *self._merge_writes()]
        if not writes:
            return Upserted(people=self._people())
        trail = message_provenance(
            self._message,
            writes,
            now=self._now,
            zone=self._site.zone,
            software_version=self._site.software_version,
        )
        written = write_back(self._site.record, [*writes, trail]).written
        if any(_was_quicker(write, done) for write, done in zip(writes, written, strict=False)):
            return None
        self._places |= {w.full_url: d.reference for w, d in zip(writes, written, strict=False)}
        return Upserted(people=self._people(), written=written)

    # --- reading

    def _found(self) -> dict[str, list[Resource]]:
        """By type: everything that carries an identifier of the message."""
        wanted: dict[str, list[Any]] = {"Patient": [*self._message.patient.keys, *self._message.replaced]}
        for entry in self._message.entries:
            wanted.setdefault(entry.kind, []).extend(entry.keys)
        searches = [
            Search(kind=kind, params=(("identifier", searched(dict.fromkeys(keys))),))
            for kind, keys in wanted.items()
        ]
        answers = self._site.record.search_all(searches)
        return {
            search.kind: [each for each in answer if carries(each, wanted[search.kind])]
            for search, answer in zip(searches, answers, strict=True)
        }

    def _patient(self, found: Mapping[str, Sequence[Resource]]) -> Resource | None:
        mine = [each for each in found["Patient"] if carries(each, self._message.patient.keys)]
        holders = those_who_hold(mine, self._message.patient.keys)
        return the_one(holders, self._read, self._site.base_url)

    def _read(self, reference: Reference) -> Resource:
        try:
            return self._site.record.read(reference)
        except NotInRecord as absent:
            raise Ambiguous(NO_SURVIVOR) from absent

    def _merged_away(
        self, found: Mapping[str, Sequence[Resource]], patient: Resource | None
    ) -> tuple[Resource, ...]:
        here = reference_to(patient) if patient else None
        old = [each for each in found["Patient"] if carries(each, self._message.replaced)]
        people = {
            reference_to(each): each for each in (survivor(p, self._read, self._site.base_url) for p in old)
        }
        people.pop(here, None)
        return tuple(people.values())

    def _matches(
        self, found: Mapping[str, Sequence[Resource]], patient: Resource | None
    ) -> Iterator[tuple[Entry, Resource]]:
        for entry in self._message.entries:
            candidates = [each for each in found[entry.kind] if carries(each, entry.keys)]
            if entry.kind not in SHARED_KINDS:
                valid = [each for each in candidates if each.get("status") != "entered-in-error"]
                candidates = valid or candidates
                if len(candidates) > 1:
                    raise Ambiguous(TWICE.format(entry.kind))
                self._check_whose(candidates, patient)
            if candidates:
                yield entry, min(candidates, key=lambda each: str(reference_to(each)))

    def _check_whose(self, candidates: Sequence[Resource], patient: Resource | None) -> None:
        """A number that stands on somebody else's stay must not carry that stay over to this person."""
        base = self._site.base_url
        mine = {reference_to(patient), *replaces(patient, base)} if patient else set()
        mine |= {reference_to(each) for each in self._old}
        for each in candidates:
            whose = referred(each.get("subject") or each.get("beneficiary"), base)
            if whose is None or whose in mine:
                continue
            try:
                person = survivor(self._read(whose), self._read, base)
            except Ambiguous:
                person = {}
            if reference_to(person) not in mine:
                raise Ambiguous(SOMEBODY_ELSES.format(each.get("resourceType")))

    # --- writing

    def _entry_writes(self, known: Mapping[str, Resource]) -> Iterator[Write]:
        """Shared things first, then the Patient, then what is about them."""
        shared = [entry for entry in self._message.entries if entry.kind in SHARED_KINDS]
        personal = [entry for entry in self._message.entries if entry.kind not in SHARED_KINDS]
        for entry in (*shared, self._message.patient, *personal):
            write = self._write(entry, known.get(entry.full_url))
            if write is not None:
                yield write

    def _write(self, entry: Entry, before: Resource | None) -> Write | None:
        here = replace(entry, resource=resolved(entry.resource, self._places))
        at, zone = self._message.sent_at, self._site.zone
        if before is None:
            personal = entry.kind not in SHARED_KINDS
            resource = first_told(here, at=at, zone=zone) if personal else here.resource
            if entry.kind == "Patient":
                resource = self._merging(resource)
            system, value = entry.keys[0]
            return Write(
                resource=resource, full_url=entry.full_url, create_if_none=f"identifier={system}|{value}"
            )
        if entry.kind in SHARED_KINDS:
            return None
        after = merged(before, here, at=at, zone=zone)
        return _update(before, self._merging(after) if entry.kind == "Patient" else after)

    def _merging(self, patient: Resource) -> Resource:
        """The Patient that stays says whom it replaces, and carries the old numbers: later messages may still use them."""
        for each in self._old:
            patient = with_replaced(patient, Reference(str(reference_to(each))))
        return with_old_identifiers(patient, self._message.replaced)

    def _merge_writes(self) -> Iterator[Write]:
        """The Patients that were merged say who replaces them."""
        place = self._places.get(self._message.patient.full_url, self._message.patient.full_url)
        for each in self._old:
            if write := _update(each, with_replacement(each, place)):
                yield write

    def _people(self) -> tuple[Reference, ...]:
        here = self._places.get(self._message.patient.full_url)
        people = [here, *(reference_to(each) for each in self._old)]
        return tuple(dict.fromkeys(Reference(each) for each in people if each))


def _update(before: Resource, after: Mapping[str, Any]) -> Write | None:
    if dict(after) == dict(before):
        return None
    return Write(resource=after, full_url=str(reference_to(before)), if_match=version_of(before) or None)


def _was_quicker(write: Write, done: Written) -> bool:
    """What was made by somebody else meanwhile does not say yet what this message tells."""
    kind = str(write.resource.get("resourceType"))
    return write.create_if_none is not None and not done.created and kind not in SHARED_KINDS


# --- wording ----------------------------------------------------------------------------------------------------

NO_SURVIVOR = (
    "A Patient of the record was merged into one that cannot be read. Correct the link there, then retry."
)
TWICE = "The record has several resources of type {} with this identifier. Correct that there, then retry."
SOMEBODY_ELSES = (
    "The {} with this identifier belongs to another Patient of the record. Find out whose it is, correct it there, then"
    " retry."
)
