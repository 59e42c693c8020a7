"""Access tokens: kept while they are good, renewed before they end, by one thread at a time however many ask.

Must never show a token. Where tokens come from is handed in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from service.ports import RecordUnavailable

RENEW_AFTER = 0.8
"""Share of its life after which a token is renewed while it is still good."""
TOO_CLOSE = 5.0
"""Seconds before its end from which a token counts as ended: a request takes time too."""
JUST_ISSUED = 5.0
"""A token that is refused within so many seconds of its issue is not at fault; a new one would be refused as well."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries to get a token when that fails."""


_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


def may_be_a_token(text: object) -> bool:
    """Printable ASCII without spaces (a superset of RFC 6750 section 2.1), so that it is safe inside a header."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


class NoToken(RecordUnavailable):
    """Use this when no access token could be had; says why, in words for operators. Nobody's work is parked for it."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """An access token; `lifetime` in seconds from now."""

    value: str = field(repr=False)
    lifetime: float
    scope: str | None = None
    """What was granted, where the server says so."""
    expires_at: float = 0.0
    """Epoch seconds, for whoever shows it."""


@dataclass(frozen=True, kw_only=True)
class _Kept:
    token: Token
    issued_at: float

    @property
    def renewed_from(self) -> float:
        return self.issued_at + self.token.lifetime * RENEW_AFTER

    @property
    def ends_at(self) -> float:
        return self.issued_at + max(self.token.lifetime / 2, self.token.lifetime - TOO_CLOSE)


class TokenSource:
    """One per process and server; safe to share between threads."""

    def __init__(
        self, fetch: Callable[[], Token], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`fetch` asks for a token once and raises NoToken when there is none."""
        self._fetch, self._monotonic = fetch, monotonic
        self._lock = Lock()
        self._kept: _Kept | None = None
        self._failure: NoToken | None = None
        self._failed, self._not_before = 0, float("-inf")

    def __repr__(self) -> str:
        return "TokenSource(…)"

    def token(self) -> str:
        """A token that is good now. NoToken when there is none; the same failure is told to all who ask meanwhile."""
        kept, now = self._kept, self._monotonic()
        if kept is None or now >= kept.ends_at:
            with self._lock:
                return self._current().token.value
        if now >= kept.renewed_from and self._lock.acquire(blocking=False):
            try:
                kept = self._renewed_early(kept)
            finally:
                self._lock.release()
        return kept.token.value

    def refused(self, value: str) -> bool:
        """The server did not take this token: whether another try with a new one makes sense."""
        with self._lock:
            kept = self._kept
            if kept is None or kept.token.value != value:
                return True  # somebody has seen it before us
            if self._monotonic() - kept.issued_at < JUST_ISSUED:
                return False
            self._kept = None
            return True

    # --- with the lock held

    def _current(self) -> _Kept:
        kept = self._kept
        if kept is not None and self._monotonic() < kept.ends_at:
            return kept
        if self._failure is not None and self._monotonic() < self._not_before:
            # Raised anew: an exception that several threads raise would collect all their tracebacks.
            raise NoToken(str(self._failure), status=self._failure.status)
        return self._renew()

    def _renewed_early(self, kept: _Kept) -> _Kept:
        """A failure is no harm yet: the one we have is still good, and the next try waits a little."""
        if self._kept is not kept:
            return self._current()  # somebody was quicker
        if self._monotonic() < self._not_before:
            return kept
        try:
            return self._renew()
        except NoToken:
            return kept

    def _renew(self) -> _Kept:
        try:
            token = self._fetch()
        except NoToken as failure:
            self._failed += 1
            self._failure = failure
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self._failed - 1))
            self._not_before = self._monotonic() + pause
            raise
        self._failure, self._failed, self._not_before = None, 0, float("-inf")
        self._kept = _Kept(token=token, issued_at=self._monotonic())
        return self._kept
