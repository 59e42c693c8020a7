"""How a process that has no web of its own shows that it lives, and whether it can do its job: a file, and /livez.

Beaten every few seconds by the very loop that works: one that hangs stops beating. What the file says is `ready`, or what
is waited for; a process that waits for Redis lives, and starting it anew would not bring Redis back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

READY = "ready"
WAITING = "waiting for Redis"
LIMIT = timedelta(seconds=60)
"""Without a beat for so long, a process hangs."""
RETRYING = "celery.worker.consumer.consumer"
"""Celery says here that it tries to connect again, every few seconds; while it does, its timers stand still."""


class Heartbeat:
    """Touches no file without a path, so that nobody has to ask whether one was set."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        limit: timedelta = LIMIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._limit, self._monotonic = limit, monotonic
        self._beaten_at = monotonic()

    def is_ready(self) -> None:
        self._say(READY)

    def waits(self) -> None:
        self._say(WAITING)

    def age(self) -> timedelta:
        """Since the last beat."""
        return timedelta(seconds=self._monotonic() - self._beaten_at)

    def is_alive(self) -> bool:
        return self.age() < self._limit

    def _say(self, state: str) -> None:
        self._beaten_at = self._monotonic()
        if self.path is not None:
            self.path.write_text(f"{state}\n", encoding="utf-8")


class BeatWhileRetrying(logging.Handler):
    """Turns Celery's complaints about a lost connection into heartbeats that say so."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        super().__init__(level=logging.ERROR)
        self._heartbeat = heartbeat

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  (that there was one is enough)
        self._heartbeat.waits()
