"""The second step for messages that carry the data themselves: tell the record one after the other, wake whom each concerns.

In the order in which they came, because a later one may correct an earlier one. Must not decide what a message means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from service.domain.vocabulary import Reference
from service.fhir.messages.raw import is_message
from service.fhir.notifications import NotificationProblem
from service.fhir.parked import FAULT, NOT_TAKEN
from service.fhir.patient_links import Ambiguous
from service.fhir.subscription_marks import heard_mark, sender_mark
from service.ports import (
    Clock,
    Inbox,
    RawNotification,
    RecordFailure,
    RecordUnavailable,
    Watermarks,
    WorkIndex,
)

TellRecord = Callable[[RawNotification], Iterable[Reference]]
"""Puts into the record what a message tells; whom it concerns."""
Entries = Iterable[tuple[str, RawNotification]]


@dataclass(kw_only=True)
class Told:
    """What became of some messages; every one is finished, or parked, or waits in the inbox."""

    people: set[Reference] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)


def tell_messages(
    entries: Entries,
    tell: TellRecord,
    *,
    inbox: Inbox,
    index: WorkIndex,
    watermarks: Watermarks,
    clock: Clock,
    park: Callable[[str, str], None],
    trail: Callable[[Iterable[Reference], Mapping[str, str]], object],
) -> Told:
    """Those of the entries that are messages. `park` takes an entry and why; `trail`: whose wake-up follows which headers."""
    told = Told()
    for entry, raw in entries:
        if not is_message(raw):
            continue
        people = _tell(entry, raw, tell, told, park)
        trail(people, raw.headers)
        index.wake(people, clock.now())
        watermarks.set(heard_mark(sender_mark(raw.subscription)), clock.now().isoformat())
        inbox.done([] if entry in told.waiting else [entry])
    return told


def _tell(
    entry: str, raw: RawNotification, tell: TellRecord, told: Told, park: Callable[[str, str], None]
) -> list[Reference]:
    """Whom a message concerns, once the record says what it says; nobody when it waits or is parked."""
    if told.waiting:  # the record does not answer: the rest need not find that out one by one
        told.waiting.add(entry)
        return []
    try:
        people = list(tell(raw))
    except (NotificationProblem, Ambiguous) as problem:
        park(entry, str(problem))
    except RecordUnavailable:
        told.waiting.add(entry)
    except RecordFailure as failure:
        park(entry, NOT_TAKEN.format(failure.status or "no status"))
    except Exception as fault:  # ours to fix: told by its kind, never its text
        park(entry, FAULT.format(type(fault).__name__))
    else:
        told.people.update(people)
        return people
    return []
