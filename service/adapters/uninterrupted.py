"""A few lines that no signal may break in two, such as starting a process and knowing that it was started."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that would raise in the main thread wait until the end of the block; the first of them is then raised.

    Handlers are replaced, not masked: a mask would be inherited by the process that is started, and another thread
    would still take the signal. In other threads nothing is raised anyway, so nothing has to be done there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    heeded = [each for each in ENDING if callable(signal.getsignal(each))]
    before = {each: signal.signal(each, lambda number, _frame: held.append(number)) for each in heeded}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in held[:1]:
            signal.raise_signal(number)
