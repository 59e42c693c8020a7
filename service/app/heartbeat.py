"""The file by which a process that has no web of its own shows that it lives, and whether it can do its job.

Touched every few seconds by the very loop that works: one that hangs stops touching. What it says is `ready`, or what is
waited for; a process that waits for Redis lives, and starting it anew would not bring Redis back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

READY = "ready"
WAITING = "waiting for Redis"
RETRYING = "celery.worker.consumer.consumer"
"""Celery says here that it tries to connect again, every few seconds; while it does, its timers stand still."""


@dataclass(frozen=True)
class Heartbeat:
    """Does nothing without a path, so that nobody has to ask whether one was set."""

    path: Path | None

    def is_ready(self) -> None:
        self._say(READY)

    def waits(self) -> None:
        self._say(WAITING)

    def _say(self, state: str) -> None:
        if self.path is not None:
            self.path.write_text(f"{state}\n", encoding="utf-8")


class BeatWhileRetrying(logging.Handler):
    """Turns Celery's complaints about a lost connection into heartbeats that say so."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        super().__init__(level=logging.ERROR)
        self._heartbeat = heartbeat

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  (that there was one is enough)
        self._heartbeat.waits()
