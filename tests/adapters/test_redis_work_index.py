"""The work index on a real server: order and crashes in every combination, and what an entry costs."""

from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_work_index import RedisWorkIndex
from service.domain.vocabulary import Reference
from service.ports import Claim
from tests.fakes import FakeWorkIndex
from tests.sandbox import HOUSE_NOW

MINUTE = timedelta(minutes=1)
ANA, BEN, CAM = Reference("Patient/ana"), Reference("Patient/ben"), Reference("Patient/cam")


@pytest.fixture
def client(valkey):
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def keys():
    return Keys(prefix=f"{uuid4()}:")


@pytest.fixture
def index(client, keys):
    return RedisWorkIndex(client, keys)


@pytest.fixture(params=["redis", "fake"])
def either(request, index):
    """The real one and the one in memory that stands in for it: what both promise."""
    return index if request.param == "redis" else FakeWorkIndex()


@pytest.fixture
def fleeting(client, keys):
    """The same index as seen by a worker that dies: every lease it holds has already ended."""
    return RedisWorkIndex(client, keys, lease=timedelta(0))


def claimed(index, at=HOUSE_NOW, limit=10):
    return {claim.person for claim in index.claim(at, limit)}


def test_nobody_is_claimed_before_they_are_due(either):
    either.wake([ANA], HOUSE_NOW + MINUTE)
    assert claimed(either) == set()
    assert claimed(either, HOUSE_NOW + MINUTE) == {ANA}


def test_of_two_wake_ups_the_earlier_one_counts_whichever_came_first(either):
    either.wake([ANA, BEN], HOUSE_NOW)
    either.wake([ANA], HOUSE_NOW + MINUTE)
    either.wake([CAM], HOUSE_NOW + MINUTE)
    either.wake([CAM], HOUSE_NOW)
    assert claimed(either) == {ANA, BEN, CAM}


def test_who_is_claimed_is_not_handed_out_again(either):
    either.wake([ANA], HOUSE_NOW)
    assert claimed(either) == {ANA}
    either.wake([ANA], HOUSE_NOW)
    assert claimed(either) == set()


def test_a_claim_that_nobody_began_is_handed_out_again_when_its_lease_ends(index, fleeting):
    fleeting.wake([ANA], HOUSE_NOW)
    [lost] = fleeting.claim(HOUSE_NOW, 10)
    [found] = index.claim(HOUSE_NOW, 10)
    assert found.person == ANA
    assert index.begin(lost) is None
    assert index.begin(found) is not None


def test_a_worker_that_dies_after_beginning_loses_nobody(index, fleeting):
    fleeting.wake([ANA], HOUSE_NOW)
    [claim] = fleeting.claim(HOUSE_NOW, 10)
    assert fleeting.begin(claim) is not None
    assert claimed(index) == {ANA}


def test_the_same_message_delivered_twice_begins_once(index):
    index.wake([ANA], HOUSE_NOW)
    [claim] = index.claim(HOUSE_NOW, 10)
    assert index.begin(claim) is not None
    assert index.begin(claim) is None


def test_wake_ups_before_the_start_of_work_are_merged_and_those_after_it_are_kept(either):
    either.wake([ANA], HOUSE_NOW)
    [claim] = either.claim(HOUSE_NOW, 10)
    either.wake([ANA], HOUSE_NOW)
    work = either.begin(claim)
    either.finish(work, None)
    assert claimed(either) == set()

    either.wake([ANA], HOUSE_NOW)
    [claim] = either.claim(HOUSE_NOW, 10)
    work = either.begin(claim)
    either.wake([ANA], HOUSE_NOW)
    either.finish(work, HOUSE_NOW + 5 * MINUTE)
    assert claimed(either) == {ANA}


def test_whoever_begins_is_told_since_when_the_person_was_due_and_at_another_try_nothing(either):
    either.wake([ANA], HOUSE_NOW - MINUTE)
    [claim] = either.claim(HOUSE_NOW, 10)
    begun = either.begin(claim)
    assert begun is not None
    assert begun.due_at == HOUSE_NOW - MINUTE
    again = either.begin(begun)
    assert again is not None
    assert again.due_at is None


def test_a_finished_person_comes_back_at_the_next_due_time(either):
    either.wake([ANA], HOUSE_NOW)
    [claim] = either.claim(HOUSE_NOW, 10)
    either.finish(either.begin(claim), HOUSE_NOW + 5 * MINUTE)
    assert claimed(either, HOUSE_NOW + 4 * MINUTE) == set()
    assert claimed(either, HOUSE_NOW + 5 * MINUTE) == {ANA}


