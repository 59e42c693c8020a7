"""What `throughline replay` sets going: a person's past read from a server or a file, and decided or lived again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.fhir_versions import VersionNeutralRecord, history_in_r4, server_version
from service.app.bundle_file import person_in, read_bundle
from service.app.by_hand import NotNamedRight, must_exist, person_named
from service.app.past import Past
from service.app.past_reading import read_past
from service.app.practice import practice_of, role_codes
from service.app.relived import Difference, Happening, differences, happenings, live
from service.app.replay import Replayed, Site, replay
from service.app.settings import Settings
from service.app.wiring import make_client, make_clock, make_practice, read_library
from service.domain.due import elapsed
from service.domain.pathway import Pathway
from service.domain.versions import as_tried_out
from service.domain.vocabulary import PathwayId, Reference
from service.flow.practice import Practice
from service.pathways.library import Library

AFTERWARDS = timedelta(days=30)
"""How long after the last entry of a file time goes on; on a server it is always now."""


@dataclass(frozen=True, kw_only=True)
class LookedBack:
    """Every recorded decision about somebody, decided again."""

    person: Reference
    decisions: tuple[Replayed, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What another version of a pathway would have done with the same record."""

    person: Reference
    pathway: PathwayId
    version: str
    other: str
    until: datetime
    differences: tuple[Difference, ...]
    nowhere: tuple[Happening, ...]
    """What people did to follow-ups that the other version had not opened."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A person's past, and the site that decided then."""

    person: Reference
    past: Past
    library: Library
    site: Site
    now: datetime
    notes: tuple[str, ...]


def look_back(
    settings: Settings,
    *,
    person: str | None,
    bundle: Path | None,
    pathway: str | None,
    until: datetime | None,
) -> LookedBack:
    """Recorded decisions decided again. NotNamedRight, NoSuchFile or NotUsable when the person is not there."""
    opened = _open(settings, person, bundle)
    if pathway is not None:
        _versions(opened.library, pathway)
    done = replay(opened.person, opened.past, opened.site, until=until)
    return LookedBack(
        person=opened.person,
        decisions=tuple(
            _in_its_zone(each, opened.library) for each in done if pathway in {None, each.recorded.pathway}
        ),
        notes=(*opened.notes, *opened.past.unreadable),
    )


def _in_its_zone(replayed: Replayed, library: Library) -> Replayed:
    """Told in the time of the pathway's own calendar, as its clocks run."""
    versions = library.versions(replayed.recorded.pathway)
    if not versions:
        return replayed
    at = replayed.recorded.recorded_at.astimezone(versions[0].calendar.timezone)
    return replace(replayed, recorded=replace(replayed.recorded, recorded_at=at))


def compare_versions(
    settings: Settings,
    *,
    person: str | None,
    bundle: Path | None,
    pathway: str | None,
    version: str,
    until: datetime | None,
) -> Compared:
    """The person's time lived with the version they are on and with another one."""
    opened = _open(settings, person, bundle)
    own, other = _both_versions(opened, pathway, version)
    what_happened = happenings(opened.past)
    ends_at = until or _end(what_happened, opened.now, from_file=bundle is not None)
    zone = own.calendar.timezone
    lives = [live(what_happened, _only(opened, each), until=ends_at, zone=zone) for each in (own, other)]
    return Compared(
        person=opened.person,
        pathway=own.id,
        version=own.version,
        other=other.version,
        until=ends_at.astimezone(zone),
        differences=tuple(replace(d, at=d.at.astimezone(zone)) for d in differences(*lives)),
        nowhere=tuple(each for each in lives[1].nowhere if each not in lives[0].nowhere),
        notes=opened.notes,
    )


def _open(settings: Settings, person: str | None, bundle: Path | None) -> _Opened:
    clock = make_clock(settings)
    library = read_library(settings, today=clock.now().date())
    also = (Reference(settings.accountable_practitioner),) if settings.accountable_practitioner else ()
    if bundle is not None:
        history = read_bundle(bundle, settings.zone).history
        practice = practice_of(
            library,
            zone=settings.zone,
            base_url=settings.fhir_base_url or "",
            accountable=next(iter(also), None),
        )
        who, notes = person_in(history, bundle, person), tuple[str, ...]()
        site = Site(practice=practice, role_codes=tuple(role_codes(library)), also=also)
    else:
        who = person_named(person or "")
        site = Site(
            practice=make_practice(settings, library), role_codes=tuple(role_codes(library)), also=also
        )
        client = make_client(settings)
        try:
            server, version = HttpFhirRecord(client, CAREFUL), server_version(client)
            record = VersionNeutralRecord(server, version)
            must_exist(who, record)
            read = read_past(who, record, history_in_r4(server.history, version), site, clock.now())
        finally:
            client.close()
        history, notes = read.history, read.notes
    past = Past(history, settings.zone)
    return _Opened(person=who, past=past, library=library, site=site, now=clock.now(), notes=notes)


def _versions(library: Library, pathway: str) -> tuple[Pathway, ...]:
    versions = library.versions(PathwayId(pathway))
    if not versions:
        message = f"there is no pathway {pathway!r}; there are: {', '.join(sorted(library.pathways))}"
        raise NotNamedRight(message)
    return versions


def _both_versions(opened: _Opened, pathway: str | None, version: str) -> tuple[Pathway, Pathway]:
    """The version the person is on (the current one, if on none), and the one that was asked for."""
    name = _the_pathway(opened, pathway)
    versions = {each.version: each for each in _versions(opened.library, name)}
    if version not in versions:
        raise NotNamedRight(f"{name} has no version {version!r}; there are: {', '.join(versions)}")
    decided = [d.version for look in opened.past.looks for d in look if d.pathway == name]
    own = decided[-1] if decided else next(iter(versions))
    if own not in versions:
        raise NotNamedRight(
            f"the person is on version {own} of {name}, which the mappings folder does not have: restore it first"
        )
    return versions[own], versions[version]


def _the_pathway(opened: _Opened, pathway: str | None) -> str:
    if pathway is not None:
        return pathway
    on = sorted({decision.pathway for look in opened.past.looks for decision in look})
    if len(on) == 1:
        return on[0]
    where = f"is on {' and '.join(on)}" if on else "is on no pathway yet"
    raise NotNamedRight(f"{opened.person} {where}: say with --pathway which one is meant")


def _only(opened: _Opened, version: Pathway) -> Practice:
    """This version enrols, and beside it what the person has been on according to the record: nothing else, for who knows
    which other pathways the site had then.
    """
    practice = opened.site.practice
    known = {(each.id, each.version): each for each in practice.versions}
    been_on = {d.pathway: d.version for look in opened.past.looks for d in look}
    pathways = {one[0]: as_tried_out(known[one]) for one in been_on.items() if one in known}
    return replace(practice, pathways={**pathways, version.id: as_tried_out(version)}, earlier=())


def _end(what_happened: Sequence[Happening], now: datetime, *, from_file: bool) -> datetime:
    if not from_file or not what_happened:
        return now
    return min(now, elapsed(what_happened[-1].at, AFTERWARDS))
