"""The inbox on a real server, and what a sender sees when that server is gone, deaf or restarted."""

import asyncio
import socket
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
import redis

from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import Keys, connect, connect_async
from service.adapters.redis_inbox import STORE_WITHIN, AsyncInbox, RedisInbox
from service.ports import InboxUnavailable, RawNotification
from tests.processes import PATIENCE


def notification(body=b"{}", **more):
    return RawNotification(
        subscription="adt", method="POST", path="", content_type="application/fhir+json", body=body, **more
    )


@pytest.fixture
def keys():
    return Keys(prefix=f"{uuid4()}:")


@pytest.fixture
def client(valkey):
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def inbox(client, keys):
    return RedisInbox(client, keys, consumer="one")


def bodies(entries):
    return [notification.body for _id, notification in entries]


def test_a_notification_comes_out_exactly_as_it_went_in(inbox):
    sent = RawNotification(
        subscription="adt",
        method="DELETE",
        path="Encounter/1",
        content_type="text/plain; charset=latin-1",
        body=bytes(range(256)),
        headers={"x-medplum-deleted-resource": "Encounter/1", "x-name": "Zoë"},
    )
    entry = inbox.append(sent)
    assert inbox.take(10) == [(entry, sent)]


def test_how_long_entries_have_waited_is_told_when_they_are_taken(client, keys):
    told = []
    inbox = RedisInbox(
        client, keys, consumer="one", wall=lambda: time.time() + 60, taken=lambda *each: told.append(each)
    )
    assert inbox.oldest() == timedelta(0)
    inbox.append(notification(b"1", headers={"traceparent": "00-…"}))
    assert timedelta(seconds=55) < inbox.oldest() < timedelta(seconds=120)
    inbox.take(10)
    [(headers, waited)] = told
    assert headers == {"traceparent": "00-…"}
    assert timedelta(seconds=55) < waited < timedelta(seconds=120)


def test_entries_come_in_order_and_stay_until_they_are_done(inbox):
    ids = [inbox.append(notification(body)) for body in (b"1", b"2", b"3")]
    taken = inbox.take(2)
    assert bodies(taken) == [b"1", b"2"]
    assert inbox.size() == 3
    inbox.done([entry for entry, _ in taken])
    assert inbox.size() == 1
    assert [entry for entry, _ in inbox.take(5)] == ids[2:]
    inbox.done([])


def test_two_consumers_do_not_get_the_same_entry(inbox, client, keys):
    inbox.append(notification())
    assert len(inbox.take(5)) == 1
    assert RedisInbox(client, keys, consumer="two").take(5) == []


def test_what_a_dead_consumer_held_goes_first_to_the_next_one(inbox, client, keys):
    for body in (b"1", b"2", b"3"):
        inbox.append(notification(body))
    inbox.take(2)
    heir = RedisInbox(client, keys, consumer="two", left_behind_after=timedelta(0))
    assert bodies(heir.take(5)) == [b"1", b"2", b"3"]


def test_an_entry_done_by_somebody_else_meanwhile_is_not_handed_out_again(inbox, client, keys):
    inbox.append(notification())
    [(entry, _)] = inbox.take(5)
    inbox.done([entry])
    assert RedisInbox(client, keys, consumer="two", left_behind_after=timedelta(0)).take(5) == []


def test_a_flushed_server_is_no_obstacle(inbox, client, keys):
    inbox.append(notification())
    inbox.take(1)
    client.delete(keys.inbox)
    inbox.append(notification(b"after"))
    assert bodies(inbox.take(5)) == [b"after"]


def test_a_foreign_row_comes_out_empty_so_that_it_can_be_parked(inbox, client, keys):
    client.xadd(keys.inbox, {"colour": "green", "headers": "not json"})
    [(_, foreign)] = inbox.take(5)
    assert foreign == RawNotification(subscription="", method="", path="", content_type="", body=b"")


