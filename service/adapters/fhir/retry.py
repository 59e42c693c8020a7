"""When to try again, and after how long. Must never sleep or draw chance by itself: both are handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be different next time, whatever was asked."""
CONTENTION = frozenset({409, 429, 503})
"""Answers that say: too many writers at once."""
FEW_TRIES = {412: 3}
"""A conditional create that matches twice answers 412 for good; some servers also answer it to a lost race."""

_RATE_LIMIT_RESET = re.compile(r"(?:^|[;,\s])t=(\d{1,6})\b")


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Exponential back-off with full jitter. Lengths in seconds."""

    first: float = 0.05
    longest: float = 5.0
    patience: float = 30.0
    """Most time for one call with all its tries; a server that asks for more is left for later."""
    tries: int = 12

    def wait(self, failed: int, asked: float | None, chance: Callable[[], float]) -> float:
        """Seconds to wait after the `failed`-th failure (from 1); at least what the server `asked` for."""
        jittered = chance() * min(self.longest, self.first * 2.0 ** (failed - 1))
        return jittered if asked is None else asked + jittered

    def may_go_on(self, failed: int, status: int | None) -> bool:
        return failed < min(self.tries, FEW_TRIES.get(status or 0, self.tries))


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds the server wants us to stay away: Retry-After (RFC 9110 10.2.3), else RateLimit `t=`, else None.

    An HTTP date is measured against the answer's own Date header, so two clocks that disagree do no harm.
    """
    retry_after = headers.get("retry-after", "").strip()
    if retry_after.isdigit():
        return float(retry_after)
    if retry_after:
        return _until(retry_after, headers.get("date", ""))
    reset = _RATE_LIMIT_RESET.search(headers.get("ratelimit", ""))
    return float(reset[1]) if reset else None


def _until(then: str, now: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return None
