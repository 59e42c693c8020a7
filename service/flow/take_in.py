"""The second step: turn stored notifications into "look at these persons now".

A notification is a hint; nothing of it is believed but whom to look at. One that cannot be understood is parked where
a person sees it; one that has to wait stays in the inbox; neither holds up its neighbours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.event_gaps import Gaps
from service.fhir.messages.raw import is_message, refuse_messages
from service.fhir.notifications import NotificationProblem, Parsed, ResourceChange, parse, parse_resource
from service.fhir.parked import FAULT, REFUSED, letter_of
from service.fhir.subscription_marks import known_mark, marks_after
from service.flow.concerned import Concerned, Skip
from service.flow.tell_messages import TellRecord, tell_messages
from service.ports import (
    Clock,
    DeadLetters,
    Echoes,
    FhirRecord,
    Inbox,
    InboxUnavailable,
    RawNotification,
    RecordFailure,
    RecordUnavailable,
    Resource,
    Watermarks,
    WorkIndex,
)

log = logging.getLogger(__name__)

CatchUp = Callable[[str], object]
"""Reads what a subscription watches from the record itself and wakes whom it concerns; takes the name."""
Events = Callable[[Reference, int, int], Resource]
"""Asks the server again for the events of a Subscription from one number to another: its notification Bundle."""
Trail = Callable[[Iterable[Reference], Mapping[str, str]], object]
"""Told, before people are woken, the headers kept with the notification that wakes them: which trace they follow."""
GRACE = timedelta(seconds=2)
"""How long a missing event number may still be on its way; senders deliver in parallel."""
SOON, LATER = timedelta(seconds=5), timedelta(minutes=5)
"""When a gap is tried again that the record did not answer for, and one that it refused or that we failed on."""


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What one round did; every entry taken is finished, parked or left for later."""

    taken: int = 0
    woken: int = 0
    """Persons, each counted once."""
    later: int = 0
    """Entries that stay in the inbox because the record does not answer: ask again after a while."""
    parked: int = 0
    skipped: Mapping[Skip, int] = field(default_factory=dict)
    caught_up: tuple[str, ...] = ()
    """Subscriptions whose resources were read again from the record."""
    recovered: int = 0
    """Lost events that the server told again when asked."""


def take_in(
    inbox: Inbox,
    index: WorkIndex,
    record: FhirRecord,
    dead_letters: DeadLetters,
    clock: Clock,
    *,
    watermarks: Watermarks,
    echoes: Echoes,
    catch_up: CatchUp,
    events: Events | None = None,
    canaries: Collection[str] = (),
    tell: TellRecord = refuse_messages,
    pathways: Iterable[PathwayId],
    base_url: str,
    limit: int,
    grace: timedelta = GRACE,
    trail: Trail = lambda _people, _headers: None,
) -> TakenIn:
    """Take up to `limit` notifications from the inbox; `base_url` is that of the record server.

    Event numbers that stay away for longer than `grace` are asked for again (`events`), and what the server does not
    tell again is caught up. `canaries` are the subscriptions that tell of nothing but the canary.

    `pathways` are all that are known here: what is deleted may have begun an enrolment on any of them.
    Messages that carry the data themselves are told to the record one by one, when all others have been woken.
    Notifications of exactly what `echoes` knows as our own writes wake nobody: whoever wrote has looked again since.
    People are woken before an entry is finished, so a crash at any point repeats a wake-up and loses none.
    """
    entries = inbox.take(limit)
    gaps = Gaps(watermarks, clock.now(), grace)
    if not entries and not gaps.due:
        return TakenIn()
    concerned = Concerned(record, echoes, pathways=pathways, base_url=base_url)
    round_ = _Round(
        concerned=concerned, dead_letters=dead_letters, clock=clock, base_url=base_url, canaries=canaries, trail=trail
    )  # fmt: skip
    round_.understand(entries)
    concerned.prepare(change for parsed in round_.understood.values() for change in parsed.changes)
    for entry in list(round_.understood):
        round_.find_people(entry)
    _close_gaps(round_, gaps, watermarks, events)
    round_.catch_up(catch_up, gaps)
    if round_.people:
        index.wake(sorted(round_.people), clock.now())
    _leave_marks(round_, watermarks)
    gaps.leave()
    inbox.done([entry for entry, raw in entries if entry not in round_.waiting and not is_message(raw)])
    told = tell_messages(
        entries, tell, inbox=inbox, index=index, watermarks=watermarks, clock=clock, park=round_.park, trail=trail
    )  # fmt: skip
    round_.people |= told.people
    round_.waiting |= told.waiting
    return round_.counts(len(entries))


