"""Listens for HL7 v2 over MLLP: one message after another on each connection, each answered before the next is taken.

Bounded in connections, message length and waiting. Decides nothing: `answer` says what is sent back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.adapters.mllp_frames import Fault, FrameReader, framed

log = logging.getLogger(__name__)

CHUNK = 65_536
HANDSHAKE_WITHIN = 10.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a sender may make us hold and wait for."""

    message_bytes: int = 1_000_000
    connections: int = 100
    frame_within: timedelta = timedelta(seconds=20)
    """How long a message may take from its first byte to its last. Between messages a connection may rest."""
    answer_within: timedelta = timedelta(seconds=20)
    """How long a sender may take to read its answer."""
    end_within: timedelta = timedelta(seconds=10)
    """How long work in hand may take when the server is stopped."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is sent back for one frame."""

    frames: Sequence[bytes] = ()
    hang_up: bool = False


Answer = Callable[[bytes | Fault, frozenset[str]], Awaitable[Reply]]
"""What is sent back for one frame, from somebody with these names in their certificate (see `names_in`)."""


class MllpServer:
    """One listening address. `serve` runs until `stop`."""

    def __init__(self, answer: Answer, bounds: Bounds) -> None:
        self._answer = answer
        self._bounds = bounds
        self._talks: set[asyncio.Task[None]] = set()
        self._resting: dict[asyncio.StreamWriter, float] = {}
        """Connections between messages, and since when."""
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()

    @property
    def connections(self) -> int:
        return len(self._talks)

    @property
    def port(self) -> int:
        """The port in use, also where 0 was asked for."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen; OSError when the address cannot be used."""
        self._server = await asyncio.start_server(
            self._connected,
            host,
            port,
            limit=CHUNK,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE_WITHIN,
        )

    async def stop(self) -> None:
        """Take nothing new, finish the message in hand, close."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
        if self._talks:
            await asyncio.wait(self._talks, timeout=self._bounds.end_within.total_seconds())
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        if self._stopping.is_set() or not self._has_room():
            log.warning("a connection was refused: %d are open", len(self._talks))
            writer.transport.abort()
            return
        self._talks.add(talk)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, TimeoutError, ssl.SSLError) as end:
            log.info("a connection ended (%s)", type(end).__name__)
        finally:
            self._talks.discard(talk)
            self._resting.pop(writer, None)
            if self._is_stuck(writer):
                writer.transport.abort()
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
                async with asyncio.timeout(2):
                    await writer.wait_closed()

    def _has_room(self) -> bool:
        """Whoever rests longest makes room: senders behind a firewall that forgets leave dead connections behind, and
        one that opens many must not keep all others out. Nothing is lost: what was not acknowledged is sent again.
        """
        if len(self._talks) < self._bounds.connections:
            return True
        if not self._resting:
            return False
        log.warning("%d connections are open: the one that rested longest is closed", len(self._talks))
        longest = min(self._resting, key=lambda writer: self._resting[writer])
        del self._resting[longest]
        longest.transport.abort()
        return True

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader(limit=self._bounds.message_bytes)
        now = asyncio.get_running_loop().time
        shown = names_in(writer.get_extra_info("peercert"))
        begun_at: float | None = None
        while True:
            begun_at = (begun_at or now()) if frames.is_waiting else None
            patience = self._bounds.frame_within.total_seconds()
            if not frames.is_waiting:
                self._resting[writer] = now()
            data = await self._read(reader, None if begun_at is None else begun_at + patience - now())
            self._resting.pop(writer, None)
            if data is None:
                return
            for frame in frames.feed(data) if data else frames.ends():
                begun_at = None
                if not await self._reply(frame, shown, writer):
                    return
            if not data:
                return

    async def _read(self, reader: asyncio.StreamReader, patience: float | None) -> bytes | None:
        """The next bytes. `patience`: seconds while a message is under way; empty when they are over, or the connection.

        None when the server is stopped between messages.
        """
        reading = asyncio.ensure_future(reader.read(CHUNK))
        stopping = asyncio.ensure_future(self._stopping.wait())
        waiting = {reading, stopping} if patience is None else {reading}
        try:
            await asyncio.wait(
                waiting,
                timeout=None if patience is None else max(patience, 0.0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if reading.done():
                return reading.result()
            return None if patience is None else b""
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _reply(self, frame: bytes | Fault, shown: frozenset[str], writer: asyncio.StreamWriter) -> bool:
        """Whether to go on."""
        reply = await self._answer(frame, shown)
        for each in reply.frames:
            writer.write(framed(each))
        async with asyncio.timeout(self._bounds.answer_within.total_seconds()):
            await writer.drain()
        return not reply.hang_up

    @staticmethod
    def _is_stuck(writer: asyncio.StreamWriter) -> bool:
        """Whether somebody does not read what they were sent; waiting for them would keep the connection for ever."""
        return writer.transport.get_write_buffer_size() > 0


def names_in(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Whom a client's certificate names: subject alternative names as `DNS:…`, `URI:…`, `email:…`, `IP:…`, and the common
    name of its subject as `CN:…`. `certificate` as SSLSocket.getpeercert() gives it: empty unless an authority vouches.
    """
    if not certificate:
        return frozenset()
    names = {_as_listed(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    pairs = (pair for parts in certificate.get("subject", ()) for pair in parts)
    return frozenset(names | {f"CN:{value}" for kind, value in pairs if kind == "commonName"})


def _as_listed(kind: str, name: str) -> str:
    """Names of hosts are read without regard to capitals (RFC 4343)."""
    return f"DNS:{name.lower()}" if kind == "DNS" else f"{'IP' if kind == 'IP Address' else kind}:{name}"
