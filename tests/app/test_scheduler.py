"""The scheduler's look: who is due, a waiting inbox, the next catch-up; and a Redis that is away."""

from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_inbox import RedisInbox
from service.adapters.redis_tallies import RedisTallies
from service.adapters.redis_watermarks import RedisWatermarks
from service.adapters.redis_work_index import RedisWorkIndex
from service.app.coverage import counted_mark
from service.app.heartbeat import Heartbeat
from service.app.listening_report import Heard, Listening, listening_mark
from service.app.metrics import StateMetrics
from service.app.scheduler import LONGEST_PAUSE, LOOK_EVERY, REBUILD_EVERY, Scheduler
from service.app.sender_silence import note_senders
from service.domain.vocabulary import PathwayId, Reference
from service.flow.catch_up import FAILED, MARK
from service.flow.listen import Hearing
from service.flow.population import Coverage
from service.flow.send_canary import CanaryState, Flight
from service.ports import InboxUnavailable, RawNotification
from tests.fakes import HOUSE_NOW, ManualClock

ANA = Reference("Patient/ana")


class Celery:
    def __init__(self):
        self.sent = []

    def send_task(self, name, args, queue):
        self.sent.append((name, *args[:1]))


@pytest.fixture
def keys():
    return Keys(prefix=f"{uuid4()}:")


@pytest.fixture
def client(valkey):
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def celery():
    return Celery()


@pytest.fixture
def make(client, keys, celery):
    def make(**more):
        return Scheduler(
            index=RedisWorkIndex(client, keys),
            inbox=RedisInbox(client, keys, consumer="test"),
            doorbell=RedisDoorbell(client, keys, celery),
            dead_letters=RedisDeadLetters(client, keys),
            watermarks=RedisWatermarks(client, keys),
            clock=ManualClock(),
            metrics=StateMetrics(CollectorRegistry()),
            catch_up_every=timedelta(seconds=60),
            tallies=RedisTallies(client, keys),
            **{"heartbeat": Heartbeat(), **more},
        )

    return make


def test_whoever_is_due_is_rung_for_once_by_two_schedulers(make, celery):
    one, two = make(), make()
    one.index.wake([ANA], HOUSE_NOW - timedelta(minutes=2))
    one.step()
    two.step()
    assert celery.sent.count(("throughline.reconcile_person", ANA)) == 1


def test_a_waiting_inbox_is_rung_for(make, celery):
    scheduler = make()
    scheduler.inbox.append(
        RawNotification(subscription="adt", method="POST", path="", content_type="", body=b"")
    )
    scheduler.step()
    scheduler.step()
    assert celery.sent.count(("throughline.take_in",)) == 1


def test_a_catch_up_is_asked_for_at_the_start_and_then_in_its_time(make, celery):
    scheduler = make()
    scheduler.watermarks.set(MARK, "x")
    scheduler.step()
    assert celery.sent == [("throughline.catch_up",)]
    scheduler.doorbell.answer_catch_up()
    scheduler.step()
    scheduler.doorbell.answer_catch_up()
    scheduler.step()
    assert (
        celery.sent == [("throughline.catch_up",)] * 2
    )  # the second begins the pace; the third is too early


def test_a_catch_up_that_failed_is_asked_for_again_soon_and_not_only_in_its_time(make, celery, client, keys):
    scheduler = make()
    scheduler.watermarks.set(MARK, "x")
    for _ in range(2):
        scheduler.step()
        scheduler.doorbell.answer_catch_up()  # the second step has begun the minute's pace
    celery.sent.clear()
    scheduler.watermarks.set(FAILED, HOUSE_NOW.isoformat())
    scheduler.step()
    scheduler.doorbell.answer_catch_up()
    scheduler.step()
    assert celery.sent == [("throughline.catch_up",)]  # once in five seconds, as soon as the record is back
    assert 0 < client.pttl(keys.bell("catch-up-paced-5")) <= REBUILD_EVERY.total_seconds() * 1000


def test_a_catch_up_is_asked_for_as_soon_as_redis_is_back(make, celery):
    scheduler = make()
    scheduler.watermarks.set(MARK, "x")
    scheduler.step()
    scheduler.doorbell.answer_catch_up()
    scheduler.step()  # begins the pace
    scheduler.doorbell.answer_catch_up()
    celery.sent.clear()
    real = scheduler.index

    class Gone:
        def claim(self, now, limit):
            raise InboxUnavailable("no")

    scheduler.index = Gone()
    scheduler.look()
    scheduler.index = real
    scheduler.look()
    assert celery.sent == [("throughline.catch_up",)]


def test_event_numbers_that_stay_away_are_asked_for_when_their_time_has_come(make, celery):
    scheduler = make()
    due = HOUSE_NOW + timedelta(seconds=2)
    scheduler.watermarks.set("gaps", f'{{"encounters": "{due.isoformat()}"}}')
    scheduler.step()
    assert ("throughline.take_in",) not in celery.sent
    scheduler.clock.move(seconds=2)
    scheduler.step()
    assert celery.sent.count(("throughline.take_in",)) == 1


