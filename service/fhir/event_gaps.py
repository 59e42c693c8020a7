"""Event numbers of topic-based subscriptions: which have come, which are missing, and since when.

Several rounds may run at once and overwrite each other's marks. Each writes only what it saw or found written, so a
number may be asked for twice, and none is ever taken to have come that did not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.fhir.notifications import Kind, Parsed
from service.fhir.subscription_marks import GAPS, events_mark, missing_mark
from service.ports import Watermarks

MOST_RANGES = 100
"""More than these are kept as one range around them all: asking for too much does no harm."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Consecutive event numbers that have not come, and when that was noticed."""

    first: int
    last: int
    noticed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What is known of one subscription's events."""

    highest: int | None = None
    """None: none was counted yet."""
    missing: tuple[Missing, ...] = ()


def counted(before: Numbers, parsed: Sequence[Parsed], now: datetime) -> Numbers:
    """What is known after these notifications, taken together so that 23 before 22 is no gap.

    A handshake that counts less begins the count again. A count that merely falls back is a late copy, or a sender that
    counts in memory: then only the sweep can tell what is missing.
    """
    numbers = {number for each in parsed for number in each.numbers}
    counts = numbers | {each.since for each in parsed if each.since is not None}
    if not counts:
        return before
    highest, missing = before.highest, before.missing
    began = [each.since for each in parsed if each.kind is Kind.HANDSHAKE and each.since is not None]
    if began and highest is not None and min(began) < highest:
        highest, missing = min(began), ()
    newest = max(counts)
    if highest is None:
        highest = min(numbers, default=newest)  # what came before we began to count is none of ours
    missing = (*missing, *_between(highest, newest, numbers, now))
    return Numbers(highest=max(newest, highest), missing=_bounded(without(missing, numbers)))


def without(missing: Iterable[Missing], numbers: Iterable[int]) -> tuple[Missing, ...]:
    """The ranges without these numbers."""
    left = list(missing)
    for number in numbers:
        left = [part for each in left for part in _split(each, number)]
    return tuple(left)


class Gaps:
    """The missing numbers of every subscription that one round has to do with."""

    def __init__(self, marks: Watermarks, now: datetime, grace: timedelta) -> None:
        """`grace`: how long a number may still be on its way before it is asked for."""
        self._marks, self._now, self._grace = marks, now, grace
        self._known: dict[str, Numbers] = {}
        self._reminders = _reminders(marks.get(GAPS))
        self._again: dict[str, datetime] = {}

    @property
    def due(self) -> list[str]:
        """Subscriptions of which something is to be asked for now."""
        reminded = {name for name, at in self._reminders.items() if at <= self._now}
        return sorted(name for name in reminded | set(self._known) if self.overdue(name))

    def note(self, name: str, parsed: Sequence[Parsed]) -> bool:
        """Count the numbers of these notifications; whether some are newly missing."""
        before = self._numbers(name)
        self._known[name] = counted(before, parsed, self._now)
        return bool(set(self._known[name].missing) - set(before.missing))

    def overdue(self, name: str) -> tuple[Missing, ...]:
        """What has been missing for longer than the grace."""
        return tuple(
            each for each in self._numbers(name).missing if each.noticed_at + self._grace <= self._now
        )

    def came(self, name: str, numbers: Iterable[int]) -> None:
        """These were recovered."""
        known = self._numbers(name)
        self._known[name] = replace(known, missing=without(known.missing, numbers))

    def closed(self, name: str) -> None:
        """Everything that was overdue has been found in the record itself."""
        known, over = self._numbers(name), set(self.overdue(name))
        self._known[name] = replace(known, missing=tuple(e for e in known.missing if e not in over))

    def stays(self, name: str, again_after: timedelta) -> None:
        """It could not be closed now."""
        self._again[name] = self._now + again_after

    def leave(self) -> None:
        """Write down what is known now."""
        reminders = dict(self._reminders)
        for name, known in self._known.items():
            if known.highest is not None:
                self._marks.set(events_mark(name), str(known.highest))
            self._set(missing_mark(name), _written(known.missing), "[]")
            reminders.pop(name, None)
            if known.missing:
                due = min(each.noticed_at for each in known.missing) + self._grace
                reminders[name] = max(due, self._again.get(name, due))
        for name in set(reminders) - set(self._known):
            if name in self._again:
                reminders[name] = self._again[name]
            elif not self._numbers(name).missing:
                del reminders[name]  # somebody else has closed it
        self._set(GAPS, json.dumps({name: at.isoformat() for name, at in sorted(reminders.items())}), "{}")

    def _set(self, name: str, value: str, nothing: str) -> None:
        if value != (self._marks.get(name) or nothing):
            self._marks.set(name, value)

    def _numbers(self, name: str) -> Numbers:
        if name not in self._known:
            mark = self._marks.get(events_mark(name))
            return Numbers(
                highest=int(mark) if mark and mark.isdigit() else None,
                missing=_read(self._marks.get(missing_mark(name))),
            )
        return self._known[name]


def gaps_are_due(mark: str | None, now: datetime) -> bool:
    """Whether a worker has to ask for missing numbers, from the reminder alone."""
    return any(at <= now for at in _reminders(mark).values())


def _between(known: int, newest: int, came: set[int], now: datetime) -> Iterable[Missing]:
    expected = known + 1
    for number in sorted(number for number in came if known < number <= newest):
        if number > expected:
            yield Missing(first=expected, last=number - 1, noticed_at=now)
        expected = number + 1
    if expected <= newest:
        yield Missing(first=expected, last=newest, noticed_at=now)


def _split(missing: Missing, number: int) -> Iterable[Missing]:
    if not missing.first <= number <= missing.last:
        yield missing
        return
    if missing.first < number:
        yield replace(missing, last=number - 1)
    if number < missing.last:
        yield replace(missing, first=number + 1)


def _bounded(missing: tuple[Missing, ...]) -> tuple[Missing, ...]:
    if len(missing) <= MOST_RANGES:
        return missing
    return (
        Missing(
            first=min(each.first for each in missing),
            last=max(each.last for each in missing),
            noticed_at=min(each.noticed_at for each in missing),
        ),
    )


def _written(missing: Iterable[Missing]) -> str:
    return json.dumps([[each.first, each.last, each.noticed_at.isoformat()] for each in missing])


def _read(mark: str | None) -> tuple[Missing, ...]:
    try:
        return tuple(
            Missing(first=int(first), last=int(last), noticed_at=datetime.fromisoformat(at))
            for first, last, at in json.loads(mark or "[]")
        )
    except (ValueError, TypeError):
        return ()


def _reminders(mark: str | None) -> dict[str, datetime]:
    try:
        return {str(name): datetime.fromisoformat(at) for name, at in json.loads(mark or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}
