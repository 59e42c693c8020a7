"""Counts who should be on a pathway and who is, from the record alone: the check that needs no notification and no mark.

"Every finished inpatient Encounter of the window has its enrolment", for every pathway and whatever begins it. Whoever
is missing is woken. Asks what the worker would decide, so that what rightly begins nothing is not counted as missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from service.domain.alongside import Alongside
from service.domain.begin import beginnings, candidates
from service.domain.evidence import Condition, Fact, PersonRecord, Situation
from service.domain.pathway import Once, Pathway, Start, begin_by
from service.domain.versions import Versions
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.read import Catalogue, read_person
from service.fhir.references import identifier_values, mapping
from service.fhir.searches import anchored_searches, enrolment_search, people_of, person_searches
from service.fhir.systems import ENROLMENT
from service.fhir.times import parse_time
from service.ports import FhirRecord, Resource, Search

SETTLES_WITHIN = timedelta(minutes=2)
"""What changed this shortly ago is on its way to a worker; it is not missed yet."""
MOST_READ = 500
"""People whose record is read in one count to see whether they are missed; more are woken unread and counted next time."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One pathway: what should have begun an enrolment in the window. Names are `<pathway>/<Type>/<id>`."""

    enrolled: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """It changed only just now, or was not looked into for lack of time."""
    woken: frozenset[Reference] = field(default=frozenset(), repr=False)
    """Whose record has to be looked at because of what is missing."""

    @property
    def expected(self) -> int:
        return len(self.enrolled) + len(self.missed) + len(self.pending)

    @property
    def rate(self) -> float | None:
        """Enrolled over expected; None when nothing was expected."""
        return len(self.enrolled) / self.expected if self.expected else None


def population(
    record: FhirRecord,
    pathways: Iterable[Pathway],
    *,
    catalogue: Catalogue,
    now: datetime,
    lookback: timedelta,
) -> dict[PathwayId, Coverage]:
    """Coverage of every active pathway over what began within `lookback` before `now`. RecordFailure when it cannot be read."""
    active = [pathway for pathway in pathways if pathway.status == "active"]
    asked = frozenset(
        kind
        for pathway in active
        for start in pathway.starts
        for each in _conditions(pathway, start)
        for kind in (each.kind, *each.looks_at)
    )
    count = _Count(record, catalogue, now, now - lookback, asked, active)
    for kind in sorted({each.kind for p in active for start in p.starts for each in begin_by(p, start)}):
        count.read(kind)
    return {pathway.id: count.coverage(pathway) for pathway in active}


class _Count:
    """One count; holds what was read for all pathways."""

    def __init__(
        self,
        record: FhirRecord,
        catalogue: Catalogue,
        now: datetime,
        since: datetime,
        asked: frozenset[str],
        active: Sequence[Pathway],
    ) -> None:
        """`asked`: every type that any start asks about."""
        self._active = active
        self._record, self._catalogue, self._now, self._since = record, catalogue, now, since
        self._asked = asked
        self._about: dict[Reference, dict[str, Resource]] = {}
        self._changed: dict[str, datetime] = {}
        self._read: dict[Reference, PersonRecord] = {}

    def read(self, kind: str) -> None:
        """Everything of a type in the window, by person; by its own time too, because an import may carry old stamps."""
        for search in _window(kind, self._since):
            for resource in self._record.search(search):
                if resource.get("resourceType") != kind:
                    continue
                name = f"{kind}/{resource.get('id')}"
                changed = parse_time(mapping(resource.get("meta")).get("lastUpdated"), UTC)
                if changed is not None:
                    self._changed[name] = changed
                for person in people_of(resource, self._catalogue.base_url):
                    self._about.setdefault(person, {})[name] = resource

    def coverage(self, pathway: Pathway) -> Coverage:
        """Who may have begun it by what was read, sorted into enrolled, missed and not to be known yet."""
        likely = {
            f"{pathway.id}/{anchor}": person
            for person in sorted(self._about)
            for anchor in self._anchors(_relaxed(pathway), self._by_starts(person))
        }
        there = self._there(pathway, likely)
        enrolled = sorted(name for name in likely if name in there)
        missed: list[str] = []
        pending: list[str] = []
        woken: set[Reference] = set()
        for name, person in likely.items():
            if name in there:
                continue
            if person not in self._read and len(self._read) >= MOST_READ:
                pending.append(name)
                woken.add(person)
            elif name in self._begins(pathway, person):
                changed = self._changed.get(name.partition("/")[2])
                fresh = changed is not None and changed > self._now - SETTLES_WITHIN
                (pending if fresh else missed).append(name)
                woken.add(person)
        return Coverage(
            enrolled=tuple(enrolled),
            missed=tuple(sorted(missed)),
            pending=tuple(sorted(pending)),
            woken=frozenset(woken),
        )

    def _anchors(self, pathway: Pathway, record: PersonRecord) -> Iterator[Reference]:
        return (each.anchor for each in candidates(pathway, record, self._now))

    def _by_starts(self, person: Reference) -> PersonRecord:
        """The person as far as what begins pathways tells; without enrolments, so that those that exist are named too."""
        seen = self._seen(self._about[person].values(), person)
        return replace(seen, enrolments=())

    def _there(self, pathway: Pathway, likely: Mapping[str, Reference]) -> set[str]:
        anchors = [Reference(name.partition("/")[2]) for name in likely]
        found = self._record.search_all(anchored_searches(anchors, [pathway.id])) if anchors else []
        return {value for plans in found for plan in plans for value in identifier_values(plan, ENROLMENT)}

    def _begins(self, pathway: Pathway, person: Reference) -> set[str]:
        """What a worker would begin for this person now, from all that it would read."""
        if person not in self._read:
            searches = [enrolment_search(person), *person_searches(person, self._asked, self._since)]
            everything = [each for found in self._record.search_all(searches) for each in found]
            self._read[person] = self._seen([*everything, *self._about[person].values()], person)
        record = self._read[person]
        others = Alongside(
            pathways=Versions(self._active), enrolments=record.enrolments, follow_ups=record.follow_ups
        )
        begun = beginnings(self._active, record, self._now, others)
        return {enrolment.identifier for enrolment in begun if enrolment.pathway == pathway.id}

    def _seen(self, resources: Iterable[Resource], person: Reference) -> PersonRecord:
        return read_person(resources, person=person, catalogue=self._catalogue, now=self._now)


def _window(kind: str, since: datetime) -> Sequence[Search]:
    instant = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    by_stamp = Search(kind=kind, params=(("_lastUpdated", f"ge{instant}"),))
    if kind != "Encounter":
        return [by_stamp]
    return [by_stamp, Search(kind=kind, params=(("date", f"ge{instant}"),))]


def _relaxed(pathway: Pathway) -> Pathway:
    """The pathway without what only other resources can tell: whoever might begin it, and perhaps some who do not."""
    starts = tuple(
        replace(start, unless=(), also=(), condition=_alone(start.condition)) for start in pathway.starts
    )
    return replace(pathway, starts=starts, once=Once.ANCHOR)


def _alone(condition: Condition | None) -> Condition | None:
    return replace(condition, holds=_holds_perhaps) if condition and condition.looks_at else condition


def _holds_perhaps(_fact: Fact, _situation: Situation) -> bool:
    return True


def _conditions(pathway: Pathway, start: Start) -> Iterator[Condition]:
    yield from begin_by(pathway, start)
    yield from start.unless
    yield from start.also
    if start.clock_of is not None:
        yield start.clock_of
