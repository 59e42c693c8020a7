"""When somebody whose reconcile did not come to an end is looked at again, and under which letter they are parked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from zlib import crc32

from service.domain.due import elapsed
from service.domain.vocabulary import Reference
from service.ports import DeadLetter

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
PARKED_AGAIN_AFTER = timedelta(hours=1)
"""Somebody who is parked is still looked at so often: what was in the way may have been put right meanwhile."""
BROKEN = (
    "{} resource(s) that Throughline wrote cannot be understood any more, so what they stand for is not followed up. Open "
    "the person's CarePlans and Tasks with a Throughline identifier and take back what was changed by hand."
)

NOT_FOLLOWED = (
    "This person is on {}, which the mappings folder does not have, so nothing of it is followed up. Put the file back "
    "as mappings/pathways/<id>/versions/<version>.yaml with its line in SHA256SUMS (see `throughline pathways check`) "
    "and start the workers again."
)


def why_to_park(broken: int, not_followed: Sequence[str]) -> str:
    """What keeps a person from being followed up although looking at them worked; empty when nothing does."""
    reasons = [BROKEN.format(broken)] if broken else []
    if not_followed:
        reasons.append(NOT_FOLLOWED.format(" and ".join(map(_said, not_followed))))
    return " ".join(reasons)


def _said(pathway_and_version: str) -> str:
    pathway, _, version = pathway_and_version.partition(" ")
    return f"version {version} of {pathway}" if version else pathway


def pause_after(failed: int, token: str) -> timedelta:
    """Doubles from 2 s to 5 min, each between half and all of it; the spread comes from the claim, so it replays."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failed - 1, 20)))
    return longest * (0.5 + crc32(token.encode()) / 2**33)


def letter_id(person: Reference) -> str:
    """One letter per person, however often parked; safe in a URL and a log."""
    return f"person-{sha256(person.encode()).hexdigest()[:16]}"


def letter_about(person: Reference, reason: str, at: datetime) -> DeadLetter:
    """A person who waits for somebody to look."""
    return DeadLetter(id=letter_id(person), kind="person", subject=person, reason=reason, at=at)


def no_later_than(wanted_at: datetime | None, now: datetime, pause: timedelta) -> datetime:
    """`wanted_at`, but not later than `pause` from now."""
    latest = elapsed(now, pause)
    return min(wanted_at or latest, latest)
