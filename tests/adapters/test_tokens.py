"""Access tokens under load: one renewal however many ask, old ones used while they are good, failures paced."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from service.adapters.fhir.tokens import (
    FIRST_PAUSE,
    JUST_ISSUED,
    LONGEST_PAUSE,
    NoToken,
    Token,
    TokenSource,
)


class Watch:
    now = 1000.0

    def __call__(self):
        return self.now


class Issuer:
    """Gives `t1`, `t2` …; waits for `may_go_on` when told to."""

    def __init__(self, lifetime=100.0):
        self.lifetime, self.calls, self.fails = lifetime, 0, False
        self.may_go_on, self.asked = Event(), Event()
        self.may_go_on.set()

    def __call__(self):
        self.calls += 1
        self.asked.set()
        assert self.may_go_on.wait(30)
        if self.fails:
            raise NoToken("The token server gave no token (500, no reason). Try again later.", status=500)
        return Token(value=f"t{self.calls}", lifetime=self.lifetime)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def source(issuer, watch):
    return TokenSource(issuer, monotonic=watch)


def ask_at_once(source, threads=24):
    barrier = Barrier(threads)

    def ask(_):
        barrier.wait(30)
        try:
            return source.token()
        except NoToken as failure:
            return str(failure)

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(ask, range(threads)))


def test_many_threads_that_ask_at_once_cause_one_request(source, issuer):
    assert ask_at_once(source) == {"t1": 24}
    assert issuer.calls == 1


def test_a_token_is_used_until_most_of_its_life_is_over(source, issuer, watch):
    source.token()
    watch.now += 79
    assert source.token() == "t1"
    watch.now += 2
    assert source.token() == "t2"


def test_while_one_renews_early_nobody_waits(source, issuer, watch):
    source.token()
    watch.now += 85
    issuer.may_go_on.clear()
    issuer.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(source.token)
        assert issuer.asked.wait(30)
        assert [source.token() for _ in range(5)] == ["t1"] * 5
        issuer.may_go_on.set()
        assert renewing.result(30) == "t2"
    assert issuer.calls == 2


def test_a_token_that_has_ended_is_never_used_again(source, issuer, watch):
    source.token()
    watch.now += 101
    assert ask_at_once(source) == {"t2": 24}


def test_a_renewal_that_fails_early_does_no_harm_and_is_not_tried_at_every_request(source, issuer, watch):
    source.token()
    watch.now += 85
    issuer.fails = True
    assert [source.token() for _ in range(10)] == ["t1"] * 10
    assert issuer.calls == 2


def test_when_there_is_no_token_all_are_told_the_same_and_the_server_is_asked_once(source, issuer):
    issuer.fails = True
    said = ask_at_once(source)
    assert said == {"The token server gave no token (500, no reason). Try again later.": 24}
    assert issuer.calls == 1


def test_failures_are_tried_again_more_and_more_slowly_and_a_success_ends_that(source, issuer, watch):
    issuer.fails = True
    pauses = [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    for pause in pauses:
        with pytest.raises(NoToken):
            source.token()
        before = issuer.calls
        watch.now += pause * 0.9
        with pytest.raises(NoToken):
            source.token()
        assert issuer.calls == before
        watch.now += pause * 0.2
    watch.now += LONGEST_PAUSE
    issuer.fails = False
    assert source.token() == f"t{issuer.calls}"


def test_a_refused_token_is_replaced_once_however_many_were_refused(source, issuer, watch):
    source.token()
    watch.now += JUST_ISSUED + 1
    assert [source.refused("t1") for _ in range(5)] == [True] * 5
    assert ask_at_once(source) == {"t2": 24}
    assert source.refused("t1")
    assert source.token() == "t2"


def test_a_token_refused_as_soon_as_it_was_issued_is_not_asked_for_again_and_again(source, issuer):
    source.token()
    assert not source.refused("t1")
    assert source.token() == "t1"
    assert issuer.calls == 1


@pytest.mark.parametrize("lifetime", [0.5, 1.0, 5.0, 10.0])
def test_a_short_life_is_used_at_least_half(watch, lifetime):
    source = TokenSource(Issuer(lifetime), monotonic=watch)
    source.token()
    watch.now += lifetime * 0.45
    assert source.token() == "t1"
    watch.now += lifetime
    assert source.token() == "t2"


def test_neither_a_token_nor_its_source_shows_what_it_holds(source):
    source.token()
    assert "t1" not in repr(source)
    assert "hush" not in repr(Token(value="hush", lifetime=1))
