"""What an operator or a commissioner sets going by hand: one person now, everybody, measures, parked work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.app.coverage import as_measure
from service.app.settings import Settings
from service.app.wiring import (
    Queue,
    make_clock,
    make_directory,
    make_practice,
    open_queue,
    open_record,
    read_library,
)
from service.domain.evidence import PersonRecord
from service.domain.measures import MeasureCount, count_versions
from service.domain.versions import Versions
from service.domain.vocabulary import Reference
from service.fhir.notification_body import NotificationProblem
from service.fhir.parked import unpacked
from service.fhir.read import read_person
from service.fhir.searches import people_of, person_searches
from service.fhir.systems import PATHWAY_PLAN, PLAN_CATEGORY
from service.flow.population import population
from service.flow.reconcile import Reconciled, reconcile
from service.flow.sweep import sweep
from service.ports import DeadLetter, FhirRecord, NotInRecord, Resource, Search


class NotNamedRight(Exception):
    """Use this when a person or a pathway that was named does not exist; says which there are, or how to write it."""


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """What looking at one person by hand came to."""

    person: str
    enrolments: Mapping[str, str]
    """Business identifier -> stage."""
    written: int
    next_due_at: datetime | None
    not_understood: tuple[str, ...]
    not_followed: tuple[str, ...]
    """`<pathway> <version>` of running enrolments that the mappings folder has no file for."""


def reconcile_person(settings: Settings, person: str) -> LookedAt:
    """Look at one person now, in this process; safe beside running workers, because writing is fenced."""
    who = person_named(person)
    clock = make_clock(settings)
    library = read_library(settings, today=clock.now().date())
    with open_record(settings) as record:
        must_exist(who, record)
        practice, directory = make_practice(settings, library), make_directory(settings, record, library)

        def look(one: Reference) -> Reconciled:
            return reconcile(
                one, record=record, practice=practice, now=clock.now(), directory=directory.people
            )

        done = look(who)
        others = dict.fromkeys(done.others)
        while done.elsewhere:  # somebody whose record was merged is looked at where they are now
            who = done.elsewhere[0]
            done = look(who)
            others |= dict.fromkeys(done.others)
        for other in others.keys() - {who}:  # work was moved to them, or from them
            look(other)
    return LookedAt(
        person=who,
        enrolments={d.enrolment.identifier: d.enrolment.stage for d in done.decisions},
        written=done.writes,
        next_due_at=done.next_due_at,
        not_understood=done.unreadable,
        not_followed=done.not_followed,
    )


_PERSON = re.compile(r"Patient/[A-Za-z0-9.\-]{1,64}")


def person_named(text: str) -> Reference:
    """The person as named on the command line. NotNamedRight says how to write it."""
    if not _PERSON.fullmatch(text):
        message = f"a person is named by type and id, as in Patient/123, not {text[:80]!r}"
        raise NotNamedRight(message)
    return Reference(text)


class Reads(Protocol):
    """What can be asked for one resource."""

    def read(self, reference: Reference) -> Resource: ...


def must_exist(person: Reference, record: Reads) -> None:
    """NotNamedRight when the record does not have this person."""
    try:
        record.read(person)
    except NotInRecord:
        message = f"there is no {person} on the FHIR server, or it may not be read"
        raise NotNamedRight(message) from None


def reconcile_everybody(settings: Settings) -> int:
    """Everybody with an enrolment is put on the work index, for the workers; how many people that are."""
    with open_queue(settings) as queue, open_record(settings, reading_only=True) as record:
        people = sorted({person for plan in _enrolments(record) for person in people_of(plan)})
        queue.index.wake(people, queue.clock.now())
        _ring(queue)
    return len(people)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Measures by pathway, each enrolment counted by the version it began with."""

    measures: Mapping[str, tuple[MeasureCount, ...]]
    left_out: tuple[str, ...]
    """Identifiers of enrolments on a version that the mappings folder does not have."""


