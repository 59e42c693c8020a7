"""Whoever only knows the address can neither fill our memory nor keep a connection for ever; a real server, real sockets."""

from __future__ import annotations

import socket
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.app.bounded_http import HEAD_BYTES, BoundedHttp
from service.app.web import create_app, server_options
from service.flow.receive import Limits, Watch
from tests.conformance.receiving import served
from tests.fakes import FakeAsyncInbox
from tests.processes import PATIENCE

FLOOD = 20_000_000
WATCH = Watch(name="encounters", token="4f0c6e1d9a", secrets=("s3cret",))
START = b"POST /notifications/4f0c6e1d9a HTTP/1.1\r\nHost: x\r\n"
KNOWN = START + b"Authorization: Bearer s3cret\r\n"


@pytest.fixture
def inbox() -> FakeAsyncInbox:
    return FakeAsyncInbox()


@pytest.fixture
def address(inbox):
    app = create_app(watches={WATCH.token: WATCH}, inbox=inbox, limits=Limits(), registry=CollectorRegistry())
    with served(app) as base:
        url = httpx.URL(base)
        yield url.host, url.port


def sent_until_cut(address, start: bytes, more: bytes) -> tuple[int, bytes]:
    """How many bytes of a flood went out before the connection was cut, and what was answered."""
    with socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(start)
        out, answer = 0, b""
        try:
            while out < FLOOD:
                line.sendall(more)
                out += len(more)
            answer = line.recv(4096)
        except (ConnectionError, TimeoutError):
            answer = b""
        return out, answer


FLOODS = {
    "one header without end": (START + b"X: ", b"a" * 65_536),
    "headers without end": (START, b"X-Y: " + b"a" * 4_000 + b"\r\n"),
    "an address without end": (b"POST /notifications/", b"a" * 65_536),
    "chunk extensions without end": (KNOWN + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"a" * 65_536),
    "trailers without end": (
        KNOWN + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-Y: " + b"a" * 4_000 + b"\r\n",
    ),
}


@pytest.mark.parametrize("what", FLOODS)
def test_what_is_not_body_is_cut_off_long_before_it_fills_our_memory(address, what):
    out, _ = sent_until_cut(address, *FLOODS[what])
    assert out < FLOOD  # what the sockets of both sides buffer went out too


def test_a_header_that_is_too_large_is_told_so(address):
    with socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(START + b"X: " + b"a" * (HEAD_BYTES + 1))
        assert line.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_a_connection_that_says_nothing_or_never_ends_its_headers_is_closed(address, monkeypatch):
    monkeypatch.setattr(BoundedHttp, "head_within", 0.2)
    for start in (b"", START):
        began = time.monotonic()
        with socket.create_connection(address, timeout=PATIENCE) as line:
            line.sendall(start)
            assert line.recv(4096) == b""
        assert time.monotonic() - began < PATIENCE


def test_requests_one_after_the_other_and_in_one_piece_are_all_answered(address, inbox):
    one = KNOWN + b"Content-Length: 2\r\nContent-Type: application/fhir+json\r\n\r\n"
    bodies = [b'{"resourceType":"Encounter","id":"%d"}' % number for number in range(40)]
    pieces = [one.replace(b"Length: 2", b"Length: %d" % len(body)) + body for body in bodies]
    with socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(b"".join(pieces[:20]))
        for piece in pieces[20:]:
            line.sendall(piece)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < len(bodies):
            piece = line.recv(65_536)
            assert piece, answers[-200:]
            answers += piece
    assert [each.body for each in inbox.stored] == bodies


def test_a_large_body_is_no_header(address, inbox):
    body = b'{"resourceType":"Encounter","note":"' + b"a" * 3_000_000 + b'"}'
    headers = {"authorization": "Bearer s3cret", "content-type": "application/fhir+json"}
    host, port = address
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        url = f"http://{host}:{port}/notifications/{WATCH.token}"
        assert client.post(url, content=body, headers=headers).status_code == 200
        assert client.post(url, content=iter([body[:7], body[7:]]), headers=headers).status_code == 200
    assert [len(each.body) for each in inbox.stored] == [len(body)] * 2


def test_no_door_is_opened_for_web_sockets(address):
    with socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(
            b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" not in line.recv(4096).split(b"\r\n", 1)[0]
    assert server_options()["http"] is BoundedHttp
