"""One person, once: read the record, decide what should stand in it, write the difference, say when to look again.

Every wake-up does the same. Doing it again without a change writes nothing; doing it twice at once is settled by the
fence on the enrolment. Must not know who woke it or why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.domain.decide import decide_all
from service.domain.evidence import PersonRecord
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.versions import Versions
from service.domain.vocabulary import Reference
from service.fhir.belonging import claims, remembering
from service.fhir.notification_references import lookups
from service.fhir.read import read_person
from service.fhir.read.roster import unnamed
from service.fhir.render import render
from service.flow.capacity import read_capacities, unread
from service.flow.decision_log import note_decision
from service.flow.move import Moved, Mover
from service.flow.person_record import Seen, all_of, by_reference, read_record
from service.flow.practice import Practice
from service.flow.write_back import write_back
from service.flow.writing_round import Round, write_round
from service.ports import (
    FhirRecord,
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
WriteAll = Callable[[Sequence[Write]], object]


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What one reconcile came to."""

    next_due_at: datetime | None
    written: tuple[Written, ...] = ()
    """What stands in the record now of everything written; empty when it already said what should be."""
    decisions: tuple[Decision, ...] = ()
    seen: PersonRecord | None = field(default=None, repr=False)
    tries: int = 1
    broken: int = 0
    unreadable: tuple[str, ...] = field(default=(), repr=False)
    not_followed: tuple[str, ...] = ()
    """`<pathway> <version>` of each running enrolment that none of our files is about; it is left as it is."""
    elsewhere: tuple[Reference, ...] = ()
    """Where this person's care goes on, when their record was merged into another: to be looked at next."""
    others: tuple[Reference, ...] = ()
    """Who else gained or lost work, because it stood under somebody whom it is not about: to be looked at too."""

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
    former: frozenset[Reference] = frozenset(),
) -> Reconciled:
    """Bring the record of one person up to date as of `now`; `directory` gives the site's staff as read.

    `former`: records that say they were merged into this one, where it does not say so itself.

    RecordUnavailable: try again later; nothing is half done that another reconcile does not finish. RecordRefused: the
    server will not accept this as it is, somebody has to look; the person's other pathways have been written.
    """
    doing = _Doing(record=record, practice=practice, now=now, directory=directory, decide=decide)
    return doing.reconcile(person, former)


@dataclass(frozen=True, kw_only=True)
class _Once:
    """One reading of the record and what was done about it."""

    seen: Seen
    moved: Moved
    decisions: tuple[Decision, ...] = ()
    round: Round = field(default_factory=Round)


@dataclass(frozen=True, kw_only=True)
class _Doing:
    """One reconcile under way."""

    record: FhirRecord
    practice: Practice
    now: datetime
    directory: Callable[[], Sequence[Resource]]
    decide: Decide

    def reconcile(self, person: Reference, former: frozenset[Reference]) -> Reconciled:
        written: list[Written] = []
        others: dict[Reference, None] = {}
        for tries in range(1, TRIES + 1):
            try:
                once = self._once(person, former)
            except VersionConflict:
                continue
            written += (*once.round.written, *once.moved.written)
            others |= dict.fromkeys(once.moved.others)
            if once.moved.elsewhere is not None:
                there = self._there(person, once, former)
                return replace(
                    there,
                    written=(*written, *there.written),
                    others=tuple(others | dict.fromkeys(there.others)),
                )
            if once.moved.written:
                continue  # read again as it stands now
            if once.round.conflicts:
                log.info("somebody else wrote in between: reading again", extra={"tries": tries})
                continue
            if once.round.failures:
                raise once.round.failures[0]
            return self._done(once, written, others, tries)
        raise RecordUnavailable(
            f"Somebody else wrote to the same enrolment {TRIES} times while it was being decided."
            " It is tried again later."
        )

    def _once(self, person: Reference, former: frozenset[Reference]) -> _Once:
        """Read, move what stands under the wrong record, else decide and write."""
        record, practice, now = self.record, self.practice, self.now
        seen = read_record(person, record, practice, now, self.directory, former)
        mover = Mover(
            record=record, catalogue=practice.catalogue, now=now, software_version=practice.software_version
        )
        moved = mover.follow(person, seen.reading)
        if moved.written or moved.elsewhere is not None:
            return _Once(seen=seen, moved=moved)
        seen, decisions = _decided(
            seen, self.decide, record, practice, now, write=lambda writes: write_back(record, writes)
        )
        done = write_round(decisions, lambda decision: _write(decision, seen, record, practice, now))
        if done.taken:
            moved = mover.fetch(person, done.taken)
        return _Once(seen=seen, moved=moved, decisions=decisions, round=done)

    def _there(self, person: Reference, once: _Once, former: frozenset[Reference]) -> Reconciled:
        """Where care goes on; a record that does not know of this one is looked at with it, or nothing would begin."""
        stays, base = once.moved.elsewhere, self.practice.catalogue.base_url
        assert stays is not None
        there = Reconciled(next_due_at=None)
        if not former and not claims((stays,), person, self.record.read, base):
            there = self.reconcile(stays, once.seen.former | {person})
        written, others = there.written, there.others
        return Reconciled(
            next_due_at=None, written=written, seen=once.seen.record, elsewhere=(stays,), others=others
        )

    def _done(
        self, once: _Once, written: Sequence[Written], others: Iterable[Reference], tries: int
    ) -> Reconciled:
        seen = once.seen.record
        return Reconciled(
            next_due_at=min((d.next_due_at for d in once.decisions if d.next_due_at), default=None),
            written=tuple(written),
            decisions=once.decisions,
            seen=seen,
            tries=tries,
            broken=seen.broken,
            unreadable=seen.unreadable,
            not_followed=_not_followed(seen, self.practice),
            others=tuple(others),
        )


