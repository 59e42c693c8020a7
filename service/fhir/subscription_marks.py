"""What is remembered about a subscription between notifications: when it was heard, its event numbers, its errors.

Pure; names of watermarks and what follows from a series of notifications. Decides nothing about people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.fhir.notifications import Kind, Parsed


def heard_mark(name: str) -> str:
    """Watermark: when the subscription was last heard of, ISO instant."""
    return f"heard:{name}"


def handshake_mark(name: str) -> str:
    """Watermark: when the server last shook hands, ISO instant."""
    return f"handshake:{name}"


def events_mark(name: str) -> str:
    """Watermark: highest event number seen."""
    return f"events:{name}"


def errors_mark(name: str) -> str:
    """Watermark: error codes the server last gave for the subscription, separated by spaces; empty when none."""
    return f"errors:{name}"


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What the event numbers of one round say."""

    highest: int | None
    """The new mark; None when there is nothing to remember."""
    gap: bool
    """Numbers between the old mark and the new one are missing: notifications were lost, or are still on their way."""


def numbers_of(parsed: Sequence[Parsed], mark: str | None) -> Numbers:
    """Numbers of one round are taken together, so that 23 before 22 is no gap; `mark` is the one kept so far.

    A handshake begins the count again. A count that merely falls back is a late copy, or a sender that counts in
    memory: the mark stays.
    """
    numbers = {number for each in parsed for number in each.numbers}
    counts = numbers | {each.since for each in parsed if each.since is not None}
    if not counts:
        return Numbers(highest=None, gap=False)
    highest = max(counts)
    known = int(mark) if mark and mark.isdigit() else None
    shook = any(each.kind is Kind.HANDSHAKE for each in parsed)
    if known is None:
        return Numbers(highest=highest, gap=False)
    gap = highest > known + sum(number > known for number in numbers)
    return Numbers(highest=highest if shook or highest > known else None, gap=gap)


def errors_of(parsed: Sequence[Parsed]) -> str | None:
    """The errors that stand after these notifications; None when none of them can say."""
    told = [each for each in parsed if each.kind not in {Kind.PING, Kind.RESOURCE_CHANGE}]
    return " ".join(told[-1].errors) if told else None


def sender_mark(name: str) -> str:
    """What a sender of messages is called among the marks of subscriptions; no subscription can have this name."""
    return f"sender {name}"
