"""Which trace a person follows, from the notification that woke them to the work on them; one small key each.

Gone by itself after an hour, and only for whoever looks at traces: losing all of it changes nothing that is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import redis

from service.adapters.redis_connection import Keys, told
from service.domain.vocabulary import Reference
from service.ports import InboxUnavailable

KEPT_FOR = timedelta(hours=1)


class RedisTrail:
    """Notes and hands out; the first trace that woke somebody is kept."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys

    def note(self, people: Iterable[Reference], traceparent: str) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for person in people:
            pipeline.set(self._keys.trace(person), traceparent, px=KEPT_FOR, nx=True)
        with told():
            pipeline.execute()

    def take(self, person: Reference) -> str:
        """The traceparent that woke this person; empty when there is none, also when Redis does not say."""
        try:
            with told():
                found = self._client.getdel(self._keys.trace(person))
        except InboxUnavailable:
            return ""
        return found.decode() if found else ""
