"""The demonstration's story with the FHIR server killed under working workers, then with anybody killed at any moment."""

from __future__ import annotations

import pytest

from tests.faults.demo_under_fire import FHIR, REDIS, tell_under_fire

pytestmark = pytest.mark.slow


def test_the_story_ends_right_although_the_record_server_is_killed_in_every_scene(tmp_path):
    wrong, hits = tell_under_fire(tmp_path, while_it_works=FHIR)
    assert wrong == []
    assert hits[FHIR] == 7


def test_the_story_ends_right_although_anybody_may_be_killed_at_any_moment(tmp_path):
    wrong, hits = tell_under_fire(tmp_path, at_random=(7, ("web", "worker", "worker", "scheduler", REDIS)))
    assert wrong == []
    assert sum(hits.values()) > 10
    assert {"web", "worker", "scheduler", REDIS} == set(hits)
