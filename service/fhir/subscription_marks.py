"""What is remembered about a subscription between notifications: when it was heard, its event numbers, its errors.

Pure; names of watermarks and what follows from a series of notifications. Decides nothing about people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from service.fhir.canary import HEARD, heard_with
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


def missing_mark(name: str) -> str:
    """Watermark: event numbers that have not come yet, `[[first, last, noticed at], …]`."""
    return f"missing:{name}"


def known_mark(name: str) -> str:
    """Watermark: the Subscription on the server when it was last seen there, `Subscription/id`."""
    return f"known:{name}"


def active_mark(name: str) -> str:
    """Watermark: since when it has been seen to be active, ISO instant; empty while it is not."""
    return f"active:{name}"


def unheard_mark(name: str) -> str:
    """Watermark: when the record changed, by its own clock, without anything being told."""
    return f"unheard:{name}"


def mended_mark(name: str) -> str:
    """Watermark: how often in a row it was asked for again, and when last: `{"times": n, "at": …}`."""
    return f"mended:{name}"


GAPS = "gaps"
"""Watermark: which subscriptions have numbers missing and when to ask for them, `{name: ISO instant}`.

Only a reminder: what is missing stands in each subscription's own mark, and the sweep finds it in any case."""
LISTENING = "listening"
"""Watermark: how all subscriptions and the canary stood when they were last looked at, for whoever shows it."""
COVERAGE = "coverage"
"""Watermark: how many of those who should be on a pathway are, when it was last counted."""

SENDERS = "senders"
"""Watermark: who may send messages, and since when each has been listed, `{name: ISO instant}`."""


def errors_of(parsed: Sequence[Parsed]) -> str | None:
    """The errors that stand after these notifications; None when none of them can say."""
    told = [each for each in parsed if each.kind not in {Kind.PING, Kind.RESOURCE_CHANGE}]
    return " ".join(told[-1].errors) if told else None


def sender_mark(name: str) -> str:
    """What a sender of messages is called among the marks of subscriptions; no subscription can have this name."""
    return f"sender {name}"


def marks_after(
    name: str,
    parsed: Sequence[Parsed],
    now: datetime,
    mark: Callable[[str], str | None],
    *,
    is_canary: bool = False,
) -> dict[str, str]:
    """What is to be remembered about a subscription after these notifications of it; `mark` gives what is known."""
    marks = {heard_mark(name): now.isoformat()}
    if any(each.kind is Kind.HANDSHAKE for each in parsed):
        marks[handshake_mark(name)] = now.isoformat()
    errors = errors_of(parsed)
    if errors is not None and errors != (mark(errors_mark(name)) or ""):
        marks[errors_mark(name)] = errors
    for version in _versions(parsed) if is_canary else ():
        marks[HEARD] = heard_with(marks.get(HEARD) or mark(HEARD), version, now)
    return marks


def _versions(parsed: Sequence[Parsed]) -> list[str | None]:
    """One for each change that these notifications tell of; None where they do not say which version."""
    told = [each for each in parsed if each.kind not in {Kind.HANDSHAKE, Kind.HEARTBEAT}]
    return [version for each in told for version in ([change.version for change in each.changes] or [None])]
