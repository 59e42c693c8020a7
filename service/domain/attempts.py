"""What a failed attempt leaves owing: the time promised to the person stands, whichever attempt is under way.

The time of the first attempt is the pathway's promise. That of a later attempt is only the time to make it.
"""

from __future__ import annotations

from datetime import datetime

from service.domain.evidence import FollowUp
from service.domain.follow_up_task import FollowUpTask
from service.domain.opening import ask_again_from
from service.domain.pathway import Ladder
from service.domain.standing import Standing
from service.domain.view import View
from service.domain.vocabulary import AWAITING_ACCEPTANCE, OPEN, FollowUpStatus


def is_still_owed(view: View, standing: Standing) -> bool:
    """A failed first attempt whose follow-up is tried again: its complete-by time has to be kept all the same."""
    template, failed = standing.template, standing.follow_up
    if failed.status is not FollowUpStatus.FAILED or template.attempt_every is None:
        return False  # without a pause the next attempt is opened at once, and carries the same time itself
    occurrences = view.attempts_with(failed)
    before = [f for f in occurrences if f.occurrence < failed.occurrence]
    if before and before[-1].status is FollowUpStatus.FAILED:
        return False
    return _goes_on(view, template, occurrences)


def promised_by(view: View, standing: Standing, ladder: Ladder) -> datetime | None:
    """When the promise of a failed first attempt is broken; None when it had no time.

    Whoever has just acted on what was overdue gets one response time before the ladder starts on them.
    """
    failed = standing.follow_up
    if failed.complete_by is None:
        return None
    since = [f for f in view.attempts_with(failed) if f.occurrence >= failed.occurrence]
    acted_at = max((f.changed_at for f in since if f.status not in AWAITING_ACCEPTANCE), default=None)
    if acted_at is not None and acted_at > failed.complete_by:
        return view.due(acted_at, ladder.rungs[0].respond_within)
    return max(failed.complete_by, failed.opened_at)


def under_way(view: View, follow_up: FollowUp) -> FollowUp:
    """The attempt that is under way since this one failed; the follow-up itself when there is none, or it did not."""
    if follow_up.status is not FollowUpStatus.FAILED:
        return follow_up
    open_now = [f for f in view.attempts_with(follow_up) if f.status in OPEN]
    return open_now[-1] if open_now else follow_up


def _goes_on(view: View, template: FollowUpTask, occurrences: tuple[FollowUp, ...]) -> bool:
    latest = occurrences[-1]
    return latest.status in OPEN or ask_again_from(view, template, latest) is not None