def test_a_finished_person_without_a_due_time_leaves_no_trace(index, client, keys):
    index.wake([ANA], HOUSE_NOW)
    [claim] = index.claim(HOUSE_NOW, 10)
    index.finish(index.begin(claim), None)
    assert (index.size(), client.keys(f"{keys.prefix}*")) == (0, [])


def test_a_stale_worker_neither_finishes_nor_backs_off(index, fleeting):
    fleeting.wake([ANA], HOUSE_NOW)
    [claim] = fleeting.claim(HOUSE_NOW, 10)
    stale = fleeting.begin(claim)
    [current] = index.claim(HOUSE_NOW, 10)
    work = index.begin(current)
    fleeting.finish(stale, HOUSE_NOW - MINUTE)
    fleeting.back_off(stale, MINUTE)
    assert claimed(index) == set()
    assert index.failures(ANA) == 0
    index.finish(work, None)
    assert index.size() == 0


def test_backing_off_counts_failures_and_keeps_the_person_closed_until_the_delay_ends(either):
    either.wake([ANA], HOUSE_NOW)
    [claim] = either.claim(HOUSE_NOW, 10)
    either.back_off(either.begin(claim), MINUTE)
    either.wake([ANA], HOUSE_NOW)
    assert either.failures(ANA) == 1
    assert claimed(either) == set()


def test_after_the_delay_the_person_is_taken_again_without_a_wake_up_and_success_clears_the_count(index):
    index.wake([ANA], HOUSE_NOW)
    [claim] = index.claim(HOUSE_NOW, 10)
    index.back_off(index.begin(claim), timedelta(0))
    [again] = index.claim(HOUSE_NOW, 10)
    assert index.failures(ANA) == 1
    index.finish(index.begin(again), None)
    assert index.failures(ANA) == 0


def test_a_claim_takes_no_more_than_asked_for_and_looks_past_people_who_are_busy(either):
    either.wake([Reference(f"Patient/{n}") for n in range(250)], HOUSE_NOW)
    first = claimed(either, limit=120)
    second = claimed(either, limit=120)
    assert (len(first), len(second), first & second) == (120, 120, set())
    assert len(claimed(either, limit=120)) == 10


def test_claims_on_their_way_to_a_worker_are_bounded(client, keys):
    index = RedisWorkIndex(client, keys, most_claimed=2)
    index.wake([ANA, BEN, CAM], HOUSE_NOW)
    assert len(index.claim(HOUSE_NOW, 10)) == 2
    assert index.claim(HOUSE_NOW, 10) == []


def test_two_schedulers_at_once_never_hand_out_one_person_twice(valkey, keys):
    people = [Reference(f"Patient/{n}") for n in range(400)]
    handed_out: list[Claim] = []
    start = Barrier(4)

    def sweep():
        with connect(valkey.url) as own:
            index = RedisWorkIndex(own, keys)
            start.wait()
            while claims := index.claim(HOUSE_NOW, 7):
                handed_out.extend(claims)

    with connect(valkey.url) as client:
        RedisWorkIndex(client, keys).wake(people, HOUSE_NOW)
    schedulers = [Thread(target=sweep) for _ in range(4)]
    for scheduler in schedulers:
        scheduler.start()
    for scheduler in schedulers:
        scheduler.join()
    assert sorted(claim.person for claim in handed_out) == sorted(people)


def test_size_counts_everybody_once(index):
    index.wake([ANA, BEN], HOUSE_NOW)
    index.wake([CAM], HOUSE_NOW + MINUTE)
    [claim, _other] = index.claim(HOUSE_NOW, 10)
    index.begin(claim)
    assert index.size() == 3


def test_an_entry_of_the_due_index_costs_less_than_200_bytes(index, client, keys):
    people = [Reference(f"Patient/{uuid4()}") for _ in range(5000)]
    index.wake(people, HOUSE_NOW)
    assert client.memory_usage(keys.due, samples=0) / len(people) <= 200


