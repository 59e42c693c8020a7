"""Messages are stored once: the same promises on a real server and on the fake that tests use."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from service.adapters.redis_connection import Keys, connect, connect_async
from service.adapters.redis_inbox import RedisInbox
from service.adapters.redis_messages import KNOWN_FOR, MessageInbox
from service.fhir.messages.once import MessageIds, Receipt
from service.ports import InboxUnavailable, RawNotification
from tests.fakes import FakeMessageInbox


def message(body: bytes = b"{}") -> RawNotification:
    return RawNotification(
        subscription="hospital", method="POST", path="$process-message", content_type="application/fhir+json", body=body
    )  # fmt: skip


def ids(envelope: str = "b1", header: str = "h1", digest: str = "d1") -> MessageIds:
    return MessageIds(envelope=envelope, header=header, digest=digest)


class Real:
    """The inbox on a real server, opened anew for each call because each has its own event loop."""

    def __init__(self, url: str) -> None:
        self.url, self.keys = url, Keys(prefix=f"{uuid4()}:")
        self.rings: list[int] = []

    def append(self, *arguments) -> Receipt:
        async def once() -> Receipt:
            inbox = MessageInbox(connect_async(self.url), self.keys, ring=lambda: self.rings.append(1))
            try:
                return await inbox.append_once(*arguments)
            finally:
                await inbox.close()

        return asyncio.run(once())

    def bodies(self) -> list[bytes]:
        with connect(self.url) as client:
            inbox = RedisInbox(client, self.keys, consumer="test")
            return [raw.body for _, raw in inbox.take(100)]


class Fake:
    def __init__(self) -> None:
        self.inbox = FakeMessageInbox()

    def append(self, *arguments) -> Receipt:
        return asyncio.run(self.inbox.append_once(*arguments))

    def bodies(self) -> list[bytes]:
        return [raw.body for raw in self.inbox.stored]


@pytest.fixture(params=["real", "fake"])
def inbox(request):
    return Real(request.getfixturevalue("valkey").url) if request.param == "real" else Fake()


def test_the_same_message_is_stored_once_however_often_it_is_sent(inbox):
    assert inbox.append(message(), ids()) is Receipt.STORED
    assert inbox.append(message(), ids()) is Receipt.KNOWN
    assert inbox.append(message(), ids()) is Receipt.KNOWN
    assert inbox.bodies() == [b"{}"]


def test_the_same_ids_with_other_content_are_stored_because_nothing_may_be_lost(inbox):
    inbox.append(message(b"1"), ids())
    assert inbox.append(message(b"2"), ids(digest="d2")) is Receipt.STORED
    assert inbox.append(message(b"2"), ids(digest="d2")) is Receipt.KNOWN
    assert inbox.bodies() == [b"1", b"2"]


def test_the_id_of_an_envelope_with_another_header_is_refused(inbox):
    inbox.append(message(b"1"), ids())
    assert inbox.append(message(b"2"), ids(header="h2", digest="d2")) is Receipt.OTHER_HEADER
    assert inbox.append(message(b"1"), ids()) is Receipt.KNOWN
    assert inbox.bodies() == [b"1"]


def test_the_same_header_in_a_new_envelope_is_a_resubmission_and_is_stored(inbox):
    inbox.append(message(b"1"), ids())
    assert inbox.append(message(b"1"), ids(envelope="b2")) is Receipt.STORED
    assert inbox.bodies() == [b"1", b"1"]


def test_what_was_stored_comes_out_exactly_as_it_went_in(valkey):
    inbox = Real(valkey.url)
    sent = message(bytes(range(256)))
    inbox.append(sent, ids())
    with connect(valkey.url) as client:
        [(_, found)] = RedisInbox(client, inbox.keys, consumer="test").take(1)
    assert found == sent


def test_the_bell_is_rung_once_until_it_is_answered_and_not_for_what_is_known(valkey):
    inbox = Real(valkey.url)
    inbox.append(message(), ids())
    inbox.append(message(), ids())
    inbox.append(message(b"2"), ids(envelope="b2"))
    assert inbox.rings == [1]


def test_the_mark_of_a_message_ends_by_itself_and_says_nothing_about_anybody(valkey):
    inbox = Real(valkey.url)
    inbox.append(message(), ids(envelope="hospital Mr-Smith-4711"))
    with connect(valkey.url) as client:
        [mark] = list(client.scan_iter(f"{inbox.keys.prefix}message:*"))
        assert b"Smith" not in mark
        assert 0 < client.ttl(mark) <= KNOWN_FOR.total_seconds()


def test_a_server_that_does_not_answer_means_not_stored():
    with pytest.raises(InboxUnavailable):
        Real("redis://127.0.0.1:1/0").append(message(), ids())
