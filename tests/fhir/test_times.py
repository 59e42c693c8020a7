"""FHIR dates and times in and out: partial dates, offsets, daylight-saving changes, and nonsense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.times import fhir_time, parse_time, spoken_time

DENVER = ZoneInfo("America/Denver")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2026", "2026-01-01T00:00:00-07:00"),
        ("2026-03", "2026-03-01T00:00:00-07:00"),
        ("2026-07-01", "2026-07-01T00:00:00-06:00"),
        ("2026-03-06T16:30:00-07:00", "2026-03-06T16:30:00-07:00"),
        ("2026-03-06T23:30:00Z", "2026-03-06T16:30:00-07:00"),
        ("2026-03-06T23:30:00.1234567Z", "2026-03-06T16:30:00.123456-07:00"),
        ("2026-03-06T23:30Z", "2026-03-06T16:30:00-07:00"),
        ("2026-03-06T16:30:00", "2026-03-06T16:30:00-07:00"),
        ("2026-06-30T23:59:60Z", "2026-06-30T18:00:00-06:00"),
    ],
)
def test_a_fhir_time_is_an_instant_and_a_partial_date_begins_in_the_site_s_zone(text, local):
    moment = parse_time(text, DENVER)

    assert moment is not None
    assert moment.astimezone(DENVER).isoformat() == local


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "06/03/2026", "20260306", "2026-13-01", "2026-02-30", "2026-03-06T25:00:00Z", "2026-W10-5",
     "2026-03-06T16:30:61Z", "2026-03-06 16:30", "2026-03-06T16:30:00+99:00", "0000", 2026, None, ["2026"], {}],
)  # fmt: skip
def test_what_is_no_fhir_time_is_none(value):
    assert parse_time(value, DENVER) is None


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_time_written_reads_back_as_the_same_instant(moment):
    for zone in (DENVER, ZoneInfo("Asia/Kathmandu"), ZoneInfo("Africa/Monrovia"), UTC):
        assert parse_time(fhir_time(moment, zone), UTC) == moment


@given(
    st.text(max_size=30) | st.from_regex(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2})?Z?)?)?)?", fullmatch=True)
)
def test_no_text_makes_it_raise(text):
    moment = parse_time(text, DENVER)

    assert moment is None or moment.utcoffset() is not None


def test_a_date_without_a_time_equals_its_instant_also_in_the_hour_that_comes_twice():
    twice = parse_time("2026-11-01T01:30:00", DENVER)

    assert twice == parse_time("2026-11-01T01:30:00-06:00", UTC)


def test_people_read_local_time_with_its_zone():
    moment = datetime(2026, 3, 8, 8, 59, tzinfo=UTC)

    assert spoken_time(moment, DENVER) == "Sun 8 Mar 2026, 01:59 MST"
    assert spoken_time(moment + timedelta(minutes=1), DENVER) == "Sun 8 Mar 2026, 03:00 MDT"
