"""Reads from the record itself what notifications may have missed, and wakes whom it concerns.

Goes by the server's own lastUpdated, never by our clock; a mark moves only when all pages up to it were read. With no
mark at all (Redis was emptied) everything needed is found again in the record. This is all that a site needs whose
server tells nothing by itself; what was deleted is found too, where the server keeps the history of a type.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from service.domain.vocabulary import RUNNING_PLAN, PathwayId, Reference
from service.fhir.record_history import HistoryEntry, RecordHistory
from service.fhir.references import mapping, reference_to, version_of
from service.fhir.searches import anchored_searches, people_of
from service.fhir.systems import PATHWAY_PLAN, PLAN_CATEGORY
from service.fhir.times import parse_time
from service.ports import (
    FhirRecord,
    NotInRecord,
    RecordRefused,
    Resource,
    Search,
    Watermarks,
    WorkIndex,
)

log = logging.getLogger(__name__)

MARK = "catch-up"
"""Watermark that exists once the index has been built from the record; its absence means: build it again."""
FAILED = "catch-up-failed"
"""Watermark: set while the last catch-up could not be ended, so that the next is asked for soon; else empty."""
OVERLAP = timedelta(minutes=2)
"""Read again before each mark: servers stamp a resource before others can find it, and their nodes' clocks differ."""
ALWAYS_RECENT = frozenset({"Encounter", "ServiceRequest", "Task"})
WAKE_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class CaughtUp:
    """What one catch-up did."""

    read: int = 0
    """Resources that were new or changed."""
    woken: int = 0
    """Persons, each counted once."""
    rebuilt: bool = False
    """Whether the index was built from the whole record."""
    refused: tuple[str, ...] = ()
    """Types the server refused to search; their mark stays."""
    newest: Mapping[str, datetime] = field(default_factory=dict)
    """When the newest change that was not seen before happened, by type and by the server's clock; none of a rebuild."""


def catch_up(
    record: FhirRecord,
    index: WorkIndex,
    watermarks: Watermarks,
    *,
    types: Iterable[str],
    begins: Iterable[str],
    now: datetime,
    lookback: timedelta,
    base_url: str = "",
    overlap: timedelta = OVERLAP,
    history: RecordHistory | None = None,
    pathways: Iterable[PathwayId] = (),
) -> CaughtUp:
    """Wake everybody whose resources of `types` changed since the last time.

    `begins`: types that can begin an enrolment. Without marks: everybody with a running enrolment, and what of `begins`
    changed within `lookback` before `now`. RecordUnavailable leaves the marks of types not read yet as they were.
    `history` finds what was deleted of the types that begin `pathways`, and stands in where a search is refused.
    """
    round_ = _Round(
        record=record,
        index=index,
        watermarks=watermarks,
        now=now,
        base_url=base_url,
        history=history,
        pathways=tuple(pathways),
    )
    recent = (frozenset(begins) | ALWAYS_RECENT) & frozenset(types)
    rebuild = watermarks.get(MARK) is None
    for kind in sorted(types):
        mark = None if rebuild else _mark(watermarks.get(_name(kind)))
        try:
            if mark is not None:
                round_.changes(kind, mark, overlap, told=True, deletions=kind in recent)
            elif rebuild and kind not in recent:
                round_.start_here(kind, now - lookback)
            else:
                round_.changes(kind, _Mark(at=now - lookback), timedelta(0))
        except RecordRefused as refusal:
            # Other types must not go unwatched because of one; the mark of this one stays where it is.
            log.warning("catch-up cannot read %s: the record refused (HTTP %s)", kind, refusal.status)
            round_.refused.append(kind)
    if rebuild:
        round_.running_enrolments()
    watermarks.set(MARK, now.isoformat())
    return round_.counts(rebuilt=rebuild)


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """Up to where a type has been read, and what was seen shortly before: `Type/id@version`."""

    at: datetime | None
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Change:
    """One version that the sweep came across."""

    label: str
    at: datetime | None
    people: tuple[Reference, ...]


