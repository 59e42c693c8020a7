"""Bounded waits, and what is said again and again while something runs."""

from __future__ import annotations

from threading import Event

import pytest

from service.adapters.waiting import repeated, wait_until
from tests.processes import PATIENCE


def test_what_is_repeated_is_done_at_once_and_again_until_the_end():
    twice, said = Event(), []

    def say() -> None:
        said.append(1)
        if len(said) > 1:
            twice.set()

    with repeated(say, every=0.01):
        assert said
        assert twice.wait(PATIENCE)
    after = len(said)

    assert len(said) == after


def test_the_first_failure_is_told_and_nothing_is_begun():
    def fail() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError), repeated(fail, every=0.01):
        pytest.fail("the block must not run")


def test_a_wait_ends_when_its_time_is_over():
    assert not wait_until(lambda: False, within=0.02, every=0.01)
    assert wait_until(lambda: True, within=0)
