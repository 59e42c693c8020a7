"""What one reconcile costs in our own processor time, apart from the record: `python -m benchmarks.reconcile_cpu`.

Looks that change nothing read from a tape of the record's answers, so that nothing but our own work is timed; looks that
write run on the record in memory, whose own time is taken off. The floor is decoding, or encoding, the same JSON.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import msgspec

from benchmarks.clinic import (
    ACCOUNTABLE,
    NOW,
    codes,
    discharged,
    in_crisis,
    passing_through,
    practice,
    staff,
)
from benchmarks.report import Row, show
from service.adapters.memory_record import InMemoryRecord
from service.domain.vocabulary import Reference
from service.flow.directory import KeptDirectory
from service.flow.practice import Practice
from service.flow.reconcile import Reconciled, reconcile
from service.ports import Capabilities, Resource, Search

PEOPLE, ROUNDS = 12, 15
MOST_MS, MOST_MS_PER_WRITE = 3.0, 2.0
SILENCE = timedelta(days=9)
OTHERS, MOST_GROWTH = 2_000, 1.25


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


class Tape:
    """The answers of a record, kept: asking again costs next to nothing. Reading only."""

    def __init__(self, record: InMemoryRecord) -> None:
        self._record = record
        self.answers: dict[Any, Any] = {}

    @property
    def capabilities(self) -> Capabilities:
        return self._record.capabilities

    def read(self, reference: Reference) -> Resource:
        if reference not in self.answers:
            self.answers[reference] = self._record.read(reference)
        return self.answers[reference]

    def search(self, search: Search) -> Iterator[Resource]:
        if search not in self.answers:
            self.answers[search] = list(self._record.search(search))
        return iter(self.answers[search])

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return [list(self.search(search)) for search in searches]


class Timed:
    """A record that counts the processor time spent in it, in seconds."""

    def __init__(self, record: InMemoryRecord) -> None:
        self._record = record
        self.spent = 0.0

    @property
    def capabilities(self) -> Capabilities:
        return self._record.capabilities

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._record, name)

        def timed(*arguments: Any) -> Any:
            began = time.process_time()
            try:
                return method(*arguments)
            finally:
                self.spent += time.process_time() - began

        return timed


class Town:
    """People of one kind in a record in memory, and a practice that looks at them."""

    def __init__(self, held: Practice, make: Callable[[str, datetime], list[Any]], others: int = 0) -> None:
        self.clock = Clock()
        self.held = held
        self.record = InMemoryRecord(self.clock)
        people = [f"bench-{number:06}" for number in range(PEOPLE)]
        for resource in staff():
            self.record.put(resource)
        for key in [*people, *(f"other-{number:06}" for number in range(others))]:
            for resource in make(key, NOW):
                self.record.put(resource)
        self.people = [Reference(f"Patient/{key}") for key in people]
        self.directory = KeptDirectory(
            self.record, codes(), also=[ACCOUNTABLE], keep=timedelta(days=1), monotonic=time.monotonic
        ).people
        self.directory()

    def look(self, person: Reference, record: Any) -> Reconciled:
        return reconcile(
            person, record=record, practice=self.held, now=self.clock.at, directory=self.directory
        )

    def settle(self) -> None:
        for person in self.people:
            while self.look(person, self.record).writes:
                pass

    def stay_silent(self, length: timedelta) -> None:
        """Nobody acts; every due time on the way is met at its instant."""
        ends = self.clock.at + length
        for person in self.people:
            self.clock.at = ends - length
            while True:
                done = self.look(person, self.record)
                if done.writes:
                    continue
                if done.next_due_at is None or done.next_due_at > ends:
                    break
                self.clock.at = done.next_due_at
        self.clock.at = ends
        self.settle()


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Milliseconds of own processor time per look that changes nothing; and of decoding the same answers."""

    own: float
    quietest: float
    """Of the rounds; other work on the machine can only add."""
    decoding: float
    resources: float
    enrolments: float


