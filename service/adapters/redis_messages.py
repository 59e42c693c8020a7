"""The inbox for messages: stored once, however often they are sent, in one step with the mark by which they are known.

The marks only spare work: without them (Redis flushed, or long ago) a message is stored again and changes nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256

from service.adapters.redis_connection import told
from service.adapters.redis_inbox import BELL_STAYS, CANNOT_STORE, AsyncInbox, fields_of
from service.fhir.messages.once import MessageIds, Receipt
from service.ports import RawNotification

KNOWN_FOR = timedelta(days=7)
"""A sender that has heard no answer sends again within minutes; one that was away for long, within days."""

_STORE_ONCE = """
local known = redis.call('GET', KEYS[1])
if known == ARGV[1] then return {'known', 0} end
if known then
  local cut = string.find(known, ' ', 1, true)
  if string.sub(known, 1, cut - 1) ~= ARGV[2] then return {'other-header', 0} end
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
local rang = redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4])
return {'stored', rang and 1 or 0}
"""
"""KEYS: mark, inbox, bell. ARGV: header and digest, header, seconds to keep the mark, milliseconds a bell stays, the row."""


class MessageInbox(AsyncInbox):
    """ports.MessageInbox; also the inbox of notifications."""

    async def append_once(self, message: RawNotification, ids: MessageIds) -> Receipt:
        """Stored at most once per ids and content; InboxUnavailable when it is not certain to be stored."""
        with told(CANNOT_STORE):
            async with asyncio.timeout(self._within):
                found, nobody_rang = await self._store_once(message, ids)
        receipt = Receipt(found.decode() if isinstance(found, bytes) else found)
        if receipt is Receipt.STORED and nobody_rang and self._ring is not None:
            self._ring_in_background(self._ring)
        return receipt

    async def _store_once(self, message: RawNotification, ids: MessageIds) -> tuple[bytes | str, int]:
        header = sha256(ids.header.encode()).hexdigest()
        keys = [self._keys.message(_digest(ids.envelope)), self._keys.inbox, self._keys.bell("inbox")]
        row = [part for pair in fields_of(message).items() for part in pair]
        seconds, bell = int(KNOWN_FOR.total_seconds()), int(BELL_STAYS.total_seconds() * 1000)
        arguments = [f"{header} {ids.digest}", header, seconds, bell, *row]
        found, rang = await self._client.eval(_STORE_ONCE, len(keys), *keys, *arguments)
        return found, int(rang)


def _digest(text: str) -> str:
    """Ids may hold anything, also what says something about a person; their digest does not."""
    return sha256(text.encode()).hexdigest()
