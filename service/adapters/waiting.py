"""Waiting in real time for something outside this process, e.g. a server that starts; bounded, never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread


def wait_until(is_so: Callable[[], bool], *, within: float, every: float = 0.05) -> bool:
    """Ask `is_so` every `every` seconds until it says yes or `within` seconds are over; whether it said yes."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


class QuietFor:
    """Says yes once something has been quiet for a while without a break."""

    def __init__(self, is_busy: Callable[[], bool], seconds: float) -> None:
        self._is_busy, self._seconds = is_busy, seconds
        self._since: float | None = None

    def __call__(self) -> bool:
        if self._is_busy():
            self._since = None
            return False
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return now - self._since >= self._seconds


@contextmanager
def repeated(act: Callable[[], None], *, every: float) -> Iterator[None]:
    """Do `act` now, and every `every` seconds while the block runs; only the first may raise. `act` must not hang."""
    act()
    over = Event()

    def again() -> None:
        while not over.wait(every):
            # Whoever needs to know of a failure is told by the first call, and by what the block itself meets.
            with suppress(Exception):
                act()

    thread = Thread(target=again, name="repeated", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
