"""Finds who is due and tells a worker. Must not look at anybody's record: that is the worker's part."""

from __future__ import annotations

from datetime import datetime

from service.ports import Doorbell, WorkIndex


def sweep(index: WorkIndex, doorbell: Doorbell, now: datetime, limit: int) -> int:
    """Claim up to `limit` people who are due at `now` and ring for each; how many.

    When a ring fails, that failure goes up; whoever was claimed and not rung for is handed out again when the lease
    ends.
    """
    claims = index.claim(now, limit)
    for claim in claims:
        doorbell.person_is_due(claim)
    return len(claims)
