"""Ctrl-C, SIGTERM and a closed terminal mean the same: stop in order, once, and let nothing interrupt the tidying up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def orderly_end() -> Iterator[None]:
    """Inside, the first such signal raises KeyboardInterrupt in the main thread; those after it are ignored.

    They are ignored until the process has ended, which is what comes next. Impatience must not leave processes behind:
    whatever stops them is bounded in time anyway. A signal that was ignored before (`nohup`) stays ignored.
    """
    asked = False

    def end(*_: object) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    heeded = [each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, end) for each in heeded}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_IGN if asked else handler)


def wait_for_interrupt() -> None:
    """Until a signal raises KeyboardInterrupt; belongs inside `orderly_end`."""
    threading.Event().wait()
