"""Liveness: a loop that goes round beats, a dependency that is away is no hang, and a hang is noticed."""

from datetime import timedelta

import pytest

from service.app import heartbeat as module
from service.app.heartbeat import LIMIT, Heartbeat
from tests.processes import eventually


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_loop_that_stands_still_is_noticed_after_a_minute():
    watch = Watch()
    heart = Heartbeat(monotonic=watch)
    heart.beat()
    watch.now = LIMIT.total_seconds() - 1
    assert heart.is_alive()
    watch.now += 2
    assert not heart.is_alive()
    heart.beat()
    assert heart.is_alive()


def test_each_beat_touches_the_file(tmp_path):
    Heartbeat(tmp_path / "alive").beat()
    assert (tmp_path / "alive").exists()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "EVERY", timedelta(milliseconds=5))


def test_waiting_for_redis_is_being_alive_and_the_next_beat_ends_the_excuse(tmp_path, quick):
    heart = Heartbeat(tmp_path / "alive")
    heart.wait()
    (tmp_path / "alive").unlink()
    eventually((tmp_path / "alive").exists)
    heart.beat()
    assert not heart._waiting.is_set()
    heart.stop()
