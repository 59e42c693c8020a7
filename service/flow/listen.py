"""Are we still being told? Judges each subscription by what its server shows, what was heard and what the sweep saw.

Pure apart from the marks. A subscription that is deaf makes follow-up later, never wrong: the sweep finds every change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.fhir.subscription_kept import Kept
from service.fhir.subscription_marks import active_mark, errors_mark, heard_mark, known_mark, unheard_mark
from service.fhir.subscription_wanted import Wanted
from service.ports import Watermarks

TOLERANCE = timedelta(minutes=2)
"""How far our clock and the server's, or a notification and its change, may lie apart without meaning anything."""
PATIENCE = timedelta(minutes=5)
"""How long a change may stay untold before that means silence."""
HEARTBEATS = 2
"""Heartbeats that may be missed in a row; a busy server is late now and then."""
HEARTBEAT_SLACK = timedelta(seconds=30)


class Hearing(StrEnum):
    """How a subscription stands, from our side."""

    HEARD = "heard"
    NOT_YET = "not heard yet"
    """Active, and so far there was nothing to tell."""
    NOT_ASKED = "not asked for"
    GONE = "gone"
    """It was on the server and is not there any more."""
    NOT_ACTIVE = "not active"
    FAILING = "failing"
    """The server says that it cannot deliver."""
    HEARTBEAT_MISSED = "heartbeat missed"
    SILENT = "silent"
    """The record changed and nothing was told."""

    @property
    def is_well(self) -> bool:
        return self in {Hearing.HEARD, Hearing.NOT_YET}


@dataclass(frozen=True, kw_only=True)
class State:
    """How one subscription stands."""

    name: str
    hearing: Hearing
    status: str
    """As the server has it; `missing` when it is not there."""
    says: tuple[str, ...] = ()
    heard_at: str | None = None
    """ISO instant of the last notification; None when there was none yet."""


def state_of(name: str, kept: Kept | None, marks: Watermarks, now: datetime) -> State:
    """How a subscription stands; `kept` is what the server shows of it, None when it is not there."""
    heard = marks.get(heard_mark(name))
    hearing, says = _judged(name, kept, marks, now)
    if heard is None and kept is not None and hearing is not Hearing.NOT_YET:
        says = (*says, "no notification has come yet")
    return State(
        name=name, hearing=hearing, status=kept.status if kept else "missing", says=says, heard_at=heard
    )


def note_unheard(wanted: Iterable[Wanted], newest: Mapping[str, datetime], marks: Watermarks) -> None:
    """Remember changes that the sweep saw and that no notification can have told of; `newest` is by the server's clock.

    Only of subscriptions that are to tell every change of their types: of the others a change may rightly go untold.
    """
    for each in wanted:
        seen = [newest[kind] for kind in each.types if kind in newest]
        active_at = _instant(marks.get(active_mark(each.name)))
        if not (each.tells_all and seen and active_at):
            continue
        heard_at = _instant(marks.get(heard_mark(each.name)))
        since = max(filter(None, (active_at, heard_at)))
        if max(seen) > since + TOLERANCE and not _still_unheard(each.name, marks):
            marks.set(unheard_mark(each.name), max(seen).isoformat())


def _judged(
    name: str, kept: Kept | None, marks: Watermarks, now: datetime
) -> tuple[Hearing, tuple[str, ...]]:
    if kept is None:
        if marks.get(known_mark(name)):
            return Hearing.GONE, ("it was on the server and is not there any more",)
        return Hearing.NOT_ASKED, ("it is not on the server: apply the subscriptions",)
    if kept.status != "active":
        waits = kept.status == "requested"
        return Hearing.NOT_ACTIVE, (
            "the server has not activated it yet"
            if waits
            else f"the server has it as {kept.status or 'nothing'}",
        )
    errors = marks.get(errors_mark(name))
    if errors:
        return Hearing.FAILING, (f"the server last told of: {errors}",)
    late = _heartbeat_late(name, kept, marks, now)
    if late is not None:
        return Hearing.HEARTBEAT_MISSED, (late,)
    unheard = _still_unheard(name, marks)
    if unheard is not None and now - unheard > PATIENCE:
        since = f"{unheard:%Y-%m-%d %H:%M} UTC"
        return Hearing.SILENT, (f"the record has changed since {since} and the server has told of nothing",)
    if marks.get(heard_mark(name)) is None:
        return Hearing.NOT_YET, ("no notification has come yet",)
    return Hearing.HEARD, ()


def _heartbeat_late(name: str, kept: Kept, marks: Watermarks, now: datetime) -> str | None:
    if kept.heartbeat is None:
        return None
    last = max(
        filter(None, (_instant(marks.get(heard_mark(name))), _instant(marks.get(active_mark(name))))),
        default=None,
    )
    allowed = HEARTBEATS * timedelta(seconds=kept.heartbeat) + HEARTBEAT_SLACK
    if last is None or now - last <= allowed:
        return None
    return f"nothing has come for {(now - last) // timedelta(seconds=1)} seconds; a sign of life is due every {kept.heartbeat}"


def _still_unheard(name: str, marks: Watermarks) -> datetime | None:
    """Since when nothing was told; None when something was heard afterwards."""
    unheard = _instant(marks.get(unheard_mark(name)))
    heard = _instant(marks.get(heard_mark(name)))
    if unheard is None or (heard is not None and heard >= unheard - TOLERANCE):
        return None
    return unheard


def _instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
