"""The same time lived again on a simulated clock: what others wrote and did comes as it came, all of ours is made anew.

With another version of a pathway it is another life; what differs between two lives is what the versions differ in.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from service.app.past import Past
from service.app.simulation import Moment, Simulation
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.history import Version
from service.fhir.read.facts import is_ours
from service.fhir.read.happened import happened
from service.fhir.references import identifier_values, mapping
from service.fhir.searches import people_of
from service.flow.practice import Practice
from service.ports import Resource

DONE_BY_PEOPLE = ("status", "statusReason", "owner", "output")
"""Elements of our Tasks and CarePlans that people change in their own systems."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A resource of another system comes into the record, changes, or is deleted."""

    version: Version


@dataclass(frozen=True, kw_only=True)
class Act:
    """Somebody changes a resource of ours."""

    system: str
    identifier: str
    changes: Mapping[str, Any]
    """Element -> what it became; of `output` only what was added."""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """What others did, and when the record had it."""

    at: datetime
    what: Arrival | Act
    about: tuple[Reference, ...] = ()
    """The people it is about; nobody: who works here, where, what is asked for."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a practice makes of what happened."""

    moments: tuple[Moment, ...]
    nowhere: tuple[Happening, ...]
    """What people did to a follow-up that did not exist in this life."""
    next_due_at: datetime | None


def happenings(past: Past, *, as_told: bool = False) -> list[Happening]:
    """All that others wrote and did, in the order in which the record had it; empty when nobody says when anything was.

    `as_told`: in the order in which the resources themselves say that it happened.
    """
    when = _as_told if as_told else _when
    found: list[tuple[datetime | None, Arrival | Act, tuple[Reference, ...]]] = []
    for reference in past.history:
        versions = past.history.of(reference)
        for number, version in enumerate(versions):
            about = people_of(version.content or (versions[number - 1].content if number else None) or {})
            found += [
                (when(past, version), what, about) for what in _of_others(past, version, versions[:number])
            ]
    first = min((at for at, *_ in found if at is not None), default=None)
    if first is None:
        return []
    # What nobody dates was there from the beginning.
    dated = [Happening(at=at or first, what=what, about=about) for at, what, about in found]
    return sorted(dated, key=lambda each: each.at)


def _of_others(past: Past, version: Version, before: Sequence[Version]) -> Iterator[Arrival | Act]:
    content, earlier = version.content, before[-1].content if before else None
    if (version.reference, version.number) in past.written_by_us:
        return
    if content is None:
        if earlier is not None and not is_ours(earlier):
            yield Arrival(version=version)
    elif not is_ours(content):
        yield Arrival(version=version)
    elif earlier is not None:
        yield from _acts(content, earlier)


def _acts(content: Resource, earlier: Resource) -> Iterator[Act]:
    changes = {name: content.get(name) for name in DONE_BY_PEOPLE if content.get(name) != earlier.get(name)}
    if "output" in changes:
        known = earlier.get("output") or []
        changes["output"] = [each for each in changes["output"] or [] if each not in known]
    for system in (systems.FOLLOW_UP, systems.ENROLMENT, systems.ESCALATION):
        for value in identifier_values(content, system) if changes else ():
            yield Act(system=system, identifier=value, changes=changes)


def _when(past: Past, version: Version) -> datetime | None:
    """On the site's clock, which may run otherwise than the server's: between the decisions before it and after it."""
    at = version.at
    if at is None:
        return happened(version.content, past.zone)[0] if version.content is not None else None
    for look in past.looks:
        written_at, recorded_at = look[0].written_at or look[0].recorded_at, look[0].recorded_at
        if at <= written_at:
            return min(at, recorded_at)
    return max(at, past.looks[-1][0].recorded_at) if past.looks else at


def _as_told(past: Past, version: Version) -> datetime | None:
    if version.content is None:
        return version.at
    at, is_assumed, _ = happened(version.content, past.zone)
    return None if is_assumed else at


def live(
    what_happened: Sequence[Happening], practice: Practice, *, until: datetime, zone: tzinfo | None = None
) -> Life:
    """Lives through it up to `until`, and lets time pass to the end of that; tells times in `zone`."""
    coming = [each for each in what_happened if each.at <= until]
    if not coming:
        return Life(moments=(), nowhere=(), next_due_at=None)
    life = Simulation(practice, coming[0].at, zone=zone)
    nowhere: list[Happening] = []
    for number, each in enumerate(coming):
        life.passes_until(each.at)
        if not _comes(life, each):
            nowhere.append(each)
        if number + 1 == len(coming) or coming[number + 1].at > each.at:
            life.look()
    life.passes_until(until)
    life.look()
    return Life(moments=tuple(life.moments), nowhere=tuple(nowhere), next_due_at=life.next_due_at)


def _comes(life: Simulation, happening: Happening) -> bool:
    if isinstance(happening.what, Act):
        return _acted(life, happening.what)
    version = happening.what.version
    if version.content is None:
        life.goes(version.reference)
    else:
        life.arrives(_undated(version.content))
    return True


def _undated(resource: Resource) -> Resource:
    """As it is sent: number and time of the version are the record's to give."""
    meta = {k: v for k, v in mapping(resource.get("meta")).items() if k not in {"versionId", "lastUpdated"}}
    return {**{k: v for k, v in resource.items() if k != "meta"}, **({"meta": meta} if meta else {})}


def _acted(life: Simulation, act: Act) -> bool:
    for resource in life.record.everything():
        if act.identifier in identifier_values(resource, act.system):
            life.record.put(_changed(resource, act, life.clock.at))
            return True
    return False


def _changed(resource: Resource, act: Act, at: datetime) -> Resource:
    changed = {**copy.deepcopy(dict(resource)), **{k: v for k, v in act.changes.items() if k != "output"}}
    if act.changes.get("output"):
        changed["output"] = [*(changed.get("output") or []), *act.changes["output"]]
    if changed["resourceType"] == "Task":
        changed["lastModified"] = at.isoformat()
    return {name: value for name, value in changed.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One instant at which two lives are not the same."""

    at: datetime
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def differences(first: Life, second: Life) -> list[Difference]:
    """Every instant at which one life says what the other does not."""
    said = [_by_instant(first), _by_instant(second)]
    found = []
    for at in sorted({*said[0], *said[1]}):
        one, other = (events.get(at, ()) for events in said)
        if set(one) != set(other):
            found.append(
                Difference(
                    at=at,
                    only_first=tuple(event for event in one if event not in other),
                    only_second=tuple(event for event in other if event not in one),
                )
            )
    return found


def _by_instant(life: Life) -> dict[datetime, tuple[str, ...]]:
    found: dict[datetime, tuple[str, ...]] = {}
    for moment in life.moments:
        found[moment.at] = (*found.get(moment.at, ()), *moment.events)
    return found
