"""One person, once: read the record, decide what should stand in it, write the difference, say when to look again.

Every wake-up does the same. Doing it again without a change writes nothing; doing it twice at once is settled by the
fence on the enrolment. Must not know who woke it or why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from service.domain.decide import decide_all
from service.domain.evidence import PersonRecord
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.notification_references import lookups
from service.fhir.read import Catalogue, read_person
from service.fhir.read.roster import unnamed
from service.fhir.render import render
from service.flow.capacity import read_capacities, unread
from service.flow.decision_log import note_decision, note_unknown_pathways
from service.flow.move import move_work
from service.flow.person_record import Seen, all_of, by_reference, read_record
from service.flow.write_back import write_back
from service.ports import (
    FhirRecord,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    Resource,
    VersionConflict,
    Write,
    Written,
)

log = logging.getLogger(__name__)

TRIES = 5
"""Somebody else writing between our reading and our writing is normal; five times in a row is not."""
NAMES = 2
"""Most rounds of reading people who are only referred to; a second is needed where the first found one who has left."""

Decide = Callable[[Sequence[Pathway], PersonRecord, datetime], tuple[Decision, ...]]


@dataclass(frozen=True, kw_only=True)
class Practice:
    """How a site wants its people cared for: what the wiring makes of the mappings folder and the settings."""

    pathways: Mapping[PathwayId, Pathway]
    catalogue: Catalogue
    types: frozenset[str]
    """Resource types that any pathway asks about."""
    ever: frozenset[str] = frozenset()
    """Of these, the ones to be read whole: a pathway asks whether something was *ever* so."""
    lookback: timedelta = timedelta(days=30)
    """How long before the beginning of the oldest running enrolment the record is read."""
    software_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What one reconcile came to."""

    next_due_at: datetime | None
    written: tuple[Written, ...] = ()
    """What stands in the record now of everything written; empty when it already said what should be."""
    decisions: tuple[Decision, ...] = ()
    tries: int = 1
    broken: int = 0
    unreadable: tuple[str, ...] = field(default=(), repr=False)
    elsewhere: tuple[Reference, ...] = ()
    """Where this person's care goes on, when their record was merged into another: to be looked at next."""

    @property
    def writes(self) -> int:
        """Resources written."""
        return len(self.written)


def reconcile(
    person: Reference,
    *,
    record: FhirRecord,
    practice: Practice,
    now: datetime,
    directory: Callable[[], Sequence[Resource]] = lambda: (),
    decide: Decide = decide_all,
) -> Reconciled:
    """Bring the record of one person up to date as of `now`; `directory` gives the site's staff as read.

    RecordUnavailable: try again later; nothing is half done that another reconcile does not finish. RecordRefused: the
    server will not accept this as it is, somebody has to look; the person's other pathways have been written.
    """
    written: list[Written] = []
    for tries in range(1, TRIES + 1):
        seen = read_record(person, record, practice, now, directory)
        try:
            moved = move_work(
                person, seen.as_read, seen.former, record, practice.catalogue, now, practice.software_version
            )
        except VersionConflict:
            continue
        written += moved.written
        if moved.elsewhere is not None:
            return Reconciled(next_due_at=None, written=tuple(written), elsewhere=(moved.elsewhere,))
        if moved.written:
            continue  # read again as it stands now
        note_unknown_pathways(seen.record, practice.pathways)
        seen, decisions = _decided(seen, decide, record, practice, now)
        failures: list[RecordFailure] = []
        for decision in decisions:
            try:
                written += _write(decision, seen, record, practice, now)
            except (RecordRefused, VersionConflict) as failure:
                failures.append(failure)  # the person's other pathways do not wait for this one
        if any(isinstance(failure, VersionConflict) for failure in failures):
            log.info("somebody else wrote in between: reading again", extra={"tries": tries})
            continue
        if failures:
            raise failures[0]
        return Reconciled(
            next_due_at=min((d.next_due_at for d in decisions if d.next_due_at), default=None),
            written=tuple(written),
            decisions=decisions,
            tries=tries,
            broken=seen.record.broken,
            unreadable=seen.record.unreadable,
        )
    raise RecordUnavailable(
        f"Somebody else wrote to the same enrolment {TRIES} times while it was being decided. It is tried again later."
    )


# --- deciding


def _decided(
    seen: Seen, decide: Decide, record: FhirRecord, practice: Practice, now: datetime
) -> tuple[Seen, tuple[Decision, ...]]:
    """What is to be written; whoever could be asked and was only referred to is read first, so that all is by name."""
    pathways, person = list(practice.pathways.values()), seen.record.person
    seen, decisions = _with_capacities(seen, decide, record, practice, now)
    asked: set[Reference] = set()
    for _ in range(NAMES):
        nameless = unnamed(seen.record.roster) - seen.resources.keys() - asked
        if not nameless or all(decision.is_settled for decision in decisions):
            break
        asked |= nameless
        found = {**seen.resources, **by_reference(_people(nameless, record))}
        again = read_person(
            found.values(), person=person, catalogue=practice.catalogue, now=now, gone=seen.record.gone
        )
        seen = replace(seen, record=replace(again, capacities=seen.record.capacities), resources=found)
        decisions = decide(pathways, seen.record, now)
    return seen, decisions


def _with_capacities(
    seen: Seen, decide: Decide, record: FhirRecord, practice: Practice, now: datetime
) -> tuple[Seen, tuple[Decision, ...]]:
    """Reserved places are only read for whoever needs one: deciding says which, and decides again with them."""
    pathways = list(practice.pathways.values())
    decisions = decide(pathways, seen.record, now)
    wanted = unread(decisions)
    if not wanted:
        return seen, decisions
    catalogue = practice.catalogue
    capacities, slots = read_capacities(
        wanted,
        practice.pathways,
        record,
        write=lambda writes: write_back(record, writes),
        now=now,
        zone=catalogue.zone,
        base=catalogue.base_url,
    )
    seen = replace(
        seen,
        record=replace(seen.record, capacities=capacities),
        resources={**seen.resources, **by_reference(slots)},
    )
    return seen, decide(pathways, seen.record, now)


def _people(wanted: Iterable[Reference], record: FhirRecord) -> list[Resource]:
    try:
        return all_of(record, lookups(sorted(wanted)))
    except RecordRefused as refusal:
        # An owner who goes by a reference is poor; no owner at all would be worse.
        log.warning("owners go by their reference: the record refused to show them (%s)", refusal.status)
        return []


# --- writing


def _write(
    decision: Decision, seen: Seen, record: FhirRecord, practice: Practice, now: datetime
) -> Sequence[Written]:
    writes = _rendered(decision, seen, practice, now)
    note_decision(decision, writes)
    return write_back(record, writes).written if writes else ()


def _rendered(decision: Decision, seen: Seen, practice: Practice, now: datetime) -> Sequence[Write]:
    if decision.is_settled:
        return ()
    return render(
        decision,
        pathway=practice.pathways[decision.enrolment.pathway],
        record=seen.record,
        labels=seen.labels,
        existing=seen.resources,
        recorded_at=now,
        software_version=practice.software_version,
    )
