"""Liveness: a loop that goes round beats, a dependency that is away is no hang, and a hang is noticed."""

import logging

from service.app.heartbeat import LIMIT, BeatWhileRetrying, Heartbeat


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_loop_that_stands_still_is_noticed_after_a_minute():
    watch = Watch()
    heart = Heartbeat(monotonic=watch)
    heart.is_ready()
    watch.now = LIMIT.total_seconds() - 1
    assert heart.is_alive()
    watch.now += 2
    assert not heart.is_alive()
    heart.is_ready()
    assert heart.is_alive()


def test_each_beat_says_in_the_file_how_it_stands(tmp_path):
    heart = Heartbeat(tmp_path / "alive")
    heart.is_ready()
    assert (tmp_path / "alive").read_text("utf-8") == "ready\n"
    heart.waits()
    assert (tmp_path / "alive").read_text("utf-8") == "waiting for Redis\n"


def test_waiting_for_redis_is_being_alive():
    watch = Watch()
    heart = Heartbeat(monotonic=watch)
    watch.now = LIMIT.total_seconds() + 1
    BeatWhileRetrying(heart).handle(logging.makeLogRecord({"levelno": logging.ERROR}))
    assert heart.is_alive()