def test_metrics_show_who_is_heard_the_canary_and_coverage(make):
    scheduler = make()
    scheduler.look()
    value = scheduler.metrics.registry.get_sample_value
    assert value("throughline_subscription_heard", {"subscription": "encounters"}) is None

    heard = {
        "encounters": Heard(hearing=Hearing.SILENT, status="active"),
        "tasks": Heard(hearing=Hearing.HEARD, status="active"),
    }
    canary = CanaryState(flight=Flight.LOST, seconds=0.4)
    report = Listening(at=HOUSE_NOW, subscriptions=heard, canary=canary)
    scheduler.watermarks.set("listening", listening_mark(report))
    found = {PathwayId("after"): Coverage(enrolled=("a",), missed=("b",))}
    scheduler.watermarks.set("coverage", counted_mark(found, HOUSE_NOW, timedelta(days=30)))
    scheduler.look()
    assert value("throughline_subscription_heard", {"subscription": "encounters"}) == 0
    assert value("throughline_subscription_heard", {"subscription": "tasks"}) == 1
    assert (value("throughline_canary_lost"), value("throughline_canary_seconds")) == (1, 0.4)
    assert value("throughline_coverage_expected", {"pathway": "after"}) == 2
    assert value("throughline_coverage_enrolled", {"pathway": "after"}) == 1
    assert value("throughline_coverage_missed", {"pathway": "after"}) == 1


def test_what_is_no_longer_there_is_no_longer_shown(make):
    scheduler = make()
    value = scheduler.metrics.registry.get_sample_value
    for name in ("encounters", "tasks"):
        heard = {name: Heard(hearing=Hearing.SILENT, status="active")}
        scheduler.watermarks.set("listening", listening_mark(Listening(at=HOUSE_NOW, subscriptions=heard)))
        scheduler.look()
    assert value("throughline_subscription_heard", {"subscription": "encounters"}) is None
    assert value("throughline_subscription_heard", {"subscription": "tasks"}) == 0


def test_metrics_show_when_each_sender_was_heard_of_last_or_since_when_it_has_been_listed(make):
    scheduler = make()
    value = scheduler.metrics.registry.get_sample_value

    def heard(sender):
        return value("throughline_sender_heard_timestamp_seconds", {"sender": sender})

    note_senders(["general", "clinic"], scheduler.watermarks, HOUSE_NOW)
    scheduler.look()
    assert heard("general") == heard("clinic") == HOUSE_NOW.timestamp()

    later = HOUSE_NOW + timedelta(hours=3)
    scheduler.watermarks.set("heard:sender general", later.isoformat())
    note_senders(["general"], scheduler.watermarks, later)
    scheduler.look()
    assert heard("general") == later.timestamp()
    assert heard("clinic") is None


def test_a_missing_mark_asks_for_a_catch_up_whatever_the_pace(make, celery, client, keys):
    scheduler = make()
    scheduler.watermarks.set(MARK, "x")
    scheduler.step()
    scheduler.step()
    celery.sent.clear()
    client.delete(*client.keys(f"{keys.prefix}*"))  # somebody flushed Redis
    scheduler.step()
    assert celery.sent == [("throughline.catch_up",)]


def test_metrics_show_what_waits(make, tmp_path):
    scheduler = make(heartbeat=Heartbeat(tmp_path / "alive"))
    scheduler.tallies.keep(ANA, {"follow-ups|p|overdue": 4, "unowned|p": 1, "enrolments|p": 1}, HOUSE_NOW)
    scheduler.clock.move(hours=1)
    scheduler.index.wake([ANA], HOUSE_NOW - timedelta(minutes=2))
    scheduler.look()
    value = scheduler.metrics.registry.get_sample_value
    assert value("throughline_index_size") == 1
    assert value("throughline_behind_seconds") == 3720
    assert value("throughline_open_follow_ups", {"pathway": "p", "timeliness": "overdue"}) == 4
    assert value("throughline_unowned_follow_ups", {"pathway": "p"}) == 1
    assert value("throughline_unowned_oldest_seconds") == 3600
    assert value("throughline_owned_ratio") == 0.75
    assert value("throughline_claims_total") == 1
    assert (tmp_path / "alive").read_text("utf-8") == "ready\n"


def test_a_redis_that_is_away_is_told_once_and_asked_less_and_less_often(make, caplog, tmp_path):
    scheduler = make(heartbeat=Heartbeat(tmp_path / "alive"))
    real = scheduler.index

    class Gone:
        def claim(self, now, limit):
            raise InboxUnavailable("no")

    scheduler.index = Gone()
    pauses = [scheduler.look() for _ in range(6)]
    assert pauses[0] == 2 * LOOK_EVERY
    assert pauses[-1] == LONGEST_PAUSE
    assert (tmp_path / "alive").read_text("utf-8") == "waiting for Redis\n"
    value = scheduler.metrics.registry.get_sample_value
    assert value("throughline_queue_answers") == 0
    scheduler.index = real
    assert scheduler.look() == LOOK_EVERY
    assert value("throughline_queue_answers") == 1
    assert [r.getMessage() for r in caplog.records] == [
        "Redis does not answer; looking again until it does",
        "Redis answers again",
    ]


def test_it_stops_when_asked(make):
    stop = Event()
    stop.set()
    make().run(stop)
