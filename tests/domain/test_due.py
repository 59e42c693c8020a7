"""Due times on the clock of the site, over weekends, holidays, closing time and daylight-saving changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from service.domain.due import Unit, Within, WorkingCalendar, due_at
from tests.domain.builders import CALENDAR, DENVER, HOLIDAY, NOW, local

# Clocks go forward on Sunday 2026-03-08 at 2:00 and back on Sunday 2026-11-01 at 2:00.
TABLE = [
    ("minutes are elapsed", "2026-03-06 16:30", 45, "minutes", "2026-03-06T17:15-07:00"),
    ("hours are elapsed", "2026-03-06 16:30", 24, "hours", "2026-03-07T16:30-07:00"),
    ("hours over the spring change", "2026-03-07 16:30", 24, "hours", "2026-03-08T17:30-06:00"),
    ("hours over the autumn change", "2026-10-31 16:30", 24, "hours", "2026-11-01T15:30-07:00"),
    ("minutes into the gap of spring", "2026-03-08 01:45", 30, "minutes", "2026-03-08T03:15-06:00"),
    ("minutes into the hour of autumn that comes twice", "2026-11-01 01:45", 30, "minutes",
     "2026-11-01T01:15-07:00"),
    ("days end with the local day", "2026-03-06 16:30", 1, "days", "2026-03-07T23:59:59-07:00"),
    ("no days is the end of today", "2026-03-06 16:30", 0, "days", "2026-03-06T23:59:59-07:00"),
    ("days over the spring change", "2026-03-06 16:30", 2, "days", "2026-03-08T23:59:59-06:00"),
    ("days over the autumn change", "2026-10-31 16:30", 1, "days", "2026-11-01T23:59:59-07:00"),
    ("weeks end with the local day", "2026-03-06 16:30", 1, "weeks", "2026-03-13T23:59:59-06:00"),
    ("working hours within a day", "2026-03-05 09:00", 4, "working-hours", "2026-03-05T13:00-07:00"),
    ("working hours up to closing time", "2026-03-05 13:00", 4, "working-hours", "2026-03-05T17:00-07:00"),
    ("working hours over the weekend", "2026-03-06 16:30", 2, "working-hours", "2026-03-09T09:30-06:00"),
    ("working hours from before opening", "2026-03-05 05:00", 1, "working-hours", "2026-03-05T09:00-07:00"),
    ("working hours from after closing", "2026-03-06 18:00", 1, "working-hours", "2026-03-09T09:00-06:00"),
    ("working hours over several days", "2026-03-02 08:00", 20, "working-hours", "2026-03-04T10:00-07:00"),
    ("no working hours, outside hours", "2026-03-07 12:00", 0, "working-hours", "2026-03-09T08:00-06:00"),
    ("the same working day before closing", "2026-03-06 16:30", 0, "working-days", "2026-03-06T17:00-07:00"),
    ("the same working day at closing", "2026-03-06 17:00", 0, "working-days", "2026-03-09T17:00-06:00"),
    ("the same working day after closing", "2026-03-06 18:00", 0, "working-days", "2026-03-09T17:00-06:00"),
    ("a working day over the weekend", "2026-03-06 16:30", 1, "working-days", "2026-03-09T17:00-06:00"),
    ("a working day from a Saturday", "2026-03-07 12:00", 1, "working-days", "2026-03-09T17:00-06:00"),
    ("five working days", "2026-03-06 09:00", 5, "working-days", "2026-03-13T17:00-06:00"),
    ("a working year and a half", "2026-03-06 09:00", 400, "working-days", "2027-09-17T17:00-06:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "count", "unit", "due"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_due_times(start: str, count: int, unit: str, due: str):
    assert due_at(local(start), Within(count=count, unit=Unit(unit)), CALENDAR) == datetime.fromisoformat(due)


def test_a_due_time_is_told_on_the_clock_of_the_site():
    due = due_at(datetime(2026, 3, 8, 8, 0, tzinfo=UTC), Within(count=1, unit=Unit.HOURS), CALENDAR)

    assert due.isoformat() == "2026-03-08T03:00:00-06:00"


@pytest.mark.parametrize("unit", list(Unit))
def test_the_zone_in_which_the_start_is_written_does_not_matter(unit: Unit):
    late_evening = local("2026-03-06 23:30")  # already tomorrow in UTC
    dues = {
        due_at(start_at, Within(count=1, unit=unit), CALENDAR)
        for start_at in (late_evening, late_evening.astimezone(UTC), late_evening.astimezone(timezone(timedelta(hours=9))))
    }  # fmt: skip

    assert len(dues) == 1


def test_a_holiday_is_not_a_working_day():
    calendar = replace(CALENDAR, holidays=frozenset({HOLIDAY}))

    assert due_at(NOW, Within(count=1, unit=Unit.WORKING_DAYS), calendar) == local("2026-03-10 17:00")
    assert due_at(NOW, Within(count=1, unit=Unit.WORKING_HOURS), calendar) == local("2026-03-10 08:30")
    after_hours = local("2026-03-06 17:30")
    assert due_at(after_hours, Within(count=0, unit=Unit.WORKING_DAYS), calendar) == local("2026-03-10 17:00")


def test_a_holiday_does_not_stop_the_clock_on_the_wall():
    calendar = replace(CALENDAR, holidays=frozenset({HOLIDAY}))

    assert due_at(NOW, Within(count=3, unit=Unit.DAYS), calendar) == local("2026-03-09 23:59:59")


def test_a_night_shift_over_the_spring_change_has_one_hour_less():
    calendar = WorkingCalendar(timezone=DENVER, hours={6: (time(0), time(8))})

    due = due_at(local("2026-03-07 12:00"), Within(count=7, unit=Unit.WORKING_HOURS), calendar)

    assert due == local("2026-03-08 08:00")


def test_both_passes_through_the_hour_that_comes_twice_count_as_working_time():
    calendar = WorkingCalendar(timezone=DENVER, hours={6: (time(0), time(8))})
    second_pass = local("2026-11-01 01:30").replace(fold=1)

    due = due_at(second_pass, Within(count=1, unit=Unit.WORKING_HOURS), calendar)

    assert due == datetime.fromisoformat("2026-11-01T02:30-07:00")


def test_due_times_in_the_hour_that_comes_twice_compare_as_instants():
    # Two datetimes of one ZoneInfo compare by the wall clock and forget which of the two passes they are in.
    early = due_at(local("2026-11-01 00:45"), Within(count=60, unit=Unit.MINUTES), CALENDAR)
    late = due_at(local("2026-11-01 00:30"), Within(count=120, unit=Unit.MINUTES), CALENDAR)

    assert early < late
    assert late - early == timedelta(minutes=45)
    assert late == datetime.fromisoformat(late.isoformat()), "and equal what the record gives back"


@pytest.mark.parametrize("unit", [Unit.WORKING_HOURS, Unit.WORKING_DAYS])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_calendar_that_never_opens_is_an_error_and_not_an_endless_search(unit: Unit, count: int):
    closed = WorkingCalendar(timezone=DENVER)

    with pytest.raises(ValueError, match="no opening hours in the 400 days"):
        due_at(NOW, Within(count=count, unit=unit), closed)


def test_lengths_of_time_read_as_the_file_says_them():
    assert str(Within(count=72, unit=Unit.HOURS)) == "72 hours"
    assert str(Within(count=0, unit=Unit.WORKING_DAYS)) == "same working day"
