"""Event numbers: what has come, what is missing, and that no number is ever taken to have come that did not."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from service.fhir.event_gaps import MOST_RANGES, Gaps, Missing, Numbers, counted, gaps_are_due, without
from service.fhir.notifications import Kind, Parsed
from tests.fakes import FakeWatermarks

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
GRACE = timedelta(seconds=2)


def events(*numbers, since=None) -> Parsed:
    return Parsed(kind=Kind.EVENT, numbers=numbers, since=since)


def ranges(numbers: Numbers):
    return numbers.highest, [(each.first, each.last) for each in numbers.missing]


def test_counting_begins_with_what_comes_first() -> None:
    assert ranges(counted(Numbers(), [events(21)], NOW)) == (21, [])
    assert ranges(counted(Numbers(), [events(24), events(21)], NOW)) == (24, [(22, 23)])
    assert ranges(counted(Numbers(), [Parsed(kind=Kind.HEARTBEAT, since=310)], NOW)) == (310, [])


def test_one_round_is_taken_together() -> None:
    assert ranges(counted(Numbers(highest=21), [events(23), events(22)], NOW)) == (23, [])


def test_what_lies_between_is_missing_and_what_comes_late_is_not() -> None:
    after = counted(Numbers(highest=21), [events(25), events(23)], NOW)
    assert ranges(after) == (25, [(22, 22), (24, 24)])
    assert ranges(counted(after, [events(24)], NOW)) == (25, [(22, 22)])


def test_a_count_without_its_events_is_missing_too() -> None:
    heartbeat = Parsed(kind=Kind.HEARTBEAT, since=24)
    assert ranges(counted(Numbers(highest=21), [heartbeat], NOW)) == (24, [(22, 24)])


def test_a_handshake_that_counts_less_begins_anew_and_one_that_counts_more_shows_a_gap() -> None:
    again, on = Parsed(kind=Kind.HANDSHAKE, since=0), Parsed(kind=Kind.HANDSHAKE, since=305)
    before = counted(Numbers(highest=300), [events(302)], NOW)

    assert ranges(counted(before, [again, events(1)], NOW)) == (1, [])
    assert ranges(counted(before, [on], NOW)) == (305, [(301, 301), (303, 305)])


def test_a_count_that_falls_back_without_a_handshake_changes_nothing() -> None:
    assert ranges(counted(Numbers(highest=300), [events(1), events(2)], NOW)) == (300, [])


def test_notifications_without_numbers_say_nothing() -> None:
    before = Numbers(highest=3, missing=(Missing(first=2, last=2, noticed_at=NOW),))
    assert counted(before, [Parsed(kind=Kind.PING)], NOW) is before


def test_very_many_holes_are_kept_as_one_range_around_them() -> None:
    after = counted(Numbers(highest=0), [events(*range(2, 3 * MOST_RANGES, 2))], NOW)
    assert ranges(after) == (3 * MOST_RANGES - 2, [(1, 3 * MOST_RANGES - 3)])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=6), st.sets(st.integers(0, 40)))
def test_taking_numbers_out_of_ranges_takes_out_just_these(spans, numbers) -> None:
    missing = [Missing(first=first, last=first + length, noticed_at=NOW) for first, length in spans]

    def held(some):
        return {number for each in some for number in range(each.first, each.last + 1)}

    assert held(without(missing, numbers)) == held(missing) - numbers


def test_the_reminder_tells_when_to_ask_and_goes_when_all_is_there() -> None:
    marks = FakeWatermarks()
    gaps = Gaps(marks, NOW, GRACE)
    assert not gaps.note("a", [events(1)])
    assert gaps.note("a", [events(3)])
    gaps.leave()

    assert not gaps_are_due(marks.get("gaps"), NOW + timedelta(seconds=1))
    assert gaps_are_due(marks.get("gaps"), NOW + GRACE)
    assert Gaps(marks, NOW + timedelta(seconds=1), GRACE).due == []
    later = Gaps(marks, NOW + GRACE, GRACE)
    assert later.due == ["a"]
    later.came("a", [2])
    later.leave()
    assert marks.get("gaps") == "{}"


def test_a_reminder_of_what_somebody_else_has_closed_is_dropped() -> None:
    marks = FakeWatermarks({"gaps": f'{{"a": "{NOW.isoformat()}"}}', "missing:a": "[]", "events:a": "3"})
    gaps = Gaps(marks, NOW, GRACE)

    assert gaps.due == []
    gaps.leave()
    assert marks.get("gaps") == "{}"


def test_marks_that_are_not_ours_are_read_over() -> None:
    marks = FakeWatermarks({"gaps": "yesterday", "missing:a": "[[1]]", "events:a": "many"})
    gaps = Gaps(marks, NOW, GRACE)
    gaps.note("a", [events(5)])
    gaps.leave()

    assert marks.get("events:a") == "5"
    assert not gaps_are_due("[]", NOW)


class Round:
    """One of several workers: reads the marks, and writes them only later."""

    def __init__(self, marks, numbers) -> None:
        self.gaps = Gaps(marks, NOW, timedelta())
        self.gaps.note("a", [events(number) for number in numbers])


@given(
    st.permutations(range(1, 13)),
    st.sets(st.integers(1, 12)),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.integers(1, 4),
)
def test_however_rounds_overlap_no_number_is_forgotten_that_did_not_come(order, lost, leaves, size) -> None:
    """Whatever rounds overwrite of each other: when all have ended, each lost number counts as missing."""
    marks = FakeWatermarks({"events:a": "0"})
    came = [number for number in order if number not in lost] + [13]
    rounds = [came[at : at + size] for at in range(0, len(came), size)]
    running: list[Round] = []
    for numbers, leave in zip(rounds, leaves, strict=False):
        running.append(Round(marks, numbers))
        if leave:
            running.pop(0).gaps.leave()
    for each in running:
        each.gaps.leave()
    last = Gaps(marks, NOW, timedelta())
    last.note("a", [events(14)])  # the next one that comes
    known = last._numbers("a")
    missing = {number for each in known.missing for number in range(each.first, each.last + 1)}

    assert lost <= missing
    assert known.highest == 14
