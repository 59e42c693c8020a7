"""Dead letters, watermarks and the doorbell on a real server."""

import socket
from datetime import timedelta
from uuid import uuid4

import pytest

from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_echoes import KEPT_FOR, RedisEchoes
from service.adapters.redis_watermarks import RedisWatermarks
from service.adapters.redis_work_index import RedisWorkIndex
from service.domain.vocabulary import Reference
from service.ports import Claim, DeadLetter, InboxUnavailable, Written
from tests.fakes import FakeEchoes
from tests.sandbox import HOUSE_NOW


@pytest.fixture
def keys():
    return Keys(prefix=f"{uuid4()}:")


@pytest.fixture
def client(valkey):
    with connect(valkey.url) as client:
        yield client


def letter(id_="a", minutes=0, **more):
    return DeadLetter(
        id=id_,
        kind="notification",
        subject="adt",
        reason="The body is not JSON.",
        at=HOUSE_NOW + timedelta(minutes=minutes),
        **more,
    )


def test_letters_are_listed_oldest_first_and_keep_their_bytes(client, keys):
    letters = RedisDeadLetters(client, keys)
    later, earlier = letter("a", 1), letter("b", 0, body=b"\x00\xff")
    letters.park(later)
    letters.park(earlier)
    assert letters.list() == [earlier, later]


def test_parking_again_replaces_and_taking_removes(client, keys):
    letters = RedisDeadLetters(client, keys)
    letters.park(letter("a"))
    letters.park(letter("a", 5))
    assert letters.size() == 1
    assert letters.take("a") == letter("a", 5)
    assert letters.take("a") is None
    assert letters.list() == []


def test_a_watermark_is_none_until_it_is_set(client, keys):
    marks = RedisWatermarks(client, keys)
    assert marks.get("catch-up") is None
    marks.set("catch-up", "2026-03-06T23:30:00Z")
    assert marks.get("catch-up") == "2026-03-06T23:30:00Z"


TASK, PLAN = Reference("Task/1"), Reference("CarePlan/1")


def written(reference, version):
    return Written(reference=reference, version=version, created=True)


@pytest.fixture(params=["redis", "fake"])
def echoes(request, client, keys):
    return RedisEchoes(client, keys) if request.param == "redis" else FakeEchoes()


def test_exactly_the_versions_that_were_noted_are_ours(echoes):
    echoes.note([written(TASK, "1"), written(PLAN, "7")])
    echoes.note([written(TASK, "2")])
    asked = {(TASK, "1"), (TASK, "2"), (TASK, "3"), (PLAN, "7"), (Reference("Task/2"), "1")}
    assert echoes.ours(asked) == {(TASK, "1"), (TASK, "2"), (PLAN, "7")}


def test_nothing_noted_and_nothing_asked_is_nothing_ours(echoes):
    assert echoes.ours([(TASK, "1")]) == frozenset()
    echoes.note([])
    assert echoes.ours([]) == frozenset()


def test_a_write_without_a_version_is_not_remembered(echoes):
    echoes.note([written(TASK, "")])
    assert echoes.ours([(TASK, "")]) == frozenset()


def test_our_writes_are_forgotten_after_minutes(client, keys):
    RedisEchoes(client, keys).note([written(TASK, "1")])
    assert 0 < client.pttl(keys.echo(TASK, "1")) <= KEPT_FOR / timedelta(milliseconds=1)


def test_without_a_server_everything_says_so_in_one_way(keys):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        gone = connect(f"redis://127.0.0.1:{reserved.getsockname()[1]}/0")
        letters, marks, index = (
            RedisDeadLetters(gone, keys),
            RedisWatermarks(gone, keys),
            RedisWorkIndex(gone, keys),
        )
        claim = Claim(person=Reference("Patient/1"), token="1")
        for attempt in (
            lambda: letters.park(letter()),
            letters.list,
            letters.size,
            lambda: letters.take("a"),
            lambda: marks.get("a"),
            lambda: marks.set("a", "b"),
            lambda: index.wake([claim.person], HOUSE_NOW),
            lambda: index.claim(HOUSE_NOW, 1),
            lambda: index.begin(claim),
            lambda: index.finish(claim, None),
            lambda: index.back_off(claim, timedelta(1)),
            lambda: index.failures(claim.person),
            index.size,
            lambda: RedisEchoes(gone, keys).note([written(TASK, "1")]),
            lambda: RedisEchoes(gone, keys).ours([(TASK, "1")]),
            RedisDoorbell(gone, keys, Celery()).inbox_has_mail,
        ):
            with pytest.raises(InboxUnavailable, match="check that Redis runs"):
                attempt()


class Celery:
    def __init__(self):
        self.sent = []
        self.is_down = False

    def send_task(self, name, args, queue):
        if self.is_down:
            raise ConnectionError
        self.sent.append((name, args, queue))


@pytest.fixture
def celery():
    return Celery()


@pytest.fixture
def doorbell(client, keys, celery):
    return RedisDoorbell(client, keys, celery)


def test_the_inbox_bell_is_merged_until_it_is_answered(doorbell, celery):
    doorbell.inbox_has_mail()
    doorbell.inbox_has_mail()
    assert celery.sent == [("throughline.take_in", [], "inbox")]
    doorbell.answer_inbox()
    doorbell.inbox_has_mail()
    assert len(celery.sent) == 2


def test_a_person_is_rung_for_by_reference_and_token_only(doorbell, celery):
    doorbell.person_is_due(Claim(person=Reference("Patient/1"), token="17"))
    assert celery.sent == [("throughline.reconcile_person", ["Patient/1", "17"], "people")]


def test_one_catch_up_at_a_time(doorbell, celery):
    assert doorbell.catch_up_is_due()
    assert not doorbell.catch_up_is_due()
    doorbell.answer_catch_up()
    assert doorbell.catch_up_is_due()
    assert celery.sent == [("throughline.catch_up", [], "catch-up")] * 2


def test_a_bell_that_could_not_be_published_does_not_look_rung(doorbell, celery):
    celery.is_down = True
    with pytest.raises(InboxUnavailable):
        doorbell.inbox_has_mail()
    with pytest.raises(InboxUnavailable):
        doorbell.catch_up_is_due()
    celery.is_down = False
    doorbell.inbox_has_mail()
    assert doorbell.catch_up_is_due()


def test_a_catch_up_that_has_begun_keeps_others_from_ringing_and_for_no_longer_than_half_a_minute(
    doorbell, client, keys
):
    assert doorbell.catch_up_is_due()
    assert 0 < client.pttl(keys.bell("catch-up")) <= 20_000
    doorbell.catch_up_has_begun()

    assert 20_000 < client.pttl(keys.bell("catch-up")) <= 30_000
    assert not doorbell.catch_up_is_due()
