"""Whether a process still goes round: a beat from its own loop, seen at /livez and as the age of a file.

Not whether all is well: a dependency that is away is no reason to be restarted, and is told by readiness.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

EVERY = timedelta(seconds=5)
LIMIT = timedelta(seconds=60)
"""Without a beat for so long, a process hangs."""


class Heartbeat:
    """Beaten by a loop; `wait` excuses it while it does nothing but try to reach Redis."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        limit: timedelta = LIMIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`file` is touched with each beat."""
        self._file, self._limit, self._monotonic = file, limit, monotonic
        self._beaten_at = monotonic()
        self._waiting = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        """The loop has gone round."""
        self._waiting.clear()
        self._touch()

    def wait(self) -> None:
        """From now until the next beat the process waits for a dependency, with limits of its own on each try."""
        self._waiting.set()
        self._touch()
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat_while_waiting, name="heartbeat", daemon=True)
            self._thread.start()

    def age(self) -> timedelta:
        """Since the last beat."""
        return timedelta(seconds=self._monotonic() - self._beaten_at)

    def is_alive(self) -> bool:
        return self.age() < self._limit

    def stop(self) -> None:
        """No more beats while waiting; for an orderly end."""
        self._over.set()

    def _touch(self) -> None:
        self._beaten_at = self._monotonic()
        if self._file is not None:
            self._file.touch()

    def _beat_while_waiting(self) -> None:
        while not self._over.wait(EVERY.total_seconds()):
            if self._waiting.is_set():
                self._touch()
