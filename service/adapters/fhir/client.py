"""One request to the FHIR server, tried until it is answered or patience ends.

Thread-safe. Must not follow redirects, leave the base URL, or read more than the agreed size; knows nothing of resources.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

import httpx
import msgspec

from service.adapters.fhir.address import Base
from service.adapters.fhir.answers import Answer
from service.adapters.fhir.auth import AccessToken
from service.adapters.fhir.pacing import Pace, PaceNumbers, Slot
from service.adapters.fhir.retry import CONTENTION, PASSING, Backoff, asked_to_wait
from service.adapters.fhir.tls import Tls
from service.adapters.fhir.unpacking import unpacked
from service.adapters.fhir.watching import Watcher, unwatched
from service.ports import RecordRefused, RecordUnavailable

FHIR_JSON = "application/fhir+json"
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before the request reached the server: safe to repeat whatever it was."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Lengths in seconds, sizes in bytes."""

    connect: float = 5.0
    answer: float = 30.0
    """Longest silence while waiting for or reading an answer."""
    largest_answer: int = 64 * 1024 * 1024
    connections: int = 40


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to ask; `url` is absolute and made by `Base`, `doing` names it in messages (`POST Task`)."""

    method: str
    url: str
    doing: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    writes: bool = False
    repeatable: bool = True
    """Whether sending it twice has the effect of once: reads, conditional creates, fenced updates."""
    retry_on: frozenset[int] = PASSING
    before_retry: Callable[[int | None], None] | None = None
    """Called with the status (None without an answer) before another try; may raise to stop trying."""


class FhirClient:
    """HTTP with one FHIR server: confined to its base URL, paced, retried, bounded."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
        limits: Limits | None = None,
        backoff: Backoff | None = None,
        pace: Pace | None = None,
        tls: Tls | None = None,
        watch: Watcher = unwatched,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`chance` gives numbers from 0 to 1 for the jitter. ValueError when `base_url` is not an http(s) URL.

        `auth` proves who we are at the base URL, the only place that anything is sent to. `watch` sees each attempt.
        """
        self.base = Base.parse(base_url)
        self._limits = limits or Limits()
        self._backoff = backoff or Backoff()
        self._pace = pace or Pace()
        self._auth, self._tls, self._watch = auth, tls, watch
        self._chance, self._sleep, self._monotonic = chance, sleep, monotonic
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._http = httpx.Client(
            auth=auth,
            transport=transport,
            follow_redirects=False,
            trust_env=False,  # neither ~/.netrc nor a proxy variable may send clinical data elsewhere
            verify=True if tls is None else tls.context,
            headers={"Accept": FHIR_JSON, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(self._limits.answer, connect=self._limits.connect),
            limits=httpx.Limits(max_connections=self._limits.connections),
        )

    def numbers(self) -> PaceNumbers:
        """The pace of writing as metrics show it."""
        return self._pace.numbers()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def send(self, request: Request) -> Answer:
        """The last answer, good or bad; RecordUnavailable when there was none, RecordRefused when it may not be used."""
        content = None if request.body is None else self._encoder.encode(request.body)
        deadline = self._monotonic() + self._backoff.patience
        failed = 0
        while True:
            answer, fault = self._attempt(request, content, deadline)
            if answer is not None and answer.status not in request.retry_on:
                return answer
            failed += 1
            status = None if answer is None else answer.status
            asked = None if answer is None else asked_to_wait(answer.headers)
            wait = self._backoff.wait(failed, asked, self._chance)
            in_time = self._monotonic() + wait < deadline
            if not in_time or not self._backoff.may_go_on(failed, status) or not _repeatable(request, fault):
                return self._given_up(request, answer, fault, failed)
            self._pace.retried()
            self._sleep(wait)
            if request.before_retry is not None:
                request.before_retry(status)

    def _given_up(
        self, request: Request, answer: Answer | None, fault: httpx.RequestError | None, tries: int
    ) -> Answer:
        if answer is not None:
            return answer
        raise RecordUnavailable(
            f"{request.doing}: no answer from the FHIR server after {tries} tries ({type(fault).__name__})."
            " Check that it runs and that THROUGHLINE_FHIR_BASE_URL is right; try again later."
        )

    def _attempt(
        self, request: Request, content: bytes | None, deadline: float
    ) -> tuple[Answer | None, httpx.RequestError | None]:
        patience = deadline - self._monotonic()
        with self._pace.slot(patience) if request.writes else nullcontext(Slot(-1)) as slot:
            try:
                answer = self._once(request, content)
            except httpx.RequestError as fault:
                return None, fault
            except httpx.InvalidURL:
                raise RecordRefused(
                    f"{request.doing}: the address cannot be used (too long, or not an address), so nothing was sent."
                ) from None
            if answer.status in CONTENTION:
                slot.contended()
            return answer, None

    def _once(self, request: Request, content: bytes | None) -> Answer:
        if not (
            request.url == self.base.url or request.url.startswith((f"{self.base.url}/", f"{self.base.url}?"))
        ):
            raise RecordRefused(
                f"{request.doing}: the address lies outside the FHIR base URL, so nothing was sent."
            )
        headers = dict(request.headers)
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise RecordRefused(
                f"{request.doing}: a header would hold characters that a header may not hold (a version the FHIR server made"
                " up?), so nothing was sent. Report it to the server's operator."
            )
        if content is not None:
            headers["Content-Type"] = FHIR_JSON
        if self._tls is not None:
            self._tls.refresh()
        response, raw = self._exchanged(request, content, headers)
        if response.status_code == 401 and self._may_have_a_new_token(response):
            response, raw = self._exchanged(request, content, headers)
        return Answer(
            status=response.status_code, headers=response.headers, body=self._decoded(request, response, raw)
        )

    def _exchanged(
        self, request: Request, content: bytes | None, headers: dict[str, str]
    ) -> tuple[httpx.Response, bytes]:
        with (
            self._watch(request.doing) as exchange,
            self._http.stream(
                request.method, request.url, content=content, headers={**headers, **exchange.headers}
            ) as response,
        ):
            exchange.status = response.status_code
            return response, unpacked(response, self._limits.largest_answer, request.doing)

    def _may_have_a_new_token(self, refused: httpx.Response) -> bool:
        """A refused request was not carried out, so asking once more is safe whatever it was."""
        return isinstance(self._auth, AccessToken) and self._auth.is_worth_another(refused.request)

    def _decoded(self, request: Request, response: httpx.Response, raw: bytes) -> Any:
        if not raw:
            return None
        try:
            return self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError):
            if response.status_code >= 300:
                return None
        raise RecordUnavailable(
            f"{request.doing}: the answer is not JSON. Check that THROUGHLINE_FHIR_BASE_URL is a FHIR server that"
            f" speaks {FHIR_JSON}, and that nothing in between answers for it.",
            status=response.status_code,
        )


def _repeatable(request: Request, fault: httpx.RequestError | None) -> bool:
    return request.repeatable or isinstance(fault, NEVER_SENT)
