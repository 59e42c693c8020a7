"""Clocks: aware, in the site's zone, and one that several processes share through a file."""

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.adapters.clocks import ClockFileProblem, FileClock, SystemClock, set_clock
from tests.sandbox import HOUSE_NOW

DENVER = ZoneInfo("America/Denver")


def test_the_system_clock_speaks_in_the_zone_of_the_site():
    assert SystemClock(DENVER).now().tzinfo is DENVER


def test_a_file_clock_stands_until_the_file_is_written_again(tmp_path):
    clock = FileClock(tmp_path / "clock", DENVER)
    set_clock(tmp_path / "clock", HOUSE_NOW)
    assert clock.now() == clock.now() == HOUSE_NOW
    set_clock(tmp_path / "clock", HOUSE_NOW + timedelta(days=3))
    assert clock.now() == HOUSE_NOW + timedelta(days=3)
    assert clock.now().utcoffset() == timedelta(hours=-6)  # the clocks changed on the Sunday between
    assert list(tmp_path.iterdir()) == [tmp_path / "clock"]


def test_with_a_rate_time_runs_from_the_moment_the_file_was_written(tmp_path):
    path = tmp_path / "clock"
    set_clock(path, HOUSE_NOW, rate=3600)
    written = path.stat().st_mtime - 60
    os.utime(path, (written, written))
    passed = FileClock(path).now() - HOUSE_NOW
    assert timedelta(hours=60) <= passed < timedelta(hours=70)


def test_a_machine_clock_that_jumped_back_does_not_turn_time_back(tmp_path):
    path = tmp_path / "clock"
    set_clock(path, HOUSE_NOW, rate=60)
    future = path.stat().st_mtime + 1000
    os.utime(path, (future, future))
    assert FileClock(path).now() == HOUSE_NOW


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-03-06T16:30:00", "2026-03-06T16:30:00Z\nrate=fast"])
def test_a_file_that_is_no_clock_says_what_it_should_hold(tmp_path, text):
    path = tmp_path / "clock"
    path.write_text(text)
    with pytest.raises(ClockFileProblem) as problem:
        FileClock(path).now()
    assert str(problem.value) == (
        f"The clock file {path} cannot be read as a time. Its first line must be an instant such as"
        " 2026-03-06T16:30:00-07:00, its second may be rate=60."
    )


def test_a_missing_file_is_the_same_problem(tmp_path):
    with pytest.raises(ClockFileProblem):
        FileClock(tmp_path / "none").now()


def test_a_naive_instant_is_refused(tmp_path):
    with pytest.raises(ValueError, match="UTC offset"):
        set_clock(tmp_path / "clock", datetime(2026, 3, 6))
