"""Fixtures for everyone: the house instant, a real FHIR server, a real Redis-protocol server. Nothing else belongs here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import hypothesis
import pytest

from tests.processes import interrupts_arrive
from tests.sandbox import HOUSE_NOW, FrozenClock, sandbox, valkey

__all__ = ["clock", "house_now", "interrupts_arrive", "sandbox", "valkey"]

# An example that took long says something about the machine of the moment, not about what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """A test that starts a process's logging in this process must not change what later tests hear."""
    root = logging.getLogger()
    names = ("service", "celery.worker.consumer.connection", "celery.app.trace", "py.warnings")
    before = root.level, list(root.handlers), [logging.getLogger(name).level for name in names]
    yield
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def house_now() -> datetime:
    """Friday 2026-03-06, 16:30 in Denver: not UTC, and the clocks change on the Sunday after."""
    return HOUSE_NOW.astimezone(ZoneInfo("America/Denver"))


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at the house instant until it is told to move."""
    return FrozenClock(HOUSE_NOW)
