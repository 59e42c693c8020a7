"""MLLP framing: every whole message comes out once and unharmed, whatever stands around it and however it is cut."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.adapters.mllp_frames import END, START, Fault, FrameReader, framed

VT, FS, CR = bytes([START]), bytes([END]), b"\r"
A, B = b"MSH|a", b"MSH|b"


def read(*chunks: bytes, limit: int = 100, ends: bool = True) -> list[bytes | Fault]:
    reader = FrameReader(limit=limit)
    found = [each for chunk in chunks for each in reader.feed(chunk)]
    return [*found, *reader.ends()] if ends else found


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (framed(A), [A]),
        (framed(A) + framed(B), [A, B]),
        (b"noise" + framed(A) + b"\r\n\r\nnoise" + framed(B) + b"noise", [A, B]),
        (VT + A + FS + framed(B), [A, B]),  # no carriage return
        (VT + A + FS + b"\n" + framed(B), [A, B]),
        (VT + A + framed(B), [Fault.BROKEN_OFF, B]),  # the first has no end
        (VT + A, [Fault.BROKEN_OFF]),
        (FS + CR + framed(A), [A]),  # an end without a beginning
        (VT + FS + CR, [b""]),
        (VT + b"x" * 101 + FS + CR + framed(B), [Fault.TOO_LONG, B]),
        (VT + b"x" * 101 + framed(B), [Fault.TOO_LONG, B]),
        (VT + b"x" * 100 + FS + CR, [b"x" * 100]),
        (VT + b"x" * 500, [Fault.TOO_LONG]),
        (b"", []),
        (b"GET / HTTP/1.1\r\n\r\n", []),
    ],
)
def test_messages_come_out_whatever_stands_around_them(data, found):
    assert read(data) == found
    assert read(*(bytes([byte]) for byte in data)) == found


def test_a_reader_says_whether_it_waits_for_the_rest():
    reader = FrameReader(limit=10)
    assert not reader.is_waiting
    list(reader.feed(VT + b"half"))
    assert reader.is_waiting
    list(reader.feed(FS))
    assert not reader.is_waiting


def test_what_is_too_long_is_not_held():
    reader = FrameReader(limit=10)
    assert list(reader.feed(VT + b"x" * 1000)) == [Fault.TOO_LONG]
    assert list(reader.feed(b"x" * 1000)) == []
    assert reader._held == bytearray()


def test_many_signs_in_one_chunk_cost_little():
    """A chunk of nothing but signs is gone through once; 64 KiB of them would otherwise take minutes."""
    assert read((VT + FS) * 32_768) == [b""] * 32_768


PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([VT, FS, CR, VT + FS, framed(A), framed(B), VT + A, b"x" * 30]),
)


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_how_the_bytes_are_cut_does_not_matter_and_no_whole_message_is_lost(pieces, cuts):
    data = b"".join(pieces)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in pairwise(places)]

    whole = read(data, limit=20)
    assert read(*chunks, limit=20) == whole
    wanted = [found for found in re.findall(rb"\x0b([^\x0b\x1c]*)\x1c", data) if len(found) <= 20]
    assert [each for each in whole if isinstance(each, bytes)] == wanted