@dataclass(kw_only=True)
class _Round:
    """One pass over some entries; what it holds is forgotten afterwards."""

    concerned: Concerned
    dead_letters: DeadLetters
    clock: Clock
    base_url: str
    canaries: Collection[str]
    trail: Trail
    raw: dict[str, RawNotification] = field(default_factory=dict)
    understood: dict[str, Parsed] = field(default_factory=dict)
    people: set[Reference] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    behind: dict[str, set[str]] = field(default_factory=dict)
    """Subscription -> entries that are finished only when it has been caught up (none for a gap in numbers)."""
    caught_up: list[str] = field(default_factory=list)
    recovered: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)

    def understand(self, entries: list[tuple[str, RawNotification]]) -> None:
        for entry, notification in entries:
            self.raw[entry] = notification
            if is_message(notification):
                continue  # told to the record after all others have been woken
            try:
                self.understood[entry] = parsed = parse(notification, base_url=self.base_url)
            except NotificationProblem as problem:
                self.park(entry, str(problem))
            except Exception as fault:  # a fault of ours in one entry is parked; its neighbours go on
                self.park(entry, FAULT.format(type(fault).__name__))
            else:
                for note in parsed.notes:
                    log.info("notification of %s: %s", notification.subscription, note)

    def find_people(self, entry: str) -> None:
        parsed = self.understood[entry]
        if self.raw[entry].subscription in self.canaries:
            self.skipped[Skip.CANARY] += 1
            return
        try:
            for change in parsed.changes:
                people = self._people(entry, change)
                self.people.update(people)
                self.trail(people, self.raw[entry].headers)
        except RecordUnavailable:
            self.waiting.add(entry)
        except RecordFailure as failure:
            self.park(entry, REFUSED.format(failure.status or "no status"))
        except Exception as fault:  # as above: parked with its kind, never its text, which may hold content
            self.park(entry, FAULT.format(type(fault).__name__))
        if parsed.needs_catch_up:
            self._falls_behind(entry)

    def recover(self, name: str, bundle: Resource) -> tuple[int, ...]:
        """Wake whom events that were told again concern; the numbers that came. RecordFailure as for any other."""
        told = parse_resource(bundle, base_url=self.base_url)
        self.concerned.prepare(told.changes)
        for change in told.changes:
            found = self.concerned.people(change)
            self.people.update(() if isinstance(found, Skip) else found)
            if found is Skip.NOT_FOUND:
                self.behind.setdefault(name, set())
        if told.needs_catch_up:
            self.behind.setdefault(name, set())
        self.recovered += len(told.numbers)
        return told.numbers

    def catch_up(self, catch_up: CatchUp, gaps: Gaps) -> None:
        for name, entries in self.behind.items():
            open_entries = entries - self.waiting - self.parked
            try:
                catch_up(name)
                self.caught_up.append(name)
                gaps.closed(name)
            except InboxUnavailable:
                raise  # Redis is away: nothing of this round is finished, all of it is taken again
            except RecordUnavailable:
                self.waiting |= open_entries
                _stays_behind(name, gaps, "the record does not answer", SOON)
            except RecordFailure as failure:
                _stays_behind(name, gaps, f"the record refused (HTTP {failure.status or 'no status'})", LATER)
                for entry in sorted(open_entries):
                    self.park(entry, REFUSED.format(failure.status or "no status"))
            except Exception as fault:  # as above: parked with its kind, never its text
                _stays_behind(name, gaps, f"Throughline itself failed ({type(fault).__name__})", LATER)
                for entry in sorted(open_entries):
                    self.park(entry, FAULT.format(type(fault).__name__))

    def park(self, entry: str, reason: str) -> None:
        notification = self.raw[entry]
        log.warning("notification of %s parked: %s", notification.subscription, reason)
        self.dead_letters.park(letter_of(entry, notification, reason, self.clock.now()))
        self.parked.add(entry)

    def counts(self, taken: int) -> TakenIn:
        return TakenIn(
            taken=taken,
            woken=len(self.people),
            later=len(self.waiting),
            parked=len(self.parked),
            skipped=dict(self.skipped),
            caught_up=tuple(self.caught_up),
            recovered=self.recovered,
        )

    # --- one change

    def _people(self, entry: str, change: ResourceChange) -> tuple[Reference, ...]:
        found = self.concerned.people(change)
        if not isinstance(found, Skip):
            return found
        if found is Skip.NOT_FOUND:
            # Some servers notify before they commit: what is not there yet is found by the catch-up.
            self._falls_behind(entry)
        kind = change.reference.split("/")[0]
        # A discharge echoes ten times: that is told in detail only to whoever asks for it, and counted for everybody.
        level = logging.DEBUG if found is Skip.OWN_WRITE else logging.INFO
        log.log(
            level, "change of a %s from %s woke nobody: %s", kind, self.raw[entry].subscription, found.value
        )
        self.skipped[found] += 1
        return ()

    def _falls_behind(self, entry: str) -> None:
        self.behind.setdefault(self.raw[entry].subscription, set()).add(entry)


