"""Small marks in one Redis hash. A mark that is missing means that Redis was emptied: whoever reads it starts over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

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

    def several(self, names: Sequence[str]) -> dict[str, str]:
        """Those of these marks that there are."""
        if not names:
            return {}
        with told():
            marks = self._client.hmget(self._key, list(names))
        return {name: mark.decode() for name, mark in zip(names, marks, strict=True) if mark is not None}

    def set(self, name: str, value: str) -> None:
        with told():
            self._client.hset(self._key, name, value)
