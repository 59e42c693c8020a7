"""A world of its own for each journey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Friday 2026-03-06, 16:30 in Denver; nobody has been discharged yet."""
    with open_world(tmp_path) as world:
        yield world
