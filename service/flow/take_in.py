"""The second step: turn stored notifications into "look at these persons now".

A notification is a hint; nothing of it is believed but whom to look at. One that cannot be understood is parked where
a person sees it; one that has to wait stays in the inbox; neither holds up its neighbours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.messages.raw import is_message, refuse_messages
from service.fhir.notifications import Kind, NotificationProblem, Parsed, ResourceChange, parse
from service.fhir.parked import packed
from service.fhir.patient_links import Ambiguous
from service.fhir.subscription_marks import (
    errors_mark,
    errors_of,
    events_mark,
    handshake_mark,
    heard_mark,
    numbers_of,
    sender_mark,
)
from service.flow.concerned import Concerned, Skip
from service.ports import (
    Clock,
    DeadLetter,
    DeadLetters,
    Echoes,
    FhirRecord,
    Inbox,
    InboxUnavailable,
    RawNotification,
    RecordFailure,
    RecordUnavailable,
    Watermarks,
    WorkIndex,
)

log = logging.getLogger(__name__)

TellRecord = Callable[[RawNotification], Iterable[Reference]]
"""Puts into the record what a message tells; whom it concerns."""

CatchUp = Callable[[str], None]
"""Reads what a subscription watches from the record itself and wakes whom it concerns; takes the name."""


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

    @property
    def understood(self) -> int:
        return self.taken - self.later - self.parked


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
    tell: TellRecord = refuse_messages,
    pathways: Iterable[PathwayId],
    base_url: str,
    limit: int,
) -> TakenIn:
    """Take up to `limit` notifications from the inbox; `base_url` is that of the record server.

    `pathways` are all that are known here: what is deleted may have begun an enrolment on any of them.
    Messages that carry the data themselves are told to the record one by one, when all others have been woken.
    Notifications of exactly what `echoes` knows as our own writes wake nobody: whoever wrote has looked again since.
    People are woken before an entry is finished, so a crash at any point repeats a wake-up and loses none.
    """
    entries = inbox.take(limit)
    if not entries:
        return TakenIn()
    concerned = Concerned(record, echoes, pathways=pathways, base_url=base_url)
    round_ = _Round(concerned=concerned, dead_letters=dead_letters, clock=clock, base_url=base_url)
    notifications = [(entry, raw) for entry, raw in entries if not is_message(raw)]
    round_.understand(notifications)
    concerned.prepare(change for parsed in round_.understood.values() for change in parsed.changes)
    for entry in list(round_.understood):
        round_.find_people(entry)
    _note_event_numbers(round_, watermarks)
    round_.catch_up(catch_up)
    if round_.people:
        index.wake(sorted(round_.people), clock.now())
    _leave_marks(round_, watermarks)
    inbox.done([entry for entry, _ in notifications if entry not in round_.waiting])
    for entry, raw in entries:
        if is_message(raw):
            people = round_.tell(entry, raw, tell)
            index.wake(people, clock.now())
            watermarks.set(heard_mark(sender_mark(raw.subscription)), clock.now().isoformat())
            inbox.done([] if entry in round_.waiting else [entry])
    return round_.counts(len(entries))


@dataclass(kw_only=True)
class _Round:
    """One pass over some entries; what it holds is forgotten afterwards."""

    concerned: Concerned
    dead_letters: DeadLetters
    clock: Clock
    base_url: str
    raw: dict[str, RawNotification] = field(default_factory=dict)
    understood: dict[str, Parsed] = field(default_factory=dict)
    people: set[Reference] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    behind: dict[str, set[str]] = field(default_factory=dict)
    """Subscription -> entries that are finished only when it has been caught up (none for a gap in numbers)."""
    caught_up: list[str] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    skipped: Counter[Skip] = field(default_factory=Counter)
    record_is_down: bool = False

    def understand(self, entries: list[tuple[str, RawNotification]]) -> None:
        for entry, notification in entries:
            self.raw[entry] = notification
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
        try:
            for change in parsed.changes:
                self.people.update(self._people(entry, change))
        except RecordUnavailable:
            self.waiting.add(entry)
        except RecordFailure as failure:
            self.park(entry, REFUSED.format(failure.status or "no status"))
        except Exception as fault:  # as above: parked with its kind, never its text, which may hold content
            self.park(entry, FAULT.format(type(fault).__name__))
        if parsed.needs_catch_up:
            self._falls_behind(entry)

    def tell(self, entry: str, raw: RawNotification, tell: TellRecord) -> list[Reference]:
        """Whom a message concerns, once the record says what it says; nobody when it waits or is parked."""
        self.raw[entry] = raw
        if self.record_is_down:
            self.waiting.add(entry)
            return []
        try:
            people = list(tell(raw))
        except (NotificationProblem, Ambiguous) as problem:
            self.park(entry, str(problem))
        except RecordUnavailable:
            self.record_is_down = True  # the rest need not find that out one by one
            self.waiting.add(entry)
        except RecordFailure as failure:
            self.park(entry, NOT_TAKEN.format(failure.status or "no status"))
        except Exception as fault:  # as below: parked with its kind, never its text
            self.park(entry, FAULT.format(type(fault).__name__))
        else:
            self.people.update(people)
            return people
        return []

    def catch_up(self, catch_up: CatchUp) -> None:
        for name, entries in self.behind.items():
            open_entries = entries - self.waiting - self.parked
            try:
                catch_up(name)
                self.caught_up.append(name)
            except InboxUnavailable:
                raise  # Redis is away: nothing of this round is finished, all of it is taken again
            except RecordUnavailable:
                self.waiting |= open_entries
                self._stays_behind(name, "the record does not answer")
            except RecordFailure as failure:
                self._stays_behind(name, f"the record refused (HTTP {failure.status or 'no status'})")
                for entry in sorted(open_entries):
                    self.park(entry, REFUSED.format(failure.status or "no status"))
            except Exception as fault:  # as above: parked with its kind, never its text
                self._stays_behind(name, f"Throughline itself failed ({type(fault).__name__})")
                for entry in sorted(open_entries):
                    self.park(entry, FAULT.format(type(fault).__name__))

    def _stays_behind(self, name: str, why: str) -> None:
        """The mark of its event numbers does not move, so that a gap is seen again with the next notification."""
        log.warning("%s could not be caught up: %s", name, why)
        self.marks.pop(events_mark(name), None)

    def park(self, entry: str, reason: str) -> None:
        notification = self.raw[entry]
        log.warning("notification of %s parked: %s", notification.subscription, reason)
        letter = DeadLetter(
            id=f"notification-{entry}",
            kind="notification",
            subject=notification.subscription,
            reason=reason,
            at=self.clock.now(),
            body=packed(notification),
        )
        self.dead_letters.park(letter)
        self.parked.add(entry)

    def counts(self, taken: int) -> TakenIn:
        return TakenIn(
            taken=taken,
            woken=len(self.people),
            later=len(self.waiting),
            parked=len(self.parked),
            skipped=dict(self.skipped),
            caught_up=tuple(self.caught_up),
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


def _note_event_numbers(round_: _Round, watermarks: Watermarks) -> None:
    for name, several in _by_subscription(round_).items():
        numbers = numbers_of(several, watermarks.get(events_mark(name)))
        if numbers.gap:
            log.warning("event numbers of %s have a gap: catching up", name)
            round_.behind.setdefault(name, set())
        if numbers.highest is not None:
            round_.marks[events_mark(name)] = str(numbers.highest)


def _leave_marks(round_: _Round, watermarks: Watermarks) -> None:
    now = round_.clock.now().isoformat()
    for name, several in _by_subscription(round_).items():
        round_.marks[heard_mark(name)] = now
        if any(parsed.kind is Kind.HANDSHAKE for parsed in several):
            round_.marks[handshake_mark(name)] = now
        errors = errors_of(several)
        if errors is not None and errors != (watermarks.get(errors_mark(name)) or ""):
            round_.marks[errors_mark(name)] = errors
    for name, value in round_.marks.items():
        watermarks.set(name, value)


def _by_subscription(round_: _Round) -> dict[str, list[Parsed]]:
    found: dict[str, list[Parsed]] = {}
    for entry, parsed in round_.understood.items():
        found.setdefault(round_.raw[entry].subscription, []).append(parsed)
    return found


# --- wording ----------------------------------------------------------------------------------------------------

FAULT = "Throughline itself failed on this notification ({}). Report it with this letter's id, then retry."
NOT_TAKEN = (
    "The record server refused what this message tells (HTTP {}). Check what Throughline's account may write and which"
    " profiles the server enforces, then retry."
)
REFUSED = "The record server refused to show what changed (HTTP {}). Check what Throughline's account may read, then retry."
