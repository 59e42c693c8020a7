"""How many people stand where, added up over everybody: each person's numbers in one Redis hash, their sums in another.

A look at a person replaces what the last one said, so the sums stay true; flushed, they fill again with the rebuild.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import redis

from service.adapters.redis_connection import Keys, told
from service.domain.vocabulary import Reference

# KEYS: 1 numbers by person, 2 sums, 3 unowned since. ARGV: 1 person, 2 numbers as JSON, 3 unowned since or ''.
_KEEP = """
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before ~= ARGV[2] then
  for name, number in pairs(cjson.decode(before or '{}')) do redis.call('HINCRBY', KEYS[2], name, -number) end
  for name, number in pairs(cjson.decode(ARGV[2])) do redis.call('HINCRBY', KEYS[2], name, number) end
  if ARGV[2] == '{}' then redis.call('HDEL', KEYS[1], ARGV[1])
  else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
end
local since = redis.call('ZSCORE', KEYS[3], ARGV[1])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
elseif since then redis.call('ZREM', KEYS[3], ARGV[1]) end
if ARGV[3] == '' then return since end
return false
"""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The sums over everybody, by name; `unowned_since` in epoch seconds of the site's clock."""

    numbers: Mapping[str, int]
    unowned_since: float | None


class RedisTallies:
    """Keeps numbers; names are the caller's and must say nothing about a person."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys
        self._run: Callable[..., Any] = client.register_script(_KEEP)

    def keep(
        self, person: Reference, numbers: Mapping[str, int], unowned_since: datetime | None
    ) -> float | None:
        """Replace what is kept of `person`; since when they had been unowned if they no longer are."""
        text = msgspec.json.encode(dict(sorted(numbers.items()))).decode()
        since = "" if unowned_since is None else repr(unowned_since.timestamp())
        keys = [self._keys.tallies, self._keys.tally_sums, self._keys.unowned]
        with told():
            ended = self._run(keys=keys, args=[person, text, since])
        return None if ended is None else float(ended)

    def totals(self) -> Totals:
        """What everybody comes to."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(self._keys.tally_sums)
        pipeline.zrange(self._keys.unowned, 0, 0, withscores=True)
        with told():
            sums, first = pipeline.execute()
        numbers = {name.decode(): int(number) for name, number in sums.items()}
        return Totals(numbers=numbers, unowned_since=first[0][1] if first else None)
