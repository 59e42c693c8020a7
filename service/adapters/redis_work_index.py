"""Who must be looked at, and who is being looked at: two sorted sets in Redis, changed by Lua scripts only.

At every instant a person stands in `due`, or in `claims` with a lease that ends, or in both; so a process killed
between any two steps loses nobody. `due` counts in the site's time, `claims` in Redis' own, which all workers share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from service.adapters.redis_connection import Keys, told
from service.domain.vocabulary import Reference
from service.ports import Claim

LEASE = timedelta(seconds=30)
MOST_CLAIMED = 1000
"""Claims that may be out at once: enough to keep workers busy, few enough to be begun before their lease ends."""

_NOW = """
local function micros()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function close(person, length)
  local ends = micros() + length
  local before = redis.call('ZSCORE', KEYS[2], person)
  if before and tonumber(before) >= ends then ends = tonumber(before) + 1 end
  local token = string.format('%.0f', ends)
  redis.call('ZADD', KEYS[2], token, person)
  return token
end
"""
# KEYS: 1 due, 2 claims, 3 failures. A token is the lease end; `close` never gives one person the same token twice.

_CLAIM = (
    _NOW
    + """
local now, lease, limit, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = micros()
local out = redis.call('ZCOUNT', KEYS[2], string.format('(%.0f', time), string.format('%.0f', time + lease))
limit = math.min(limit, most - out)
local taken = {}
local function take(person)
  taken[#taken + 1] = person
  taken[#taken + 1] = close(person, lease)
end
if limit > 0 then
  local ended = redis.call('ZRANGE', KEYS[2], '-inf', string.format('%.0f', time), 'BYSCORE', 'LIMIT', 0, limit)
  for _, person in ipairs(ended) do take(person) end
end
local offset, page = 0, math.max(limit, 100)
while #taken < 2 * limit do
  local people = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', offset, page)
  for _, person in ipairs(people) do
    if #taken < 2 * limit and not redis.call('ZSCORE', KEYS[2], person) then take(person) end
  end
  if #people < page then break end
  offset = offset + page
end
return taken
"""
)

_BEGIN = (
    _NOW
    + """
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then return false end
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return {close(ARGV[1], tonumber(ARGV[3])), due}
"""
)

_FINISH = """
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[1], 'LT', ARGV[3], ARGV[1]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1
"""

_BACK_OFF = (
    _NOW
    + """
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
local ends = string.format('%.0f', micros() + tonumber(ARGV[3]))
redis.call('ZADD', KEYS[2], ends, ARGV[1])
return 1
"""
)

_SIZE = """
local known = redis.call('ZCARD', KEYS[1])
for _, person in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if not redis.call('ZSCORE', KEYS[1], person) then known = known + 1 end
end
return known
"""


class RedisWorkIndex:
    """ports.WorkIndex. Any number of schedulers and workers may use one index at once."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        *,
        lease: timedelta = LEASE,
        most_claimed: int = MOST_CLAIMED,
    ) -> None:
        self._client: Any = client
        self._keys = keys
        self._lease = _micros(lease)
        self._most = most_claimed
        self._run_claim = self._script(_CLAIM)
        self._run_begin = self._script(_BEGIN)
        self._run_finish = self._script(_FINISH)
        self._run_back_off = self._script(_BACK_OFF)
        self._run_size = self._script(_SIZE)

    def wake(self, people: Iterable[Reference], at: datetime) -> None:
        scores = dict.fromkeys(people, at.timestamp())
        if scores:
            with told():
                self._client.zadd(self._keys.due, scores, lt=True)

    def claim(self, now: datetime, limit: int) -> list[Claim]:
        taken = self._run_claim(now.timestamp(), self._lease, limit, self._most)
        words = [word.decode() for word in taken]
        return [
            Claim(person=Reference(person), token=token)
            for person, token in zip(words[::2], words[1::2], strict=True)
        ]

    def begin(self, claim: Claim) -> Claim | None:
        begun = self._run_begin(claim.person, claim.token, self._lease)
        if begun is None:
            return None
        token, *due = begun
        due_at = datetime.fromtimestamp(float(due[0]), UTC) if due and due[0] is not None else None
        return Claim(person=claim.person, token=token.decode(), due_at=due_at)

    def finish(self, claim: Claim, next_due_at: datetime | None) -> None:
        due = "" if next_due_at is None else repr(next_due_at.timestamp())
        self._run_finish(claim.person, claim.token, due)

    def back_off(self, claim: Claim, delay: timedelta) -> None:
        self._run_back_off(claim.person, claim.token, _micros(delay))

    def failures(self, person: Reference) -> int:
        with told():
            return int(self._client.hget(self._keys.failures, person) or 0)

    def behind(self, now: datetime) -> timedelta:
        """For how long the person who waits longest has been due; zero when nobody waits."""
        with told():
            first = self._client.zrange(self._keys.due, 0, 0, withscores=True)
        waited = now.timestamp() - first[0][1] if first else 0.0
        return timedelta(seconds=max(0.0, waited))

    def size(self) -> int:
        """How many people are due some time or being worked on."""
        return int(self._run_size())

    def busy(self, now: datetime) -> int:
        """How many people are due at `now` or being worked on; 0 when everything known so far is done."""
        with told():
            return int(self._client.zcount(self._keys.due, "-inf", now.timestamp())) + int(
                self._client.zcard(self._keys.claims)
            )

    def _script(self, text: str) -> Callable[..., Any]:
        keys = [self._keys.due, self._keys.claims, self._keys.failures]
        script = self._client.register_script(
            text
        )  # known by its hash; sent again when Redis has forgotten it

        def run(*arguments: object) -> Any:
            with told():
                return script(keys=keys, args=arguments)

        return run


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
