"""The inbox as one Redis Stream: a notification is stored before its sender hears 200, and stays until it is taken in.

Must not look inside a notification; an entry is a row of raw bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import redis
import redis.asyncio

from service.adapters.redis_connection import Keys, told
from service.ports import RawNotification

GROUP = "take-in"
LEFT_BEHIND_AFTER = timedelta(seconds=30)
"""An entry that a consumer has held for so long counts as left behind and goes to the next one who asks."""
STORE_WITHIN = timedelta(milliseconds=900)
BELL_STAYS = timedelta(seconds=30)
"""A rung bell that nobody answers is rung again after this."""

CANNOT_STORE = "The inbox cannot store notifications right now; the sender should send this one again."
CANNOT_READ = "The inbox cannot be read right now; it is read again as soon as Redis answers."

Fields = dict[bytes, bytes]
Taken = Callable[[Mapping[str, str], timedelta], None]
"""Takes the headers kept with a notification, and how long it has waited."""


class RedisInbox:
    """ports.Inbox for workers. `consumer` names this process; entries left behind by others come first."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        *,
        consumer: str,
        left_behind_after: timedelta = LEFT_BEHIND_AFTER,
        wall: Callable[[], float] = time.time,
        taken: Taken = lambda _headers, _waited: None,
    ) -> None:
        """`wall`: real time in epoch seconds. `taken` is told of each entry that is taken."""
        self._client: Any = client
        self._keys = keys
        self._consumer = consumer
        self._idle = left_behind_after
        self._wall = wall
        self._taken = taken

    def append(self, notification: RawNotification) -> str:
        with told(CANNOT_STORE):
            return _text(self._client.xadd(self._keys.inbox, fields_of(notification)))

    def take(self, limit: int) -> list[tuple[str, RawNotification]]:
        with told(CANNOT_READ):
            try:
                return self._take(limit)
            except redis.ResponseError as refusal:
                if not str(refusal).startswith("NOGROUP"):
                    raise
            self._make_group()
            return self._take(limit)

    def done(self, entries: Iterable[str]) -> None:
        ids = list(entries)
        if not ids:
            return
        pipeline = self._client.pipeline(transaction=True)
        pipeline.xack(self._keys.inbox, GROUP, *ids)
        pipeline.xdel(self._keys.inbox, *ids)
        with told(CANNOT_READ):
            pipeline.execute()

    def size(self) -> int:
        with told(CANNOT_READ):
            return int(self._client.xlen(self._keys.inbox))

    def oldest(self) -> timedelta:
        """For how long the oldest notification has waited, by our clock and Redis'; zero when none waits."""
        with told(CANNOT_READ):
            first = self._client.xrange(self._keys.inbox, count=1)
        return waited(_text(first[0][0]), self._wall()) if first else timedelta(0)

    # --- inside

    def _take(self, limit: int) -> list[tuple[str, RawNotification]]:
        found = self._left_behind(limit)
        if len(found) < limit:
            answer = self._client.xreadgroup(
                GROUP, self._consumer, {self._keys.inbox: ">"}, count=limit - len(found)
            )
            found += [row for _stream, rows in answer or () for row in rows]
        entries = [(_text(entry), notification_of(fields)) for entry, fields in found]
        now = self._wall()
        for entry, notification in entries:
            self._taken(notification.headers, waited(entry, now))
        return entries

    def _left_behind(self, limit: int) -> list[tuple[bytes, Fields]]:
        found: list[tuple[bytes, Fields]] = []
        cursor: Any = "0-0"
        while len(found) < limit:
            cursor, rows, *_deleted = self._client.xautoclaim(
                self._keys.inbox,
                GROUP,
                self._consumer,
                min_idle_time=int(self._idle.total_seconds() * 1000),
                start_id=cursor,
                count=limit - len(found),
            )
            found += [row for row in rows if row[1]]
            if _text(cursor) == "0-0":
                break
        return found

    def _make_group(self) -> None:
        """The group starts at the first entry, so what came in before it existed is not lost."""
        try:
            self._client.xgroup_create(self._keys.inbox, GROUP, id="0", mkstream=True)
        except redis.ResponseError as refusal:
            if not str(refusal).startswith("BUSYGROUP"):
                raise


class AsyncInbox:
    """The appending half of ports.Inbox for the web; refuses in less than a second when Redis does not answer."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        keys: Keys,
        *,
        ring: Callable[[], None] | None = None,
        store_within: timedelta = STORE_WITHIN,
    ) -> None:
        """`ring` tells a worker; called in a thread, only when nobody has rung since the last answer."""
        self._client: Any = client
        self._keys = keys
        self._ring = ring
        self._within = store_within.total_seconds()
        self._ringing: set[asyncio.Future[None]] = set()

    async def append(self, notification: RawNotification) -> str:
        """Stores and returns the entry's id; InboxUnavailable when it is not certain to be stored."""
        with told(CANNOT_STORE):
            async with asyncio.timeout(self._within):
                entry, nobody_rang = await self._store(notification)
        if nobody_rang and self._ring is not None:
            self._ring_in_background(self._ring)
        return _text(entry)

    async def size(self) -> int:
        """How many notifications wait; InboxUnavailable when Redis does not say."""
        with told(CANNOT_READ):
            async with asyncio.timeout(self._within):
                return int(await self._client.xlen(self._keys.inbox))

    async def close(self) -> None:
        """Waits for bells being rung, then closes the connections."""
        await asyncio.gather(*self._ringing, return_exceptions=True)
        await self._client.aclose()

    async def _store(self, notification: RawNotification) -> tuple[bytes, bool]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xadd(self._keys.inbox, fields_of(notification))
        if self._ring is not None:
            stays = int(BELL_STAYS.total_seconds() * 1000)
            pipeline.set(self._keys.bell("inbox"), b"1", nx=True, px=stays)
        entry, *bell = await pipeline.execute()
        return entry, bool(bell and bell[0])

    def _ring_in_background(self, ring: Callable[[], None]) -> None:
        """A bell that fails to ring delays by one look of the scheduler; the notification itself is safe."""
        ringing: asyncio.Future[None] = asyncio.get_running_loop().run_in_executor(None, ring)
        self._ringing.add(ringing)
        ringing.add_done_callback(self._rung)

    def _rung(self, ringing: asyncio.Future[None]) -> None:
        self._ringing.discard(ringing)
        if not ringing.cancelled():
            ringing.exception()  # read, so that asyncio does not print it; the scheduler rings again


def waited(entry: str, now: float) -> timedelta:
    """Since when an entry is in the inbox: its id begins with Redis' time in milliseconds."""
    return timedelta(seconds=max(0.0, now - int(entry.partition("-")[0]) / 1000))


def fields_of(notification: RawNotification) -> dict[str, bytes | str]:
    """The row of a stream entry."""
    return {
        "subscription": notification.subscription,
        "method": notification.method,
        "path": notification.path,
        "content-type": notification.content_type,
        "body": notification.body,
        "headers": msgspec.json.encode(dict(notification.headers)),
    }


def notification_of(fields: Mapping[bytes, bytes]) -> RawNotification:
    """The row as a notification. What a foreign row lacks is empty, so that taking it in parks it with a reason."""

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    return RawNotification(
        subscription=text(b"subscription"),
        method=text(b"method"),
        path=text(b"path"),
        content_type=text(b"content-type"),
        body=fields.get(b"body", b""),
        headers=_headers(fields.get(b"headers", b"{}")),
    )


def _headers(raw: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(raw, type=dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
