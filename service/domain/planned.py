"""What planning one or all follow-ups of an enrolment came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from service.domain.enrolment import Variance
from service.domain.evidence import FollowUp
from service.domain.intents import ChangeFollowUp, OpenFollowUp
from service.domain.standing import Standing, hold_ends_at
from service.domain.vocabulary import AWAITING_ACCEPTANCE, FollowUpStatus


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `plan` found for all follow-ups of one enrolment."""

    open: tuple[OpenFollowUp, ...] = ()
    changes: tuple[ChangeFollowUp, ...] = ()
    standings: tuple[Standing, ...] = ()
    variances: tuple[Variance, ...] = ()
    wake_at: tuple[datetime, ...] = ()
    rules: tuple[str, ...] = ()


def together(parts: Iterable[Plan]) -> Plan:
    """One plan from several, in order."""
    found = list(parts)
    return Plan(
        open=tuple(x for part in found for x in part.open),
        changes=tuple(x for part in found for x in part.changes),
        standings=tuple(x for part in found for x in part.standings),
        variances=tuple(x for part in found for x in part.variances),
        wake_at=tuple(x for part in found for x in part.wake_at),
        rules=tuple(x for part in found for x in part.rules),
    )


def future_clocks(follow_up: FollowUp, now: datetime) -> Iterator[datetime]:
    """The clocks of an open follow-up that still run."""
    times = [follow_up.complete_by]
    if follow_up.status in AWAITING_ACCEPTANCE:
        times.append(follow_up.accept_by)
    if follow_up.status is FollowUpStatus.ON_HOLD:
        times.append(hold_ends_at(follow_up))
    yield from (at for at in times if at is not None and at > now)