@dataclass(kw_only=True)
class _Round:
    record: FhirRecord
    index: WorkIndex
    watermarks: Watermarks
    now: datetime
    base_url: str
    history: RecordHistory | None
    pathways: tuple[PathwayId, ...]
    read: int = 0
    newest: dict[str, datetime] = field(default_factory=dict)
    woken: set[Reference] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def changes(
        self, kind: str, mark: _Mark, overlap: timedelta, *, told: bool = False, deletions: bool = False
    ) -> None:
        """Everything of a type since its mark; the mark then stands at the newest of it.

        `told`: the changes are new since the last time, so that somebody may ask who was told of them.
        """
        newest, seen = mark.at, {}
        waiting: set[Reference] = set()
        for change in self._since(kind, mark, overlap, deletions=deletions):
            newest = max(filter(None, (newest, change.at)), default=None)
            seen[change.label] = change.at
            if change.label not in mark.seen:
                self.read += 1
                waiting.update(change.people)
                if told and change.at is not None:
                    self.newest[kind] = max(change.at, self.newest.get(kind, change.at))
            if len(waiting) >= WAKE_AT_ONCE:
                self.wake(waiting)
                waiting = set()
        self.wake(waiting)
        kept = sorted(label for label, at in seen.items() if _is_near(at, newest))
        self.remember(kind, newest, kept)

    def _since(self, kind: str, mark: _Mark, overlap: timedelta, *, deletions: bool) -> Iterator[_Change]:
        try:
            for resource in self.record.search(_since(kind, mark.at, overlap)):
                yield _Change(_label(resource), _last_updated(resource), people_of(resource, self.base_url))
        except RecordRefused as refusal:
            if self.history is None or mark.at is None:
                raise
            log.info("%s is read from its history: the record refused a search (%s)", kind, refusal.status)
            yield from self._from_history(kind, mark.at - overlap)
            return
        if deletions and self.history is not None and mark.at is not None:
            try:
                entries = [each for each in self.history.since(kind, mark.at - overlap) if each.deleted]
            except (RecordRefused, NotInRecord):
                return  # not every server keeps it; running enrolments are looked at when they are due
            yield from self._gone(entries)

    def _from_history(self, kind: str, since: datetime) -> Iterator[_Change]:
        assert self.history is not None
        latest: dict[Reference, HistoryEntry] = {}
        try:
            for entry in self.history.since(kind, since):
                latest.setdefault(entry.reference, entry)
        except NotInRecord as absent:
            raise RecordRefused(str(absent), status=absent.status) from absent
        for entry in latest.values():
            if entry.resource is not None and not entry.deleted:
                label = f"{entry.reference}@{entry.version}"
                yield _Change(label, entry.changed_at, people_of(entry.resource, self.base_url))
        yield from self._gone([entry for entry in latest.values() if entry.deleted])

    def _gone(self, entries: list[HistoryEntry]) -> Iterator[_Change]:
        """Whoever was on a pathway because of what is deleted now: it ends, and that has to be written."""
        for entry in entries:
            searches = anchored_searches([entry.reference], self.pathways)
            plans = [plan for found in self.record.search_all(searches) for plan in found]
            people = dict.fromkeys(person for plan in plans for person in people_of(plan, self.base_url))
            yield _Change(f"{entry.reference}@deleted", entry.changed_at, tuple(people))

    def start_here(self, kind: str, otherwise: datetime) -> None:
        """Set the mark to the newest resource of a type without reading them all; it begins no enrolment."""
        newest_first = self.record.search(Search(kind=kind, params=(("_sort", "-_lastUpdated"),)))
        newest: datetime | None = None
        seen: list[str] = []
        try:
            for resource in islice(newest_first, WAKE_AT_ONCE):
                changed_at = _last_updated(resource)
                newest = newest or changed_at
                if not _is_near(changed_at, newest):
                    break
                seen.append(_label(resource))
        except RecordRefused:
            # Not every server sorts: reading some again does no harm.
            newest, seen = otherwise, []
        self.remember(kind, newest, seen)

    def running_enrolments(self) -> None:
        waiting: set[Reference] = set()
        for plan in self.record.search(_enrolments()):
            self.read += 1
            waiting.update(people_of(plan, self.base_url))
            if len(waiting) >= WAKE_AT_ONCE:
                self.wake(waiting)
                waiting = set()
        self.wake(waiting)

    def wake(self, people: set[Reference]) -> None:
        fresh = sorted(people - self.woken)
        if fresh:
            self.index.wake(fresh, self.now)
            self.woken.update(fresh)

    def remember(self, kind: str, at: datetime | None, seen: list[str]) -> None:
        mark = {"at": None if at is None else at.astimezone(UTC).isoformat(), "seen": seen}
        self.watermarks.set(_name(kind), json.dumps(mark))

    def counts(self, *, rebuilt: bool) -> CaughtUp:
        return CaughtUp(
            read=self.read,
            woken=len(self.woken),
            rebuilt=rebuilt,
            refused=tuple(sorted(self.refused)),
            newest=dict(self.newest),
        )


def _name(kind: str) -> str:
    return f"{MARK}:{kind}"


def _mark(text: str | None) -> _Mark | None:
    """The mark as kept; None when there is none or it is not ours, so that the look-back is read."""
    try:
        kept = json.loads(text or "")
        at = None if kept["at"] is None else datetime.fromisoformat(kept["at"])
        return _Mark(at=at, seen=frozenset(kept["seen"]))
    except (ValueError, KeyError, TypeError):
        return None


def _since(kind: str, at: datetime | None, overlap: timedelta) -> Search:
    """A type in which nothing was found last time (`at` None) is read whole."""
    if at is None:
        return Search(kind=kind, params=())
    instant = (at - overlap).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Search(kind=kind, params=(("_lastUpdated", f"ge{instant}"),))


def _enrolments() -> Search:
    running = ",".join(sorted(RUNNING_PLAN))
    return Search(
        kind="CarePlan", params=(("category", f"{PLAN_CATEGORY}|{PATHWAY_PLAN}"), ("status", running))
    )


def _label(resource: Resource) -> str:
    return f"{reference_to(resource)}@{version_of(resource)}"


def _last_updated(resource: Resource) -> datetime | None:
    return parse_time(mapping(resource.get("meta")).get("lastUpdated"), UTC)


def _is_near(at: datetime | None, newest: datetime | None) -> bool:
    """Within what the next catch-up reads again, or without a time: then it comes again for certain."""
    return at is None or newest is None or at >= newest - 2 * OVERLAP
