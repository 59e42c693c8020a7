"""Versions of resources that we wrote ourselves, one small key each, gone by itself after minutes.

Only spares looks that would find nothing to do: forgetting all of it, at any moment, loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import redis

from service.adapters.redis_connection import Keys, told
from service.ports import ResourceVersion, Written

KEPT_FOR = timedelta(minutes=5)
"""Most servers notify within seconds; an echo that comes later costs one look."""


class RedisEchoes:
    """ports.Echoes."""

    def __init__(self, client: redis.Redis, keys: Keys, *, kept_for: timedelta = KEPT_FOR) -> None:
        self._client: Any = client
        self._keys = keys
        self._kept_for = kept_for

    def note(self, written: Iterable[Written]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for each in written:
            if each.version:
                pipeline.set(self._keys.echo(each.reference, each.version), b"1", px=self._kept_for)
        with told():
            pipeline.execute()

    def ours(self, versions: Iterable[ResourceVersion]) -> frozenset[ResourceVersion]:
        asked = list(versions)
        if not asked:
            return frozenset()
        with told():
            known = self._client.mget([self._keys.echo(*version) for version in asked])
        return frozenset(version for version, mark in zip(asked, known, strict=True) if mark)
