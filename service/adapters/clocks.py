"""Clocks: the real one, and one whose time stands in a file, for demonstrations and journeys with real processes.

The only place, beside Redis' own clock for leases, where the time of day is read.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, tzinfo
from pathlib import Path
from tempfile import NamedTemporaryFile


class ClockFileProblem(Exception):
    """Use this when a clock file cannot be understood; the message names the file and shows the form."""


class SystemClock:
    """The machine's clock, in the site's time zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def now(self) -> datetime:
        return datetime.now(self._zone)


class FileClock:
    """Stands at the instant in the file until the file is written again.

    First line: an ISO 8601 instant with its offset. Optional second line `rate=<number>`: from the moment the file was
    written, time passes that many times faster than outside. Several processes on one file share one time.
    """

    def __init__(self, path: Path, zone: tzinfo | None = None) -> None:
        """`zone`: the site's; without it, instants keep the offset written in the file."""
        self._path = path
        self._zone = zone

    def now(self) -> datetime:
        try:
            with self._path.open(encoding="utf-8") as file:
                written = os.fstat(file.fileno()).st_mtime
                at, rate = _parse(file.read())
        except (OSError, ValueError) as failure:
            raise ClockFileProblem(
                f"The clock file {self._path} cannot be read as a time. Its first line must be an instant such as"
                " 2026-03-06T16:30:00-07:00, its second may be rate=60."
            ) from failure
        if rate:
            epoch = at.timestamp() + max(0.0, time.time() - written) * rate
            at = datetime.fromtimestamp(epoch, at.tzinfo)
        return at if self._zone is None else at.astimezone(self._zone)


def set_clock(path: Path, instant: datetime, rate: float | None = None) -> None:
    """Writes a clock file in one step, so that a reader sees the old time or the new one, never half of it."""
    if instant.tzinfo is None:
        raise ValueError("A clock needs an instant with its UTC offset.")
    lines = [instant.isoformat()] + ([] if rate is None else [f"rate={rate}"])
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.utime(file.name)
    Path(file.name).replace(path)


def _parse(text: str) -> tuple[datetime, float]:
    first, *rest = text.split()
    at = datetime.fromisoformat(first)
    if at.tzinfo is None:
        raise ValueError("no UTC offset")
    rates = [float(line.removeprefix("rate=")) for line in rest]
    return at, rates[0] if rates else 0.0
