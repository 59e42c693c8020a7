"""Stand-ins for the ports, in memory: each keeps the promises of service/ports.py and can be told to fail.

Contract suites run the same tests on these and on the real adapters, so that a fake never drifts from what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from service.domain.vocabulary import Reference
from service.fhir.messages.once import MessageIds, Receipt
from service.ports import Claim, DeadLetter, InboxUnavailable, RawNotification, ResourceVersion, Written

HOUSE_NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))


@dataclass
class ManualClock:
    """Stands still until it is moved."""

    at: datetime = HOUSE_NOW

    def now(self) -> datetime:
        return self.at

    def move(self, **length: float) -> datetime:
        """`clock.move(hours=3)`, elapsed time."""
        utc = self.at.astimezone(ZoneInfo("UTC")) + timedelta(**length)
        self.at = utc.astimezone(self.at.tzinfo)
        return self.at


@dataclass
class FakeInbox:
    """An ordered inbox. What was taken and not finished is given out again by `take` after `leave_behind`."""

    entries: dict[str, RawNotification] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    fails: bool = False
    counter: int = 0

    def append(self, notification: RawNotification) -> str:
        if self.fails:
            raise InboxUnavailable("The inbox was told to fail.")
        self.counter += 1
        entry = f"{self.counter}-0"
        self.entries[entry] = notification
        return entry

    def take(self, limit: int) -> list[tuple[str, RawNotification]]:
        if self.fails:
            raise InboxUnavailable("The inbox was told to fail.")
        free = [entry for entry in self.entries if entry not in self.held][:limit]
        self.held.update(free)
        return [(entry, self.entries[entry]) for entry in free]

    def done(self, entries: Iterable[str]) -> None:
        for entry in entries:
            self.entries.pop(entry, None)
            self.held.discard(entry)

    def size(self) -> int:
        return len(self.entries)

    def leave_behind(self) -> None:
        """As if the consumer that holds entries had died: they are free again."""
        self.held.clear()


@dataclass
class FakeAsyncInbox:
    """The appending half of a FakeInbox, for the web."""

    inbox: FakeInbox = field(default_factory=FakeInbox)

    async def append(self, notification: RawNotification) -> str:
        return self.inbox.append(notification)

    @property
    def stored(self) -> list[RawNotification]:
        return list(self.inbox.entries.values())


@dataclass
class FakeWorkIndex:
    """Who is due when, and who is being looked at; leases end only when told (`lose_claims`)."""

    due: dict[Reference, datetime] = field(default_factory=dict)
    claimed: dict[Reference, str] = field(default_factory=dict)
    backed_off: dict[Reference, timedelta] = field(default_factory=dict)
    failed: dict[Reference, int] = field(default_factory=dict)
    woken: list[tuple[Reference, datetime]] = field(default_factory=list)
    """Every wake-up as it came, merged or not."""
    fails: bool = False
    counter: int = 0

    def wake(self, people: Iterable[Reference], at: datetime) -> None:
        if self.fails:
            raise InboxUnavailable("The work index was told to fail.")
        for person in people:
            self.woken.append((person, at))
            self.due[person] = min(at, self.due.get(person, at))

    def claim(self, now: datetime, limit: int) -> list[Claim]:
        free = [p for p, at in self.due.items() if at <= now and p not in self.claimed]
        return [self._claim(person) for person in sorted(free, key=lambda p: self.due[p])[:limit]]

    def begin(self, claim: Claim) -> Claim | None:
        if self.claimed.get(claim.person) != claim.token:
            return None
        return replace(claim, due_at=self.due.pop(claim.person, None))

    def finish(self, claim: Claim, next_due_at: datetime | None) -> None:
        if self.claimed.get(claim.person) != claim.token:
            return
        del self.claimed[claim.person]
        self.failed.pop(claim.person, None)
        if next_due_at is not None:
            self.due[claim.person] = min(next_due_at, self.due.get(claim.person, next_due_at))

    def back_off(self, claim: Claim, delay: timedelta) -> None:
        self.backed_off[claim.person] = delay
        self.failed[claim.person] = self.failed.get(claim.person, 0) + 1

    def failures(self, person: Reference) -> int:
        return self.failed.get(person, 0)

    def size(self) -> int:
        return len(self.due)

    def people(self) -> set[Reference]:
        """Everybody who was woken."""
        return {person for person, _ in self.woken}

    def lose_claims(self) -> None:
        """As if every lease had run out: whoever was being looked at is due again at once."""
        for person in self.claimed:
            self.due.setdefault(person, datetime.min.replace(tzinfo=ZoneInfo("UTC")))
        self.claimed.clear()

    def _claim(self, person: Reference) -> Claim:
        self.counter += 1
        self.claimed[person] = f"claim-{self.counter}"
        return Claim(person=person, token=self.claimed[person])


@dataclass
class FakeDoorbell:
    """Counts its rings."""

    mail: int = 0
    people: list[Claim] = field(default_factory=list)
    fails: bool = False

    def inbox_has_mail(self) -> None:
        self.mail += 1
        if self.fails:
            raise ConnectionError("The doorbell was told to fail.")

    def person_is_due(self, claim: Claim) -> None:
        self.people.append(claim)
        if self.fails:
            raise ConnectionError("The doorbell was told to fail.")


@dataclass
class FakeDeadLetters:
    """Parked letters by id; parking the same id again replaces it."""

    letters: dict[str, DeadLetter] = field(default_factory=dict)

    def park(self, letter: DeadLetter) -> None:
        self.letters[letter.id] = letter

    def list(self) -> list[DeadLetter]:
        return sorted(self.letters.values(), key=lambda letter: letter.at)

    def take(self, letter_id: str) -> DeadLetter | None:
        return self.letters.pop(letter_id, None)

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(self.list())

    def reasons(self) -> Sequence[str]:
        return [letter.reason for letter in self.letters.values()]


@dataclass
class FakeWatermarks:
    """Marks by name."""

    marks: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.marks.get(name)

    def set(self, name: str, value: str) -> None:
        self.marks[name] = value


@dataclass
class FakeEchoes:
    """Remembers until told to forget."""

    noted: set[ResourceVersion] = field(default_factory=set)
    fails: bool = False

    def note(self, written: Iterable[Written]) -> None:
        if self.fails:
            raise InboxUnavailable("The memory of our own writes was told to fail.")
        self.noted.update((each.reference, each.version) for each in written if each.version)

    def ours(self, versions: Iterable[ResourceVersion]) -> frozenset[ResourceVersion]:
        if self.fails:
            raise InboxUnavailable("The memory of our own writes was told to fail.")
        return frozenset(self.noted.intersection(versions))


@dataclass
class FakeMessageInbox:
    """The way into a FakeInbox for messages, which are stored once."""

    inbox: FakeInbox = field(default_factory=FakeInbox)
    known: dict[str, MessageIds] = field(default_factory=dict)

    async def append_once(self, message: RawNotification, ids: MessageIds) -> Receipt:
        before = self.known.get(ids.envelope)
        if before == ids:
            return Receipt.KNOWN
        if before is not None and before.header != ids.header:
            return Receipt.OTHER_HEADER
        self.inbox.append(message)
        self.known[ids.envelope] = ids
        return Receipt.STORED

    @property
    def stored(self) -> list[RawNotification]:
        return list(self.inbox.entries.values())