# --- what is remembered about a subscription --------------------------------------------------------------------


def _close_gaps(round_: _Round, gaps: Gaps, watermarks: Watermarks, events: Events | None) -> None:
    """Count the numbers that came, ask again for those that have been missing for too long, and catch up for the rest."""
    told = _by_subscription(round_)
    for name, several in told.items():
        if gaps.note(name, several):
            log.warning("event numbers of %s have a gap", name)
    for name in gaps.due:
        subscription = next((p.subscription for p in told.get(name, []) if p.subscription), None)
        reference = Reference(watermarks.get(known_mark(name)) or subscription or "")
        try:
            if events is not None and reference:
                overdue = gaps.overdue(name)
                bundle = events(reference, min(e.first for e in overdue), max(e.last for e in overdue))
                gaps.came(name, round_.recover(name, bundle))
        except InboxUnavailable:
            raise  # Redis is away: nothing of this round is finished
        except RecordUnavailable:
            _stays_behind(name, gaps, "the record does not answer", SOON)
            continue
        except Exception as failure:  # no such operation, or an unforeseen answer: the sweep finds them
            log.info("%s: missed events could not be asked for (%s): caught up", name, type(failure).__name__)
        if gaps.overdue(name):
            round_.behind.setdefault(name, set())


def _stays_behind(name: str, gaps: Gaps, why: str, again_after: timedelta) -> None:
    """What is missing stays missing, and is asked for again a little later."""
    log.warning("%s could not be caught up: %s", name, why)
    gaps.stays(name, again_after)


def _leave_marks(round_: _Round, watermarks: Watermarks) -> None:
    now = round_.clock.now()
    for name, several in _by_subscription(round_).items():
        is_canary = name in round_.canaries
        for mark, value in marks_after(name, several, now, watermarks.get, is_canary=is_canary).items():
            watermarks.set(mark, value)


def _by_subscription(round_: _Round) -> dict[str, list[Parsed]]:
    found: dict[str, list[Parsed]] = {}
    for entry, parsed in round_.understood.items():
        found.setdefault(round_.raw[entry].subscription, []).append(parsed)
    return found
