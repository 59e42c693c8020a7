"""Reads request bodies within bounds: each not too large and not too slow, and all together not too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.fhir.notification_answers import Answer
from service.flow import receive as step
from service.flow.receive import Limits


class Bodies:
    """The bodies in memory of one web process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytes | Answer]:
        """The body, which counts as held until the block ends; the refusal when it is too much, too slow or broken off."""
        held = bytearray()
        try:
            refusal = await self._read(request, held)
            yield bytes(held) if refusal is None else refusal
        finally:
            self._held -= len(held)

    async def _read(self, request: Request, held: bytearray) -> Answer | None:
        try:
            async with asyncio.timeout(self._limits.read_within.total_seconds()):
                async for chunk in request.stream():
                    if len(held) + len(chunk) > self._limits.body_bytes:
                        return step.too_large(self._limits)
                    if self._held + len(chunk) > self._limits.held_bytes:
                        return step.unavailable(self._limits)
                    held += chunk
                    self._held += len(chunk)
        except (TimeoutError, ClientDisconnect):
            return step.too_slow()
        return None
