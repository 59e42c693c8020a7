"""The demonstration's story with the scheduler, then Redis, killed at every scene: it still ends right."""

from __future__ import annotations

import pytest

from tests.faults.demo_under_fire import REDIS, tell_under_fire

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("victim", ["scheduler", REDIS])
def test_the_story_ends_right_although_it_is_killed_at_every_scene(tmp_path, victim):
    wrong, hits = tell_under_fire(tmp_path, at_each_scene=victim)
    assert wrong == []
    assert hits[victim] == 7
