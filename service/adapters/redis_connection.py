"""How Throughline speaks to Redis: connections with short, explicit time limits, and the one table of its keys.

Nothing is connected until the first command; only that a command failed is reported here, never what it held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from service.adapters.redis_address import RedisAddress, read_address
from service.ports import InboxUnavailable

WAIT = timedelta(seconds=5)
"""How long a worker waits for one answer of Redis."""
QUICK = timedelta(milliseconds=400)
"""How long the request path waits for a connection; see `AsyncInbox` for the limit of the whole store."""

RESP = 2
"""Version of the wire protocol; fixed, because the shape of some answers depends on it."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Names of everything kept in Redis; `prefix` lets two installations share one server."""

    prefix: str = "throughline:"

    @property
    def inbox(self) -> str:
        """Stream of raw notifications."""
        return f"{self.prefix}inbox"

    @property
    def due(self) -> str:
        """Sorted set, person -> epoch seconds of the site's clock."""
        return f"{self.prefix}due"

    @property
    def claims(self) -> str:
        """Sorted set, person -> end of the lease in microseconds of Redis' own clock."""
        return f"{self.prefix}claims"

    @property
    def failures(self) -> str:
        """Hash, person -> failures in a row."""
        return f"{self.prefix}failures"

    @property
    def dead_letters(self) -> str:
        """Hash, id -> parked work."""
        return f"{self.prefix}dead-letters"

    @property
    def watermarks(self) -> str:
        """Hash, name -> mark."""
        return f"{self.prefix}watermarks"

    def message(self, digest: str) -> str:
        """The ids of a message that was stored not long ago."""
        return f"{self.prefix}message:{digest}"

    @property
    def tallies(self) -> str:
        """Hash, person -> how they stand in numbers."""
        return f"{self.prefix}tallies"

    @property
    def tally_sums(self) -> str:
        """Hash, name of a number -> its sum over everybody."""
        return f"{self.prefix}tally-sums"

    @property
    def unowned(self) -> str:
        """Sorted set, person with a follow-up whose role nobody holds -> since when, epoch seconds of the site's clock."""
        return f"{self.prefix}unowned"

    def trace(self, person: str) -> str:
        """The trace that woke a person, as W3C traceparent."""
        return f"{self.prefix}trace:{person}"

    def echo(self, reference: str, version: str) -> str:
        """A version of a resource that we wrote ourselves not long ago."""
        return f"{self.prefix}echo:{reference}@{version}"

    def bell(self, name: str) -> str:
        """A bell that has been rung and not answered yet."""
        return f"{self.prefix}bell:{name}"


def connect(url: str, *, wait: timedelta = WAIT) -> redis.Redis:
    """A client for workers; one immediate retry, because a connection kept from before a restart is dead."""
    address = read_address(url)
    options: dict[str, Any] = {
        "socket_timeout": wait.total_seconds(),
        "socket_connect_timeout": wait.total_seconds(),
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "health_check_interval": 30,
        "protocol": RESP,
    }
    if address.master is None:
        return redis.Redis.from_url(url, **options)
    return _sentinel(Sentinel, address, options).master_for(address.master, redis.Redis)  # type: ignore[no-any-return]


def connect_async(url: str, *, wait: timedelta = QUICK) -> redis.asyncio.Redis:
    """A client for the request path: it would rather refuse, so that the sender keeps the message, than wait."""
    address = read_address(url)
    once_more: Any = AsyncRetry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    options: dict[str, Any] = {
        "socket_timeout": 2 * wait.total_seconds(),
        "socket_connect_timeout": wait.total_seconds(),
        "retry": once_more,
        "protocol": RESP,
    }
    if address.master is None:
        return redis.asyncio.Redis.from_url(url, **options)
    return _sentinel(AsyncSentinel, address, options).master_for(address.master, _BehindSentinels)  # type: ignore[no-any-return]


class _BehindSentinels(redis.asyncio.Redis):
    """Closes the connections to the Sentinels too; they are no part of its pool."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001  (the signature of the library)
        await super().aclose(close_connection_pool)
        for sentinel in cast("Any", self.connection_pool).sentinel_manager.sentinels:
            await sentinel.aclose()


def _sentinel(kind: Any, address: RedisAddress, options: dict[str, Any]) -> Any:
    """Whoever asks the Sentinels which server is the master now, again for each new connection."""
    encrypted = {"ssl": True, **address.encryption} if address.is_encrypted else {}
    patience = {k: v for k, v in options.items() if k != "health_check_interval"}
    return kind(
        address.nodes,
        sentinel_kwargs={**patience, **encrypted, **address.sentinel_login},
        db=address.db,
        **address.login,
        **encrypted,
        **options,
    )


NO_ANSWER = "Redis does not answer, so this could not be done. It is tried again; check that Redis runs."


@contextmanager
def told(message: str = NO_ANSWER) -> Iterator[None]:
    """Whatever is wrong between us and Redis becomes InboxUnavailable with `message`; the cause stays attached."""
    try:
        yield
    except (redis.RedisError, OSError, TimeoutError) as failure:
        raise InboxUnavailable(message) from failure
