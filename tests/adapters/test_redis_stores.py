"""Dead letters, watermarks and the doorbell on a real server."""

from datetime import timedelta
from uuid import uuid4

import pytest

from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_watermarks import RedisWatermarks
from service.domain.vocabulary import Reference
from service.ports import Claim, DeadLetter
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
    with pytest.raises(ConnectionError):
        doorbell.inbox_has_mail()
    with pytest.raises(ConnectionError):
        doorbell.catch_up_is_due()
    celery.is_down = False
    doorbell.inbox_has_mail()
    assert doorbell.catch_up_is_due()
