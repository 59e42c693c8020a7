"""Sums over everybody on a real server: each look replaces what the last one said, so the sums stay true."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_tallies import RedisTallies, Totals
from service.adapters.redis_trail import RedisTrail
from service.domain.vocabulary import Reference
from tests.fakes import HOUSE_NOW

ANA, BEA = Reference("Patient/ana"), Reference("Patient/bea")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def client(valkey):
    with connect(valkey.url) as client:
        yield client


def tallies_of(client):
    return RedisTallies(client, Keys(prefix=f"{uuid4()}:"))


looks = st.lists(
    st.tuples(
        st.sampled_from([ANA, BEA]),
        st.dictionaries(st.sampled_from(["open|p", "open|q", "running|p"]), st.integers(1, 9)),
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(looks)
def test_the_sums_are_those_of_the_last_look_at_each_person(client, seen):
    tallies, last = tallies_of(client), {}
    for person, numbers in seen:
        tallies.keep(person, numbers, None)
        last[person] = numbers
    names = {name for numbers in last.values() for name in numbers}
    expected = {name: sum(numbers.get(name, 0) for numbers in last.values()) for name in names}
    assert {name: n for name, n in tallies.totals().numbers.items() if n} == expected


def test_since_when_somebody_was_unowned_is_told_when_it_ends_and_only_once(client):
    tallies = tallies_of(client)
    since = HOUSE_NOW - timedelta(hours=2)
    assert tallies.keep(ANA, {"unowned|p": 1}, since) is None
    assert tallies.keep(BEA, {"unowned|p": 1}, HOUSE_NOW) is None
    assert tallies.totals() == Totals(numbers={"unowned|p": 2}, unowned_since=since.timestamp())
    assert tallies.keep(ANA, {}, None) == since.timestamp()
    assert tallies.keep(ANA, {}, None) is None
    assert tallies.totals().unowned_since == HOUSE_NOW.timestamp()


def test_whoever_stands_nowhere_any_more_leaves_nothing_behind(client):
    keys = Keys(prefix=f"{uuid4()}:")
    tallies = RedisTallies(client, keys)
    tallies.keep(ANA, {"open|p": 1}, None)
    tallies.keep(ANA, {}, None)
    assert client.hlen(keys.tallies) == 0


def test_a_person_follows_the_first_trace_that_woke_them_once(client):
    trail = RedisTrail(client, Keys(prefix=f"{uuid4()}:"))
    trail.note([ANA], TRACE)
    trail.note([ANA], TRACE.replace("b7", "c8"))
    trail.note([ANA, BEA], TRACE)
    assert trail.take(ANA) == TRACE
    assert trail.take(ANA) == ""


def test_a_redis_that_is_away_only_loses_the_trace():
    trail = RedisTrail(connect("redis://127.0.0.1:1/0"), Keys())
    assert trail.take(ANA) == ""
