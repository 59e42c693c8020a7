"""Fixtures for everyone: the house instant, a real FHIR server, a real Redis-protocol server. Nothing else belongs here."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.sandbox import HOUSE_NOW, FrozenClock, sandbox, valkey

__all__ = ["clock", "house_now", "sandbox", "valkey"]


@pytest.fixture
def house_now() -> datetime:
    """Friday 2026-03-06, 16:30 in Denver: not UTC, and the clocks change on the Sunday after."""
    return HOUSE_NOW.astimezone(ZoneInfo("America/Denver"))


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at the house instant until it is told to move."""
    return FrozenClock(HOUSE_NOW)
