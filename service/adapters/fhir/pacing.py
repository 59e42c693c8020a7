"""How many writes may be under way at once: fewer when they collide, more again when they do not.

More writers are slower on servers whose conditional creates conflict. Must not sleep or retry: it only admits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

from service.ports import RecordUnavailable


@dataclass(frozen=True, kw_only=True)
class PaceNumbers:
    """What metrics show of the pace; counts since the process began."""

    limit: int
    in_flight: int
    conflicts: int
    retries: int


class Slot:
    """The right to have one write under way; `contended()` tells the pace that it collided."""

    def __init__(self, era: int) -> None:
        self.era = era
        self.collided = False

    def contended(self) -> None:
        self.collided = True


class Pace:
    """Additive increase, multiplicative decrease of concurrent writes; safe to share between threads."""

    def __init__(self, start: int = 4, most: int = 32) -> None:
        if not 1 <= start <= most:
            raise ValueError("The pace must start between one write at a time and its upper bound.")
        self._limit = float(start)
        self._most = float(most)
        self._in_flight = 0
        self._conflicts = 0
        self._retries = 0
        self._era = 0
        self._free = Condition()

    @contextmanager
    def slot(self, patience: float) -> Iterator[Slot]:
        """Wait for at most `patience` seconds for a turn; RecordUnavailable when there was none."""
        slot = self._enter(patience)
        try:
            yield slot
        finally:
            self._leave(slot)

    def retried(self) -> None:
        with self._free:
            self._retries += 1

    def numbers(self) -> PaceNumbers:
        with self._free:
            return PaceNumbers(
                limit=int(self._limit),
                in_flight=self._in_flight,
                conflicts=self._conflicts,
                retries=self._retries,
            )

    def _enter(self, patience: float) -> Slot:
        with self._free:
            if not self._free.wait_for(
                lambda: self._in_flight < int(self._limit), timeout=max(0.0, patience)
            ):
                raise RecordUnavailable(
                    "No turn to write came in time because the FHIR server is slow: try again later."
                )
            self._in_flight += 1
            return Slot(self._era)

    def _leave(self, slot: Slot) -> None:
        with self._free:
            self._in_flight -= 1
            if slot.collided:
                self._conflicts += 1
                self._halve(slot.era)
            else:
                self._limit = min(self._most, self._limit + 1 / self._limit / 4)
            self._free.notify_all()

    def _halve(self, era: int) -> None:
        # Eight writes that collide with each other are one sign of crowding, not eight: only writes that began after
        # the last halving may halve again.
        if era == self._era:
            self._era += 1
            self._limit = max(1.0, self._limit / 2)
