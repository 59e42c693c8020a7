"""Changes one resource about nobody and waits for its notification: the only proof that the whole way works.

A server may say that a subscription is active and send nothing, and a quiet night looks the same from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.fhir.canary import (
    HEARD,
    MARK,
    Canary,
    back_at,
    canary_kept,
    canary_mark,
    canary_resource,
    canary_write,
)
from service.fhir.references import version_of
from service.ports import FhirRecord, NotInRecord, Watermarks, Write, Written

PATIENCE = timedelta(minutes=2)
"""How long it may be under way; servers that look for changes periodically take half a minute."""


class Flight(StrEnum):
    """How the canary stands."""

    OFF = "off"
    """None is sent: no subscription tells of it, or none is active."""
    AWAY = "away"
    BACK = "back"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class CanaryState:
    """How the canary stands, for people and metrics."""

    flight: Flight
    says: str = ""
    seconds: float | None = None
    """How long its notification took the last time it came back."""


def send_canary(
    record: FhirRecord, marks: Watermarks, value: str, now: datetime, *, every: timedelta
) -> None:
    """Send one when the last came back `every` ago, or was lost. RecordFailure when it cannot be written."""
    last = _last(marks)
    if last is not None and now - last.sent_at < (every if last.back_at else PATIENCE):
        return
    lost_since = last.lost_since or last.sent_at if last is not None and last.back_at is None else None
    written = _written(record, value, now, last)
    sent = Canary(reference=written.reference, version=written.version, sent_at=now, lost_since=lost_since)
    marks.set(MARK, canary_mark(sent))


def canary_state(marks: Watermarks, now: datetime, *, is_sent: bool) -> CanaryState:
    """Where the canary is; `is_sent` says whether any is sent at all."""
    last = _last(marks)
    if not is_sent or last is None:
        return CanaryState(flight=Flight.OFF, says="no canary is sent")
    if last.back_at is not None:
        took = (last.back_at - last.sent_at).total_seconds()
        return CanaryState(flight=Flight.BACK, says=f"it came back after {took:.1f} seconds", seconds=took)
    away = now - (last.lost_since or last.sent_at)
    if away <= PATIENCE:
        return CanaryState(flight=Flight.AWAY, says="it has been sent and not come back yet")
    minutes = away // timedelta(minutes=1)
    return CanaryState(
        flight=Flight.LOST,
        says=f"none has come back for {minutes} minutes: the server's notifications do not arrive here",
    )


def _last(marks: Watermarks) -> Canary | None:
    """The last one that was sent, with when it came back."""
    last = canary_kept(marks.get(MARK))
    if last is None or last.back_at is not None:
        return last
    came = back_at(last, marks.get(HEARD))
    if came is None:
        return last
    # A notification that overtook its own sending was back at once.
    back = replace(last, back_at=max(came, last.sent_at))
    marks.set(MARK, canary_mark(back))
    return back


def _written(record: FhirRecord, value: str, now: datetime, last: Canary | None) -> Written:
    if last is not None:
        try:
            before = record.read(last.reference)
        except NotInRecord:
            pass  # somebody tidied up; a new one takes its place
        else:
            changed = canary_resource(value, now, before)
            return record.update(
                Write(resource=changed, full_url=last.reference, if_match=version_of(before) or None)
            )
    written = record.create(canary_write(value, now))
    if written.created:
        return written
    # It was there before, e.g. when Redis was emptied: only a change is told.
    before = record.read(written.reference)
    changed = canary_resource(value, now, before)
    return record.update(
        Write(resource=changed, full_url=written.reference, if_match=version_of(before) or None)
    )