def looks(town: Town) -> Looks:
    tapes = {person: Tape(town.record) for person in town.people}
    seen = [town.look(person, tapes[person]) for person in town.people]
    assert not any(done.writes for done in seen), "the record was not settled"
    answers = [list(tapes[person].answers.values()) for person in town.people]
    # The record in memory would be looked through by every garbage collection; a worker holds no such thing.
    gc.collect()
    gc.freeze()
    encoded = [msgspec.json.encode(each) for each in answers]
    own = [_cpu(lambda: [town.look(p, tapes[p]) for p in town.people]) for _ in range(ROUNDS)]
    decoding = [_cpu(lambda: [msgspec.json.decode(each) for each in encoded]) for _ in range(ROUNDS)]
    gc.unfreeze()
    count = sum(len(a) if isinstance(a, list) else 1 for each in answers for a in each)
    return Looks(
        own=median(own) / PEOPLE * 1e3,
        quietest=min(own) / PEOPLE * 1e3,
        decoding=median(decoding) / PEOPLE * 1e3,
        resources=count / PEOPLE,
        enrolments=sum(len(done.decisions) for done in seen) / PEOPLE,
    )


def _cpu(act: Callable[[], Any]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


@dataclass(frozen=True, kw_only=True)
class Writing:
    own: float
    """Milliseconds per first look at somebody who was discharged, the record's own time taken off."""
    writes: float
    encoding: float
    """Milliseconds to encode one of the resources."""


def writing(held: Practice) -> Writing:
    own, encoding = [], []
    writes = 0.0
    for _ in range(ROUNDS):
        town = Town(held, discharged)
        timed = Timed(town.record)
        before = len(town.record.everything())
        gc.collect()
        gc.freeze()
        took = _cpu(lambda: [town.look(person, timed) for person in town.people]) - timed.spent  # noqa: B023
        gc.unfreeze()
        written = town.record.everything()[before:]
        writes = len(written) / PEOPLE
        own.append(took / PEOPLE * 1e3)
        encoding.append(_cpu(lambda: [msgspec.json.encode(each) for each in written]) / len(written) * 1e3)  # noqa: B023
    return Writing(own=median(own), writes=writes, encoding=median(encoding))


def rows() -> Iterator[Row]:
    shipped = practice()
    name = f"{len(shipped.pathways)} pathways"
    yield _row(f"look that changes nothing, {name}: on no pathway", looks(Town(shipped, passing_through)))
    town = Town(shipped, discharged)
    town.settle()
    fresh = looks(town)
    yield _row(f"… {name}: follow-up after discharge", fresh)
    town.stay_silent(SILENCE)
    yield _row(f"… {name}: the same after {SILENCE.days} silent days, every ladder climbed", looks(town))
    wrote = writing(shipped)
    more = (wrote.own - fresh.own) / wrote.writes
    yield Row(
        what=f"per resource written, {name} ({wrote.writes:.0f} written at a discharge)",
        measured=f"{more:.2f} ms more",
        floor=f"{wrote.encoding:.3f} ms to encode it",
        ratio=more / wrote.encoding,
        budget=f"<= {MOST_MS_PER_WRITE:.0f} ms",
        holds=more <= MOST_MS_PER_WRITE,
    )
    yield _growth(shipped)
    crisis = Town(shipped, in_crisis)
    crisis.settle()
    several = looks(crisis)
    what = f"… {name}, {several.enrolments:.0f} of them running for each person after a crisis"
    yield _row(what, several, budget=False)


def _growth(held: Practice) -> Row:
    alone, among = Town(held, discharged), Town(held, discharged, others=OTHERS)
    alone.settle()
    among.settle()
    small, large = looks(alone), looks(among)
    assert small.resources == large.resources, "more was read because others are enrolled"
    growth = large.own / small.own
    return Row(
        what=f"look that changes nothing, with {OTHERS:,} other people in the record ({large.resources:.0f} resources read)",
        measured=f"{large.own:.2f} ms",
        floor=f"{small.own:.2f} ms with nobody else",
        ratio=growth,
        budget=f"ratio <= {MOST_GROWTH}",
        holds=growth <= MOST_GROWTH,
    )


def _row(what: str, found: Looks, *, budget: bool = True) -> Row:
    return Row(
        what=f"{what} ({found.resources:.0f} resources read)",
        measured=f"{found.own:.2f} ms (quietest round {found.quietest:.2f})",
        floor=f"{found.decoding:.2f} ms to decode them",
        ratio=found.own / found.decoding,
        budget=f"<= {MOST_MS:.0f} ms" if budget else "",
        holds=found.own <= MOST_MS if budget else None,
    )


if __name__ == "__main__":
    show("Own processor time of a reconcile", rows())
