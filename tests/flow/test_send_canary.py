"""The canary: one marked resource about nobody, whose notification must come back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fhir.resources.R4B.basic import Basic

from service.adapters.memory_record import InMemoryRecord
from service.fhir.canary import HEARD, MARK, heard_with
from service.fhir.references import version_of
from service.flow.send_canary import PATIENCE, Flight, canary_state, send_canary
from service.ports import RecordUnavailable
from tests.fakes import FakeWatermarks, ManualClock

EVERY = timedelta(minutes=5)


class Site:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.record = InMemoryRecord(self.clock)
        self.marks = FakeWatermarks()

    def send(self) -> None:
        send_canary(self.record, self.marks, "cafe", self.clock.now(), every=EVERY)

    def hears(self, version: str | None = "newest") -> None:
        said = version_of(self.canary) if version == "newest" else version
        self.marks.set(HEARD, heard_with(self.marks.get(HEARD), said, self.clock.now()))

    def state(self):
        return canary_state(self.marks, self.clock.now(), is_sent=True)

    @property
    def canary(self):
        [found] = [r for r in self.record.everything() if r["resourceType"] == "Basic"]
        return found


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_canary_is_about_nobody_says_what_it_is_and_is_valid(site) -> None:
    site.send()

    Basic.model_validate(site.canary)
    assert not {"subject", "author"} & set(site.canary)
    assert site.canary["code"]["text"].startswith("Throughline's canary: about nobody.")
    assert site.canary["identifier"] == [
        {"system": "https://throughline.example/fhir/identifier/canary", "value": "cafe"}
    ]


def test_it_is_away_then_back_then_sent_again_in_its_time(site) -> None:
    site.send()
    assert site.state().flight is Flight.AWAY
    site.clock.move(seconds=3)
    site.hears()
    state = site.state()
    assert (state.flight, state.seconds, state.says) == (Flight.BACK, 3.0, "it came back after 3.0 seconds")

    site.send()
    assert version_of(site.canary) == "1"
    site.clock.move(minutes=5)
    site.send()
    assert version_of(site.canary) == "2"
    assert site.state().flight is Flight.AWAY


def test_one_that_does_not_come_back_is_lost_and_another_is_sent(site) -> None:
    site.send()
    site.clock.move(seconds=PATIENCE.total_seconds() + 1)
    state = site.state()
    assert (state.flight, state.says) == (
        Flight.LOST,
        "none has come back for 2 minutes: the server's notifications do not arrive here",
    )

    site.send()
    assert site.state().flight is Flight.LOST  # until one comes back, however many are sent
    site.clock.move(minutes=10)
    site.send()
    assert site.state().says.startswith("none has come back for 12 minutes")
    site.hears()
    assert site.state().flight is Flight.BACK
    site.clock.move(minutes=6)
    site.send()
    assert site.state().flight is Flight.AWAY


def test_an_older_one_that_comes_late_is_not_the_one_that_was_sent(site) -> None:
    site.send()
    site.hears()
    site.state()
    site.clock.move(minutes=6)
    site.send()
    site.hears("1")

    assert site.state().flight is Flight.AWAY


def test_a_notification_may_overtake_its_own_sending(site) -> None:
    site.hears("1")
    site.clock.move(seconds=1)
    site.send()

    assert (site.state().flight, site.state().seconds) == (Flight.BACK, 0.0)


def test_a_sender_that_tells_no_version_is_taken_at_its_word(site) -> None:
    site.hears(None)
    site.clock.move(seconds=1)
    site.send()
    assert site.state().flight is Flight.AWAY

    site.hears(None)
    assert site.state().flight is Flight.BACK


def test_many_late_copies_do_not_push_out_the_one_that_counts_at_once(site) -> None:
    site.send()
    site.hears()
    for _ in range(5):
        site.hears("0")

    assert site.state().flight is Flight.BACK


def test_when_redis_was_emptied_the_one_that_is_there_is_changed_so_that_it_is_told(site) -> None:
    site.send()
    site.marks.marks.clear()
    site.clock.move(seconds=1)
    site.send()

    assert version_of(site.canary) == "2"
    assert site.state().flight is Flight.AWAY


def test_one_that_was_tidied_away_is_made_anew(site) -> None:
    site.send()
    site.record.delete(f"Basic/{site.canary['id']}")
    site.clock.move(minutes=6)
    site.send()

    assert version_of(site.canary) == "1"


def test_a_record_that_does_not_answer_leaves_everything_as_it_was(site) -> None:
    site.send()
    before = dict(site.marks.marks)
    site.clock.move(minutes=6)

    class Down(InMemoryRecord):
        def read(self, reference):
            raise RecordUnavailable("down")

    with pytest.raises(RecordUnavailable):
        send_canary(Down(site.clock), site.marks, "cafe", site.clock.now(), every=EVERY)
    assert site.marks.marks == before


def test_where_none_is_sent_none_is_missed(site) -> None:
    site.send()
    site.clock.move(hours=1)

    assert canary_state(site.marks, site.clock.now(), is_sent=False).flight is Flight.OFF
    site.marks.set(MARK, "not ours")
    assert site.state().flight is Flight.OFF
