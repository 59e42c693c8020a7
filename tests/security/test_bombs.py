"""Answers and notifications that grow: each is bounded before it fills the memory, and told in words."""

import asyncio
import gzip
import tracemalloc
import zlib
from functools import cache

import httpx
import pytest

from service.adapters.fhir.client import Request
from service.adapters.fhir.token_request import LARGEST, Client, TokenRequest
from service.adapters.fhir.tokens import NoToken
from service.flow.receive import Delivery, Limits, receive
from service.ports import RecordRefused, RecordUnavailable, Search
from tests.adapters.token_server import NOW
from tests.app.test_web import AT, BEARER, WATCH, Site
from tests.fakes import FakeAsyncInbox
from tests.security.hostile_server import BASE, HostileServer, a_bundle

MIB = 1024 * 1024


class Streamed(httpx.SyncByteStream):
    """A body that is made while it is read; `taken` counts the pieces."""

    def __init__(self, pieces):
        self.pieces, self.taken = pieces, 0

    def __iter__(self):
        for piece in self.pieces:
            self.taken += 1
            yield piece


@cache
def bomb(size, level=9):
    """`size` MiB of nothing in a few kilobytes."""
    packing = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = b"".join(packing.compress(b" " * MIB) for _ in range(size))
    return packed + packing.flush()


def answering(body, **headers):
    return HostileServer(lambda _request: httpx.Response(200, headers=headers, stream=Streamed([body])))


def ask(server, **limits):
    return server.client(**limits).send(Request(method="GET", url=f"{BASE}/Task/1", doing="GET Task"))


def test_a_compressed_answer_is_unpacked():
    body = gzip.compress(b'{"resourceType":"Task"}')
    assert ask(answering(body, **{"Content-Encoding": "gzip"})).body == {"resourceType": "Task"}
    assert ask(answering(zlib.compress(b"{}"), **{"Content-Encoding": "deflate"})).body == {}


def test_a_bomb_is_refused_at_the_limit_and_never_held_whole():
    server = answering(bomb(64), **{"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(RecordRefused, match="larger than 4194304 bytes"):
            ask(server, largest_answer=4 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB


def test_an_answer_without_end_is_read_to_the_limit_and_no_further():
    stream = Streamed(b" " * 65536 for _ in range(10_000))
    server = HostileServer(lambda _request: httpx.Response(200, stream=stream))
    with pytest.raises(RecordRefused, match="was not read"):
        ask(server, largest_answer=MIB)
    assert stream.taken <= 18


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
def test_a_way_of_packing_that_was_not_asked_for_is_not_unpacked(encoding):
    with pytest.raises(RecordUnavailable, match="compressed in a way that was not asked for"):
        ask(answering(b"x", **{"Content-Encoding": encoding}))


@pytest.mark.parametrize("body", [b"not gzip at all", gzip.compress(b"{}", mtime=0)[:-6], b"\x1f\x8b"])
def test_a_packed_answer_that_is_broken_is_tried_again_later(body):
    with pytest.raises(RecordUnavailable):
        ask(answering(body, **{"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_an_answer_nested_without_end_is_no_fault_of_ours(body):
    with pytest.raises(RecordUnavailable, match="is not JSON"):
        ask(answering(body))


def test_pages_without_end_come_to_an_end():
    """Each page names itself as the next."""
    server = HostileServer(
        lambda _request: a_bundle({"resourceType": "Task", "id": "1"}, following=f"{BASE}?page=1")
    )
    with pytest.raises(RecordRefused, match="pages never end"):
        list(server.record().search(Search(kind="Task", params=())))
    assert len(server.asked) < 5


def test_a_token_servers_answer_is_bounded_too():
    def answers(request):
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Streamed([bomb(16)]))

    client = Client(client_id="us", secret=lambda: "s", token_url="https://record.example/token")
    request = TokenRequest(BASE, client, transport=httpx.MockTransport(answers), wall=lambda: float(NOW))
    with pytest.raises(NoToken, match=f"larger than {LARGEST} bytes"):
        request()


# --- notifications ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x-gzip"])
def test_a_packed_notification_is_refused_without_unpacking_it(encoding):
    answer = Site().ask("POST", AT, content=bomb(16), headers={**BEARER, "content-encoding": encoding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [b"[" * 5_000_000, b'{"a":' * 900_000, b'{"resourceType":"Bundle","entry":' + b"[" * 4_000_000, b'"' + b"\\\\" * 2_400_000,
     b'{"resourceType":"Encounter","x":' + b"9" * 4_000_000 + b"}", b"-" * 5_000_000],
    ids=["lists", "objects", "bundle", "escapes", "number", "signs"],
)  # fmt: skip
def test_a_notification_made_to_cost_much_is_answered_and_costs_no_more_than_itself(body):
    inbox = FakeAsyncInbox()
    request = Delivery(method="POST", path="", headers=BEARER, body=body)
    answer = asyncio.run(receive(request, watch=WATCH, inbox=inbox, limits=Limits()))
    assert answer.status in {200, 400}
    assert len(inbox.stored) == (answer.status == 200)


LAUGHS = b"<!DOCTYPE x [<!ENTITY a0 'ha'>" + b"".join(
    b"<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;'>" % (n, n - 1, n - 1, n - 1, n - 1) for n in range(1, 30)
) + b"]><Encounter xmlns='http://hl7.org/fhir'><id value='&a29;'/></Encounter>"  # fmt: skip
FETCHES = (
    b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Encounter xmlns='http://hl7.org/fhir'><id value='e'/>"
    b"<text>&e;</text></Encounter>"
)


@pytest.mark.parametrize(
    "body", [LAUGHS, FETCHES], ids=["entities that multiply", "an entity that is fetched"]
)
def test_a_document_type_in_xml_is_refused_before_it_does_anything(body):
    inbox = FakeAsyncInbox()
    headers = {**BEARER, "content-type": "application/fhir+xml"}
    request = Delivery(method="POST", path="", headers=headers, body=body)
    answer = asyncio.run(receive(request, watch=WATCH, inbox=inbox, limits=Limits()))
    assert answer.status in {400, 415}
    assert inbox.stored == []
    assert b"root:" not in answer.body
