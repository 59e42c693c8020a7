"""A FHIR Bundle on a simulated clock: for each person in it, what pathways would do while nobody answers. No server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from service.app.bundle_file import NotUsable, people_in, read_bundle
from service.app.past import Past
from service.app.practice import practice_of
from service.app.relived import Arrival, Happening, Life, happenings, live
from service.domain.due import elapsed
from service.domain.owners import NoAccountablePerson
from service.domain.pathway import Pathway
from service.domain.versions import as_tried_out
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.history import Version
from service.flow.practice import Practice
from service.pathways.library import Library

AFTERWARDS = timedelta(days=30)
"""How long time goes on after the last entry of the file, unless it is said."""
STAND_IN = Reference("Practitioner/accountable-person")


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What would happen to one person."""

    person: Reference
    life: Life
    until: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """With what a file is played."""

    library: Library
    pathway: Pathway | None
    """Only this one, whatever its status; None: all that are in use."""
    accountable: Reference | None
    zone: tzinfo
    """Of the site, where the pathways' calendars do not agree."""

    @property
    def pathways(self) -> Mapping[PathwayId, Pathway]:
        if self.pathway is not None:
            return {self.pathway.id: as_tried_out(self.pathway)}
        return self.library.pathways

    @property
    def own_zone(self) -> tzinfo:
        """In which times are read and told: that of the calendars."""
        zones = {str(each.calendar.timezone): each.calendar.timezone for each in self.pathways.values()}
        return next(iter(zones.values())) if len(zones) == 1 else self.zone


def simulate_bundle(
    file: Path, setting: Setting, *, person: str | None, until: datetime | None
) -> list[Simulated]:
    """One simulation for each person of the file, or for the one that is named. NoSuchFile or NotUsable when it cannot be.

    A history Bundle comes as the record had it; any other in the order in which its resources say that they happened.
    """
    read = read_bundle(file, setting.own_zone)
    past = Past(read.history, setting.own_zone)
    what_happened = happenings(past, as_told=read.kind != "history")
    people = people_in(read.history)
    wanted = [each for each in people if person in {None, each}]
    if not wanted:
        there = f"; there are {', '.join(people[:5])}" if people else ""
        raise NotUsable(f"{file} holds no {person or 'Patient'}{there}")
    if not what_happened:
        raise NotUsable(f"{file} does not say when anything happened: no resource in it has a time")
    return [_simulated(each, what_happened, setting, until) for each in wanted]


def _simulated(
    person: Reference, what_happened: Sequence[Happening], setting: Setting, until: datetime | None
) -> Simulated:
    concerned = [each for each in what_happened if not each.about or person in each.about]
    ends_at = until or elapsed(concerned[-1].at, AFTERWARDS)
    practice, zone = _practice(setting, setting.accountable), setting.own_zone
    try:
        life = live(concerned, practice, until=ends_at, zone=zone)
    except NoAccountablePerson:
        practice = _practice(setting, STAND_IN)
        life = live([*_stand_in(concerned[0].at), *concerned], practice, until=ends_at, zone=zone)
        note = (
            "nobody in the file can hold a follow-up: an accountable person stands in, as"
            " THROUGHLINE_ACCOUNTABLE_PRACTITIONER would name one"
        )
        return Simulated(person=person, life=life, until=ends_at, notes=(note,))
    return Simulated(person=person, life=life, until=ends_at)


def _practice(setting: Setting, accountable: Reference | None) -> Practice:
    practice = practice_of(setting.library, zone=setting.own_zone, base_url="", accountable=accountable)
    return replace(practice, pathways=setting.pathways, earlier=())


def _stand_in(at: datetime) -> Iterator[Happening]:
    kind, _, logical_id = STAND_IN.partition("/")
    who = {"resourceType": kind, "id": logical_id, "name": [{"text": "Accountable person"}]}
    version = Version(reference=STAND_IN, number="1", at=at, content=who)
    yield Happening(at=at, what=Arrival(version=version))
