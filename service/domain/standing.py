"""How a follow-up stands: its template, its Task, and where it is against its two clocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.due import elapsed
from service.domain.evidence import FollowUp
from service.domain.follow_up_task import FollowUpTask
from service.domain.vocabulary import AWAITING_ACCEPTANCE, FollowUpStatus, Timeliness

HOLD_LIMIT = timedelta(days=3)
"""A follow-up on hold pauses its clock; an obligation is not given up by pausing, so the pause itself is bounded."""

CUT_OFF = "the pathway ended: "
"""How the reason begins with which what is open at the end of an enrolment is cancelled."""


NOT_NEEDED = "not needed now: "
"""How the reason begins with which a follow-up is withdrawn because the pathway no longer asks for it."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A follow-up as it stands after this decision: on the record already, or just being opened."""

    template: FollowUpTask
    follow_up: FollowUp
    is_latest: bool
    done_at: datetime | None


def timeliness(follow_up: FollowUp, now: datetime) -> Timeliness:
    """Where an open follow-up stands against its clocks."""
    if is_paused(follow_up, now):
        return Timeliness.ON_HOLD
    if follow_up.complete_by is not None and follow_up.complete_by <= now:
        return Timeliness.OVERDUE
    if follow_up.status not in AWAITING_ACCEPTANCE:
        return Timeliness.ON_TRACK
    if follow_up.accept_by is not None and follow_up.accept_by <= now:
        return Timeliness.ACCEPTANCE_OVERDUE
    return Timeliness.AWAITING_ACCEPTANCE


def is_paused(follow_up: FollowUp, now: datetime) -> bool:
    """On hold, and not for longer than a hold may last."""
    return follow_up.status is FollowUpStatus.ON_HOLD and now < hold_ends_at(follow_up)


def hold_ends_at(follow_up: FollowUp) -> datetime:
    """Until when a follow-up that is on hold may stay so."""
    return elapsed(follow_up.changed_at, HOLD_LIMIT)


def refused(follow_up: FollowUp) -> bool:
    """Rejected, or cancelled without a word why: the obligation stands and needs another owner."""
    if follow_up.status is FollowUpStatus.CANCELLED:
        return not follow_up.reason
    return follow_up.status is FollowUpStatus.REJECTED


def cut_off(follow_up: FollowUp) -> bool:
    """Cancelled by this software because its enrolment ended; needed again when that end is taken back."""
    return follow_up.status is FollowUpStatus.CANCELLED and CUT_OFF in (follow_up.reason or "")


def withdrawn(follow_up: FollowUp) -> bool:
    """Cancelled by this software because the pathway did not ask for it any more; needed again when it does."""
    return follow_up.status is FollowUpStatus.CANCELLED and NOT_NEEDED in (follow_up.reason or "")


def called_off(follow_up: FollowUp) -> bool:
    """Cancelled by people who said why."""
    is_ours = cut_off(follow_up) or withdrawn(follow_up)
    return follow_up.status is FollowUpStatus.CANCELLED and bool(follow_up.reason) and not is_ours


def standings_of(
    template: FollowUpTask, follow_ups: Iterable[FollowUp], done_at: datetime | None, *, latest: bool
) -> tuple[Standing, ...]:
    return tuple(
        Standing(template=template, follow_up=f, is_latest=latest, done_at=done_at) for f in follow_ups
    )
