"""When each sender of messages was heard of last, for whoever shows it: workers know who may send, schedulers show it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from service.fhir.subscription_marks import SENDERS, heard_mark, sender_mark
from service.ports import Watermarks


def note_senders(names: Iterable[str], marks: Watermarks, now: datetime) -> None:
    """Remember who may send, and since when each has been listed; whoever is no longer listed is forgotten."""
    before = _listed(marks.get(SENDERS))
    listed = {name: before.get(name, now.isoformat()) for name in sorted(names)}
    if listed != before:
        marks.set(SENDERS, json.dumps(listed))


def last_heard(marks: Watermarks) -> dict[str, datetime]:
    """By sender: when it was heard of last; since when it has been listed, where it never was."""
    return {
        name: datetime.fromisoformat(marks.get(heard_mark(sender_mark(name))) or since)
        for name, since in _listed(marks.get(SENDERS)).items()
    }


def _listed(mark: str | None) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(mark or "{}")
    return found
