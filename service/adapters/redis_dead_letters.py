"""Work that waits for a person, kept in one Redis hash by its id; parking the same id again replaces it.

Must not decide what is dead, and must not be the only trace of a person: their record is.
"""

from __future__ import annotations

from typing import Any

import msgspec
import redis

from service.adapters.redis_connection import Keys, told
from service.ports import DeadLetter


class RedisDeadLetters:
    """ports.DeadLetters."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._key = keys.dead_letters

    def park(self, letter: DeadLetter) -> None:
        with told():
            self._client.hset(self._key, letter.id, msgspec.json.encode(letter))

    def list(self) -> list[DeadLetter]:
        """Oldest first."""
        with told():
            letters = [_letter(row) for row in self._client.hvals(self._key)]
        return sorted(letters, key=lambda letter: (letter.at, letter.id))

    def take(self, letter_id: str) -> DeadLetter | None:
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hget(self._key, letter_id)
        pipeline.hdel(self._key, letter_id)
        with told():
            row, _removed = pipeline.execute()
        return None if row is None else _letter(row)

    def size(self) -> int:
        """How many letters wait."""
        with told():
            return int(self._client.hlen(self._key))


def _letter(row: bytes) -> DeadLetter:
    return msgspec.json.decode(row, type=DeadLetter)
