"""Watches somebody's ladders climb: nothing new until a minute before, and exactly what is expected at the instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tests.journeys.world import DENVER, World

Rung = tuple[str, str, str]
"""(`<task>/<occurrence>/<cause>`, who is told, how urgent)"""


def climb(world: World, person: str, instants: Mapping[str, Sequence[Rung]]) -> None:
    """Lets time stand at each instant (local in Denver) and holds what was raised by then against what is expected."""
    expected: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for moment, rungs in instants.items():
        at = datetime.fromisoformat(moment).replace(tzinfo=DENVER)
        if at > world.now():
            world.until(at - timedelta(minutes=1))
            assert _told(world, person) == expected, f"before {moment}"
            world.until(at)
        for about, who, priority in rungs:
            expected[about].append((f"{at:%a %d %H:%M}", who, priority))
        assert _told(world, person) == expected, f"at {moment}"


def _told(world: World, person: str) -> dict[str, list[tuple[str, str, str]]]:
    return {about: escalation.told for about, escalation in world.record.escalations(person).items()}