def look(
    person: Reference,
    *,
    record: FhirRecord,
    practice: Practice,
    now: datetime,
    directory: Callable[[], Sequence[Resource]] = lambda: (),
    decide: Decide = decide_all,
) -> tuple[Seen, tuple[Decision, ...]]:
    """What would be decided about one person as of `now`, and from what. Writes nothing."""
    seen = read_record(person, record, practice, now, directory)
    return _decided(seen, decide, record, practice, now, write=lambda _: None)


# --- deciding


def _decided(
    seen: Seen, decide: Decide, record: FhirRecord, practice: Practice, now: datetime, write: WriteAll
) -> tuple[Seen, tuple[Decision, ...]]:
    """What is to be written; whoever could be asked and was only referred to is read first, so that all is by name."""
    pathways, person = practice.versions, seen.record.person
    seen, decisions = _with_capacities(seen, decide, record, practice, now, write)
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
    seen: Seen, decide: Decide, record: FhirRecord, practice: Practice, now: datetime, write: WriteAll
) -> tuple[Seen, tuple[Decision, ...]]:
    """Reserved places are only read for whoever needs one: deciding says which, and decides again with them."""
    pathways = practice.versions
    decisions = decide(pathways, seen.record, now)
    wanted = unread(decisions)
    if not wanted:
        return seen, decisions
    catalogue = practice.catalogue
    capacities, slots = read_capacities(
        wanted,
        pathways,
        record,
        write=write, now=now, zone=catalogue.zone, base=catalogue.base_url,
    )  # fmt: skip
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
    writes = rendered(decision, seen, practice, now)
    note_decision(decision, writes)
    if decision.enrolment.reference is None and writes and seen.former:
        writes = [remembering(writes[0], seen.reading, practice.catalogue.base_url), *writes[1:]]
    return write_back(record, writes).written if writes else ()


def rendered(decision: Decision, seen: Seen, practice: Practice, now: datetime) -> Sequence[Write]:
    """The resources that a decision wants written; none when it is settled."""
    if decision.is_settled:
        return ()
    return render(
        decision,
        pathway=Versions(practice.versions)[decision.enrolment],
        record=seen.record,
        labels=seen.labels,
        existing=seen.resources,
        recorded_at=now,
        software_version=practice.software_version,
    )


def _not_followed(record: PersonRecord, practice: Practice) -> tuple[str, ...]:
    """That nothing can be decided must not look like "nothing to do"."""
    missing = Versions(practice.versions).not_here(record.enrolments)
    return tuple(sorted({f"{e.pathway} {e.pathway_version}".strip() for e in missing}))
