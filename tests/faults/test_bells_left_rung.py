"""A bell that could not be answered because Redis was away is answered at the next opportunity, not after minutes."""

from __future__ import annotations

import pytest

from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_doorbell import RedisDoorbell
from service.ports import InboxUnavailable


class Celery:
    """Takes every message and does nothing with it."""

    def send_task(self, *_: object, **__: object) -> None: ...


def test_a_catch_up_that_ended_while_redis_was_away_does_not_keep_the_next_one_away(tmp_path):
    with EmbeddedRedis(tmp_path) as server, connect(server.url) as client:
        worker = RedisDoorbell(client, Keys(), Celery())
        assert worker.catch_up_is_due()
        server.kill()
        with pytest.raises(InboxUnavailable):
            worker.answer_catch_up()
        server.revive()

        scheduler = RedisDoorbell(client, Keys(), Celery())
        assert not scheduler.catch_up_is_due()
        worker.answer_inbox()
        assert scheduler.catch_up_is_due()
