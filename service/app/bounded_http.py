"""HTTP/1.1 of uvicorn, bounded where nothing else bounds it: headers, trailers and chunk extensions, and how long they take.

The application bounds bodies. What stands around a body never reaches it, and the parser holds it whole: whoever knows no
more than the address could fill our memory, or keep connections for ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 65_536
"""Most of what is not body that may come in a row; what arrived in the same piece may lie above it."""
HEAD_WITHIN = 20.0
"""Seconds that a request may take to the end of its headers, and a new connection to its first."""


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    head_bytes = HEAD_BYTES
    head_within = HEAD_WITHIN
    _bare = 0
    """Bytes since something of a body, or the end of headers or of a message, was seen."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request, not for ever."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._headers_are_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and hang up when it only ever gathers."""
        self._bare += len(data)
        super().data_received(data)
        if self._bare > self.head_bytes:
            self._hang_up()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._late is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """The application takes over."""
        self._bare = 0
        self._headers_are_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Bounded by the application."""
        self._bare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request may come."""
        self._bare = 0
        super().on_message_complete()

    def _expect_headers(self) -> None:
        self._late = asyncio.get_running_loop().call_later(self.head_within, self._hang_up)

    def _headers_are_there(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        """With a word where no answer is under way; nothing of what came is repeated."""
        self._headers_are_there()
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's types say
        if self._bare > self.head_bytes and (cycle is None or cycle.response_complete):
            self.transport.write(TOO_LARGE)
        self.transport.close()


# --- wording ----------------------------------------------------------------------------------------------------

_STATUS = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
TOO_LARGE = (
    f"HTTP/1.1 {_STATUS.value} {_STATUS.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
)
