"""Small marks in one Redis hash. A mark that is missing means that Redis was emptied: whoever reads it starts over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import redis
import redis.asyncio

from service.adapters.redis_connection import Keys, told


class RedisWatermarks:
    """ports.Watermarks."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._key = keys.watermarks

    def get(self, name: str) -> str | None:
        with told():
            mark = self._client.hget(self._key, name)
        return None if mark is None else mark.decode()

    def set(self, name: str, value: str) -> None:
        with told():
            self._client.hset(self._key, name, value)


class AsyncWatermarks:
    """Reads marks for a process that must not wait in a thread."""

    def __init__(
        self, client: redis.asyncio.Redis, keys: Keys, *, within: timedelta = timedelta(seconds=1)
    ) -> None:
        self._client: Any = client
        self._key = keys.watermarks
        self._within = within.total_seconds()

    async def get(self, name: str) -> str | None:
        """InboxUnavailable when Redis does not say."""
        with told():
            async with asyncio.timeout(self._within):
                mark = await self._client.hget(self._key, name)
        return None if mark is None else mark.decode()
