"""MLLP framing (HL7 Transport, Release 2): 0x0B, the message, 0x1C, 0x0D. Pure: bytes in, frames and faults out.

python-hl7 frames too, but drops a whole good message when anything stands before it, and waits for ever where the
closing carriage return is missing; a broken frame must never cost its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

START, END, RETURN = 0x0B, 0x1C, 0x0D
_SIGNS = re.compile(rb"[\x0b\x1c]")
"""HL7 v2 allows neither inside a message."""


class Fault(Enum):
    """What a frame can be that is none."""

    TOO_LONG = "too long"
    """Its end was not waited for."""
    BROKEN_OFF = "broken off"
    """Another one began, or the connection ended, before its end."""


@dataclass
class FrameReader:
    """Takes bytes as they come; remembers an unfinished frame. `limit`: most bytes of one message."""

    limit: int
    _held: bytearray = field(default_factory=bytearray, repr=False)
    _is_open: bool = False
    _is_passing: bool = False
    """Inside a frame that is too long: its rest is passed over."""

    @property
    def is_waiting(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._is_open

    def feed(self, data: bytes) -> Iterator[bytes | Fault]:
        """Every frame that ends in these bytes, and every one that cannot end any more, in their order.

        The closing 0x0D is not waited for: 0x1C ends the message. What stands between frames says nothing.
        """
        begins = 0
        for sign in _SIGNS.finditer(data):
            yield from self._hold(data[begins : sign.start()])
            yield from self._sign(sign[0][0])
            begins = sign.end()
        yield from self._hold(data[begins:])

    def ends(self) -> Iterator[Fault]:
        """The connection has ended."""
        if self._is_open and not self._is_passing:
            yield Fault.BROKEN_OFF
        self._begin(is_open=False)

    def _hold(self, part: bytes) -> Iterator[Fault]:
        if not self._is_open or self._is_passing:
            return
        if len(self._held) + len(part) > self.limit:
            self._held.clear()
            self._is_passing = True
            yield Fault.TOO_LONG
        else:
            self._held += part

    def _sign(self, sign: int) -> Iterator[bytes | Fault]:
        if self._is_open and not self._is_passing:
            yield bytes(self._held) if sign == END else Fault.BROKEN_OFF
        self._begin(is_open=sign == START)

    def _begin(self, *, is_open: bool) -> None:
        self._held.clear()
        self._is_open, self._is_passing = is_open, False


def framed(message: bytes) -> bytes:
    """A message as it goes over the line."""
    return bytes([START]) + message + bytes([END, RETURN])