class Mornings(RuleBasedStateMachine):
    """Wake-ups, claims, work, crashes and failures in any order, held against what people are owed."""

    url: str

    @initialize()
    def start(self):
        self.client = connect(self.url)
        self.keys = Keys(prefix=f"{uuid4()}:")
        self.index = RedisWorkIndex(self.client, self.keys)
        self.ended = 0
        self.now = HOUSE_NOW
        self.owed: dict[str, object] = {}  # woken, and no work has begun since: person -> due
        self.claims: list[Claim] = []  # handed out, perhaps stale
        self.work: dict[str, Claim] = {}  # being worked on with a live lease
        self.dead: list[Claim] = []  # begun by a worker that stopped; its lease has ended
        self.scheduled: dict[str, object] = {}

    people = st.sampled_from([ANA, BEN, CAM])
    minutes = st.integers(-3, 5)

    @rule(person=people, minutes=minutes)
    def wake(self, person, minutes):
        at = self.now + minutes * MINUTE
        self.index.wake([person], at)
        self.owed[person] = min(at, self.owed.get(person, at))

    @rule(minutes=st.integers(0, 5))
    def time_passes(self, minutes):
        self.now += minutes * MINUTE

    @rule(limit=st.integers(0, 3))
    def claim(self, limit):
        self.hand_out(self.index.claim(self.now, limit))

    @rule(limit=st.integers(0, 3))
    def claim_and_lose_the_message(self, limit):
        for claim in self.index.claim(self.now, limit):
            self.lease_ends(claim)

    def lease_ends(self, claim):
        """As if its lease had been given long ago; returns the claim as its holder then knows it."""
        self.ended += 1
        self.client.zadd(self.keys.claims, {claim.person: self.ended})
        return Claim(person=claim.person, token=str(self.ended))

    def hand_out(self, claims):
        for claim in claims:
            assert claim.person not in self.work, "one person, two workers"
        assert len({c.person for c in claims}) == len(claims)
        self.claims += claims

    @rule(data=st.data())
    def begin(self, data):
        if self.claims:
            claim = data.draw(st.sampled_from(self.claims))
            work = self.index.begin(claim)
            if work is not None:
                assert claim.person not in self.work, "one person, two workers"
                self.work[claim.person] = work
                self.owed.pop(claim.person, None)
                self.scheduled.pop(claim.person, None)

    @rule(data=st.data())
    def begin_and_die(self, data):
        if self.claims:
            claim = data.draw(st.sampled_from(self.claims))
            work = self.index.begin(claim)
            if work is not None:
                self.dead.append(self.lease_ends(work))
                self.owed[claim.person] = self.now  # never finished: somebody must look again

    @rule(data=st.data(), minutes=st.one_of(st.none(), minutes))
    def finish(self, data, minutes):
        if self.work:
            person = data.draw(st.sampled_from(sorted(self.work)))
            due = None if minutes is None else self.now + minutes * MINUTE
            self.index.finish(self.work.pop(person), due)
            if due is not None:
                self.owed[person] = min(due, self.owed.get(person, due))

    @rule(data=st.data())
    def back_off(self, data):
        if self.work:
            person = data.draw(st.sampled_from(sorted(self.work)))
            self.index.back_off(self.work.pop(person), timedelta(0))
            self.owed[person] = self.now

    @rule(data=st.data())
    def a_dead_worker_returns_when_somebody_else_has_taken_over(self, data):
        if self.dead:
            ghost = data.draw(st.sampled_from(self.dead))
            if ghost.person in self.work:
                self.index.finish(ghost, None)
                self.index.back_off(ghost, MINUTE)

    @invariant()
    def everybody_owed_a_look_is_known(self):
        if hasattr(self, "index"):
            assert self.index.size() >= len(set(self.owed) | set(self.work))

    def teardown(self):
        if not hasattr(self, "index"):
            return
        for work in self.work.values():
            self.index.finish(work, None)
        for claim in self.claims:  # messages still under way are delivered, late
            begun = self.index.begin(claim)
            if begun is not None:
                self.index.finish(begun, None)
                self.owed.pop(claim.person, None)
        late = self.now + 100 * MINUTE
        for claim in self.index.claim(late, 100):
            begun = self.index.begin(claim)
            assert begun is not None
            self.index.finish(begun, None)
            self.owed.pop(claim.person, None)
        self.client.close()
        assert self.owed == {}, "somebody was forgotten"


def test_whatever_happens_in_whatever_order_nobody_is_lost_or_worked_on_twice(valkey):
    machine = type("MorningsHere", (Mornings,), {"url": valkey.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