def test_a_worker_hears_that_the_inbox_is_unavailable(keys):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        inbox = RedisInbox(connect(f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"), keys, consumer="one")
        for attempt in (
            lambda: inbox.append(notification()),
            lambda: inbox.take(1),
            lambda: inbox.done(["1-0"]),
            inbox.size,
        ):
            with pytest.raises(InboxUnavailable):
                attempt()


# --- the web's half


def run(story):
    return asyncio.run(story)


def async_inbox(url, keys, *, store_within=timedelta(seconds=PATIENCE), ring=None):
    """As patient as a test: what the web does to a sender whom it would keep waiting is a test of its own."""
    client = connect_async(url, wait=timedelta(seconds=PATIENCE))
    return AsyncInbox(client, keys, ring=ring, store_within=store_within)


async def store(url, keys, *notifications, **settings):
    inbox = async_inbox(url, keys, **settings)
    try:
        return [await inbox.append(each) for each in notifications]
    finally:
        await inbox.close()


def test_the_web_stores_what_a_worker_takes(valkey, keys, inbox):
    run(store(valkey.url, keys, notification(b"1"), notification(b"2")))
    assert bodies(inbox.take(5)) == [b"1", b"2"]


def test_the_bell_is_rung_once_for_many_notifications_until_it_is_answered(valkey, keys, client):
    rung = []
    run(store(valkey.url, keys, notification(), notification(), ring=lambda: rung.append(1)))
    assert len(rung) == 1
    client.delete(keys.bell("inbox"))
    run(store(valkey.url, keys, notification(), ring=lambda: rung.append(1)))
    assert len(rung) == 2


def test_a_bell_that_cannot_ring_does_not_refuse_the_notification(valkey, keys, inbox):
    def broken():
        raise RuntimeError

    run(store(valkey.url, keys, notification(), ring=broken))
    assert inbox.size() == 1


def is_refused(url, keys, **settings):
    with pytest.raises(InboxUnavailable, match="sender should send this one again"):
        run(store(url, keys, notification(), **settings))
    return True


def test_without_a_server_the_sender_is_refused(keys):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        assert is_refused(f"redis://127.0.0.1:{reserved.getsockname()[1]}/0", keys)


def test_a_sender_is_refused_within_a_second_however_long_redis_takes(keys):
    """The inbox has a limit of its own; the client behind it would wait for as long as a test may take."""
    limit = timedelta(milliseconds=50)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert is_refused(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", keys, store_within=limit)
    assert timedelta(seconds=1) > STORE_WITHIN


def test_a_server_out_of_memory_refuses_rather_than_loses(valkey, keys, client):
    client.config_set("maxmemory", "1")
    try:
        assert is_refused(valkey.url, keys)
    finally:
        client.config_set("maxmemory", "0")


def test_a_restarted_server_is_used_again_by_the_same_connections_and_kept_what_was_stored(tmp_path, keys):
    async def story(server):
        inbox = async_inbox(server.url, keys)
        await inbox.append(notification(b"before"))
        await asyncio.to_thread(server.kill)
        with pytest.raises(InboxUnavailable):
            await inbox.append(notification(b"refused"))
        await asyncio.to_thread(server.revive)
        await inbox.append(notification(b"after"))
        await inbox.close()

    with EmbeddedRedis(tmp_path) as server:
        worker = RedisInbox(connect(server.url), keys, consumer="one")
        worker.size()
        run(story(server))
        assert bodies(worker.take(5)) == [b"before", b"after"]


def test_every_acknowledged_notification_survives_a_kill_while_senders_write(tmp_path, keys):
    stored: list[str] = []
    stop = threading.Event()

    def write(url):
        inbox = RedisInbox(connect(url), keys, consumer="one")
        while not stop.is_set():
            try:
                stored.append(inbox.append(notification(b"x" * 500)))
            except InboxUnavailable:
                return

    with EmbeddedRedis(tmp_path) as server:
        writers = [threading.Thread(target=write, args=(server.url,)) for _ in range(2)]
        for writer in writers:
            writer.start()
        while len(stored) < 300:
            stop.wait(0.01)
        server.kill()
        stop.set()
        for writer in writers:
            writer.join()
        server.revive()
        with redis.Redis.from_url(server.url) as reader:
            kept = {entry.decode() for entry, _ in reader.xrange(keys.inbox)}
        assert set(stored) <= kept
