"""The body of an answer, unpacked within a bound: a compressed body that would grow without end is not let grow.

httpx would inflate each piece whole before it could be measured, so what comes in is inflated here, by pieces of ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from service.ports import RecordRefused, RecordUnavailable

PIECE = 65_536
"""Most bytes that one step of inflating may yield."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # told apart by their headers


def unpacked(response: httpx.Response, largest: int, doing: str) -> bytes:
    """The whole body, decompressed; RecordRefused beyond `largest` bytes, RecordUnavailable for a broken one."""
    raw = bytearray()
    for piece in _pieces(response, doing):
        raw += piece
        if len(raw) > largest:
            raise RecordRefused(
                f"{doing}: the answer is larger than {largest} bytes and was not read. Ask for less at once, or raise"
                " the limit."
            )
    return bytes(raw)


def _pieces(response: httpx.Response, doing: str) -> Iterator[bytes]:
    if response.is_stream_consumed:  # a transport in memory hands over whole answers, unpacked
        return iter([response.content])
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return response.iter_raw()
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _inflated(response, doing)
    raise RecordUnavailable(
        f"{doing}: the answer is compressed in a way that was not asked for. Have the server use gzip or none.",
        status=response.status_code,
    )


def _inflated(response: httpx.Response, doing: str) -> Iterator[bytes]:
    inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for chunk in response.iter_raw():
            left = chunk
            while left:
                yield inflating.decompress(left, PIECE)
                left = inflating.unconsumed_tail
        yield inflating.flush()
    except zlib.error:
        raise RecordUnavailable(
            f"{doing}: the compressed answer is broken. Try again later.", status=response.status_code
        ) from None
    if not inflating.eof:
        raise RecordUnavailable(
            f"{doing}: the answer broke off. Try again later.", status=response.status_code
        )
