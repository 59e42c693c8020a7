"""Counts who should be on a pathway and who is, from the record alone: the check that needs no notification and no mark.

"Every finished inpatient Encounter of the window has its enrolment", for every pathway that a stay or a request can
begin. Whoever is missing is woken. Asks what a worker would decide, so that what rightly begins nothing is not counted
as missed. Not counted: other starts, e.g. a rule over several observations. Reading all of those again and again would
ask too much of a server; the sweep finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from service.domain.alongside import Alongside
from service.domain.begin import beginnings, candidates
from service.domain.evidence import Condition, Fact, PersonRecord, Situation
from service.domain.owners import NoAccountablePerson
from service.domain.pathway import Once, Pathway, Start
from service.domain.versions import Versions
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.belonging import stands_under
from service.fhir.read import Catalogue, read_person
from service.fhir.references import identifier_values, mapping
from service.fhir.searches import (
    anchored_searches,
    enrolment_search,
    people_of,
    person_searches,
    searches_of_several,
)
from service.fhir.systems import ENROLMENT
from service.fhir.times import parse_time
from service.ports import FhirRecord, Resource, Search

COUNTED = ("Encounter", "ServiceRequest")
"""What a hospital or a referrer writes once for each thing that happens."""
SETTLES_WITHIN = timedelta(minutes=2)
"""What changed this shortly ago is on its way to a worker; it is not missed yet."""
MOST_READ = 500
"""People whose whole record is read in one count to see whether they are missed; the others are pending until the next."""


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


class Practice(Protocol):
    """What is asked here of how a site wants its people cared for."""

    @property
    def versions(self) -> Sequence[Pathway]:
        """Every version of every pathway."""

    @property
    def catalogue(self) -> Catalogue:
        """What codes, roles and addresses mean here."""

    @property
    def types(self) -> frozenset[str]:
        """Resource types that any pathway asks about."""

    @property
    def ever(self) -> frozenset[str]:
        """Of these, the ones to be read whole."""

    @property
    def lookback(self) -> timedelta:
        """How far back the rest is read."""


def population(
    record: FhirRecord,
    practice: Practice,
    *,
    directory: Callable[[], Sequence[Resource]],
    now: datetime,
    lookback: timedelta,
) -> dict[PathwayId, Coverage]:
    """Coverage of each pathway over what began within `lookback` before `now`. RecordFailure when it cannot be read.

    `directory`: the site's staff; whoever begins an enrolment needs a lead.
    """
    count = _Count(record, practice, directory, now, now - lookback)
    counted = [_by_single_resources(pathway) for pathway in practice.versions if pathway.enrols]
    counted = [pathway for pathway in counted if pathway.starts]
    for kind in COUNTED:
        if any(_kind(start) == kind for pathway in counted for start in pathway.starts):
            count.read(kind)
    return {pathway.id: count.coverage(pathway) for pathway in counted}


class _Count:
    """One count; holds what was read for all pathways."""

    def __init__(
        self,
        record: FhirRecord,
        practice: Practice,
        directory: Callable[[], Sequence[Resource]],
        now: datetime,
        since: datetime,
    ) -> None:
        self._record, self._practice, self._catalogue = record, practice, practice.catalogue
        self._directory = directory
        self._now, self._since = now, since
        self._versions = Versions(practice.versions)
        self._current = [pathway for pathway in practice.versions if pathway.enrols]
        self._about: dict[Reference, dict[str, Resource]] = {}
        self._changed: dict[str, datetime] = {}
        self._begins: dict[Reference, set[str]] = {}

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
        relaxed = _relaxed(pathway)
        likely = {
            name: person
            for person in sorted(self._about)
            for name in self._names(relaxed, self._alone(person))
        }
        woken: set[Reference] = set()
        there = self._there(pathway, likely, woken)
        open_names = self._with_all_evidence(pathway, {n: p for n, p in likely.items() if n not in there})
        missed: list[str] = []
        pending: list[str] = []
        for name, person in open_names.items():
            begins = self._begins_now(person)
            if begins is None:
                pending.append(name)
            elif name in begins:
                (pending if self._is_fresh(name) else missed).append(name)
                woken.add(person)
        return Coverage(
            enrolled=tuple(sorted(there & set(likely))),
            missed=tuple(sorted(missed)),
            pending=tuple(sorted(pending)),
            woken=frozenset(woken),
        )

    def _alone(self, person: Reference) -> PersonRecord:
        """With what was read in the window and no enrolments at all; so those that exist are named too."""
        return replace(self._seen(self._about[person].values(), person), enrolments=())

    def _names(self, pathway: Pathway, record: PersonRecord) -> Iterator[str]:
        return (f"{pathway.id}/{each.anchor}" for each in candidates(pathway, record, self._now))

    def _there(self, pathway: Pathway, likely: Mapping[str, Reference], woken: set[Reference]) -> set[str]:
        anchors = [Reference(name.partition("/")[2]) for name in likely]
        found = self._record.search_all(anchored_searches(anchors, [pathway.id])) if anchors else []
        there: set[str] = set()
        for plan in (plan for plans in found for plan in plans):
            for value in identifier_values(plan, ENROLMENT):
                if value not in likely or self._stands_right(plan, likely[value]):
                    there.add(value)
                else:  # what began it is about somebody else by now: whoever holds it lets it go when looked at
                    woken.update(people_of(plan, self._catalogue.base_url))
        return there

    def _stands_right(self, plan: Resource, person: Reference) -> bool:
        return stands_under(plan, person, self._record.read, self._catalogue.base_url)

    def _with_all_evidence(self, pathway: Pathway, names: Mapping[str, Reference]) -> dict[str, Reference]:
        """Of those without an enrolment, the ones that begin it when everything its starts ask about is known."""
        asked = frozenset(
            kind for start in pathway.starts for c in _conditions(start) for kind in (c.kind, *c.looks_at)
        )
        people = set(names.values())
        searches = searches_of_several(people, asked, self._since) if people else []
        found: dict[Reference, list[Resource]] = {}
        for resource in (each for some in self._record.search_all(searches) for each in some):
            for person in people_of(resource, self._catalogue.base_url):
                found.setdefault(person, []).append(resource)
        begun = {
            name
            for person in people
            for name in self._names(
                pathway, self._seen([*self._about[person].values(), *found.get(person, ())], person)
            )
        }
        return {name: person for name, person in names.items() if name in begun}

    def _begins_now(self, person: Reference) -> set[str] | None:
        """What a worker would begin for this person, all pathways and all evidence together; None: not looked into."""
        if person not in self._begins:
            if len(self._begins) >= MOST_READ:
                return None
            since, ever = self._now - self._practice.lookback, self._practice.ever
            about = person_searches(person, self._practice.types, min(since, self._since), ever=ever)
            searches = [enrolment_search(person), *about]
            found = [each for some in self._record.search_all(searches) for each in some]
            everything = [*self._directory(), *found, *self._about[person].values()]
            self._begins[person] = self._decided(self._seen(everything, person))
        return self._begins[person]

    def _decided(self, record: PersonRecord) -> set[str]:
        alongside = Alongside(
            pathways=self._versions, enrolments=record.enrolments, follow_ups=record.follow_ups
        )
        try:
            begun = beginnings(self._current, record, self._now, alongside)
        except NoAccountablePerson:
            # Nobody could own it, so it could not be begun; it is missed all the same.
            found = (candidates(pathway, record, self._now) for pathway in self._current)
            return {each.identifier for some in found for each in some}
        return {each.identifier for each in begun}

    def _is_fresh(self, name: str) -> bool:
        changed = self._changed.get(name.partition("/")[2])
        return changed is not None and changed > self._now - SETTLES_WITHIN

    def _seen(self, resources: Iterable[Resource], person: Reference) -> PersonRecord:
        return read_person(resources, person=person, catalogue=self._catalogue, now=self._now)


def _window(kind: str, since: datetime) -> Sequence[Search]:
    instant = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    own_time = {"Encounter": "date", "ServiceRequest": "authored"}[kind]
    return [
        Search(kind=kind, params=((parameter, f"ge{instant}"),)) for parameter in ("_lastUpdated", own_time)
    ]


def _by_single_resources(pathway: Pathway) -> Pathway:
    """The pathway with only those starts that are counted here."""
    return replace(pathway, starts=tuple(start for start in pathway.starts if _kind(start) in COUNTED))


def _kind(start: Start) -> str:
    return start.condition.kind if start.condition is not None else ""


def _relaxed(pathway: Pathway) -> Pathway:
    """The pathway without what only other resources can tell: whoever might begin it, and perhaps some who do not."""
    starts = tuple(
        replace(start, unless=(), also=(), condition=_alone(start.condition)) for start in pathway.starts
    )
    return replace(pathway, starts=starts, once=Once.ANCHOR)


def _alone(condition: Condition | None) -> Condition | None:
    if condition is None or not condition.looks_at:
        return condition
    return replace(condition, holds=_holds_perhaps)


def _holds_perhaps(_fact: Fact, _situation: Situation) -> bool:
    return True


def _conditions(start: Start) -> Iterator[Condition]:
    single = [start.condition] if start.condition is not None else []
    clock = [start.clock_of] if start.clock_of is not None else []
    yield from (*single, *start.unless, *start.also, *clock)
