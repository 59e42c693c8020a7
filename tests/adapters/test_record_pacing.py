"""How many writes at once: fewer when they collide, more again when they do not."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from service.adapters.fhir.pacing import Pace
from service.adapters.fhir.retry import Backoff, asked_to_wait
from service.ports import RecordUnavailable
from tests.processes import PATIENCE


def collide(pace):
    with pace.slot(PATIENCE) as slot:
        slot.contended()


def test_collisions_one_after_another_halve_down_to_one_writer():
    pace = Pace(start=8)
    limits = []
    for _ in range(5):
        collide(pace)
        limits.append(pace.numbers().limit)
    assert limits == [4, 2, 1, 1, 1]


def test_writers_that_collide_with_each_other_halve_once():
    pace = Pace(start=8)
    together = Barrier(8)

    def write(_):
        with pace.slot(PATIENCE) as slot:
            together.wait(PATIENCE)
            slot.contended()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    numbers = pace.numbers()
    assert (numbers.limit, numbers.conflicts, numbers.in_flight) == (4, 8, 0)


def test_success_raises_the_limit_slowly_and_not_beyond_its_bound():
    pace = Pace(start=1, most=3)
    needed = 0
    while pace.numbers().limit < 2:
        with pace.slot(PATIENCE):
            needed += 1
    assert 3 <= needed <= 8
    for _ in range(200):
        with pace.slot(PATIENCE):
            pass
    assert pace.numbers().limit == 3


def test_never_more_writers_than_the_limit():
    pace = Pace(start=2, most=2)
    inside, full, go = [], Event(), Event()

    def write(_):
        with pace.slot(PATIENCE):
            inside.append(pace.numbers().in_flight)
            if len(inside) == 2:
                full.set()
            go.wait(PATIENCE)

    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, n) for n in range(6)]
        assert full.wait(PATIENCE)
        assert len(inside) == 2
        go.set()
        for each in writing:
            each.result()
    assert max(inside) == 2


def test_no_turn_in_time_is_unavailable_and_gives_nothing_back():
    pace = Pace(start=1, most=1)
    with pace.slot(PATIENCE), pytest.raises(RecordUnavailable, match="No turn to write"), pace.slot(0.0):
        pass
    assert pace.numbers().in_flight == 0


@pytest.mark.parametrize(("start", "most"), [(0, 4), (5, 4)])
def test_a_pace_that_could_never_write_is_refused(start, most):
    with pytest.raises(ValueError):
        Pace(start=start, most=most)


def test_waits_grow_are_jittered_and_bounded():
    backoff = Backoff(first=0.1, longest=1.0)
    assert [backoff.wait(n, None, lambda: 1.0) for n in range(1, 6)] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert backoff.wait(5, None, lambda: 0.0) == 0.0
    assert backoff.wait(500, None, lambda: 1.0) == 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "Fri, 06 Mar 2026 23:30:05 GMT"}, None),
        ({"retry-after": "Fri, 06 Mar 2026 23:29:00 GMT", "date": "Fri, 06 Mar 2026 23:30:00 GMT"}, 0.0),
        ({"ratelimit": '"default";r=0;t=60'}, 60.0),
        ({"ratelimit": "limit=10, remaining=0, reset=5"}, None),
    ],
)
def test_what_a_server_asks_for_is_read_from_its_headers(headers, seconds):
    assert asked_to_wait(headers) == seconds
