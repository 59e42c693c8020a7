"""What an examination found: one thing looked at, how it stands, and what to do. Words only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How one finding stands."""

    GOOD = "good"
    CARE = "care"
    """It works, with a limit worth knowing."""
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    outcome: Outcome
    sentence: str
    remedy: str = ""