def count_measures(settings: Settings, pathway: str | None) -> Counted:
    """Every measure of every pathway (or of one) over all enrolments in the record, coverage first."""
    clock = make_clock(settings)
    library = read_library(settings, today=clock.now().date())
    chosen = {name: library.versions(name) for name in library.pathways if pathway in (None, name)}
    if not chosen:
        message = f"there is no pathway {pathway!r}; there are: {', '.join(sorted(library.pathways))}"
        raise NotNamedRight(message)
    practice = make_practice(settings, library)
    with open_record(settings, reading_only=True) as record:
        people = sorted({person for plan in _enrolments(record) for person in people_of(plan)})
        records = [_read(person, record, settings, practice.types) for person in people]
        covered = population(
            record,
            practice,
            directory=make_directory(settings, record, library).people,
            now=clock.now(),
            lookback=settings.lookback,
        )
    seen = [
        read_person(r, person=p, catalogue=practice.catalogue, now=clock.now())
        for p, r in zip(people, records, strict=True)
    ]
    known, now = Versions(practice.versions), clock.now()
    return Counted(
        measures={
            str(name): (
                *((as_measure(covered[name], settings.lookback),) if name in covered else ()),
                *count_versions(own, seen, now, known),
            )
            for name, own in chosen.items()
        },
        left_out=tuple(_on_no_version(seen, known, pathway)),
    )


def _on_no_version(people: Iterable[PersonRecord], versions: Versions, pathway: str | None) -> Iterator[str]:
    for person in people:
        for enrolment in person.enrolments:
            if pathway in (None, enrolment.pathway) and versions.get(enrolment) is None:
                yield enrolment.identifier


def parked(settings: Settings) -> list[DeadLetter]:
    """Everything that waits for a person."""
    with open_queue(settings) as queue:
        return list(queue.dead_letters.list())


@dataclass(frozen=True, kw_only=True)
class Retried:
    """What came of trying parked work again."""

    tried: int
    unreadable: tuple[str, ...]
    """Ids of letters that hold nothing that could be tried; they stay where they are."""


def retry_letters(settings: Settings, letter_id: str) -> Retried:
    """Put one letter, or with `all` every one, back to where it came from. NotNamedRight when there is none."""
    with open_queue(settings) as queue:
        wanted = [letter for letter in queue.dead_letters.list() if letter_id in (letter.id, "all")]
        if not wanted and letter_id != "all":
            message = (
                f"no dead letter has the id {letter_id[:80]!r}; `throughline dead-letters list` shows them"
            )
            raise NotNamedRight(message)
        unreadable = []
        for letter in wanted:
            try:
                _put_back(
                    queue, letter
                )  # before it is taken away: doing it twice does no harm, losing it would
            except NotificationProblem:
                unreadable.append(letter.id)
                continue
            queue.dead_letters.take(letter.id)
        _ring(queue)
    return Retried(tried=len(wanted) - len(unreadable), unreadable=tuple(unreadable))


def _put_back(queue: Queue, letter: DeadLetter) -> None:
    if letter.kind == "person":
        queue.index.wake([Reference(letter.subject)], queue.clock.now())
    else:
        queue.inbox.append(unpacked(letter.body))


def _ring(queue: Queue) -> None:
    queue.doorbell.inbox_has_mail()
    sweep(queue.index, queue.doorbell, queue.clock.now(), 1000)


def _enrolments(record: FhirRecord) -> Iterator[Any]:
    yield from record.search(
        Search(kind="CarePlan", params=(("category", f"{PLAN_CATEGORY}|{PATHWAY_PLAN}"), ("_count", "500")))
    )


def _read(person: Reference, record: FhirRecord, settings: Settings, types: frozenset[str]) -> list[Any]:
    since = make_clock(settings).now() - settings.lookback * 12
    searches = person_searches(person, types, since, ever=types)
    return [resource for found in record.search_all(searches) for resource in found]
