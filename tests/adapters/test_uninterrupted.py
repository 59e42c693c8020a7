"""Nothing breaks a few lines in two."""

from __future__ import annotations

import signal
import threading

import pytest

from service.adapters.uninterrupted import uninterrupted

pytestmark = pytest.mark.usefixtures("interrupts_arrive")


def test_an_interrupt_waits_until_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012  (the order is what is tested)
        signal.raise_signal(signal.SIGINT)
        done.append("known")

    assert done == ["known"]


def test_handlers_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is not before

    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_nothing_to_hold_back():
    said = []

    def work() -> None:
        with uninterrupted():
            said.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert said == [signal.getsignal(signal.SIGINT)]
