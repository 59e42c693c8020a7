"""The web process: wires the door for notifications and the pages, and serves them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import uvicorn
from fastapi import FastAPI

from service.adapters.fhir.auth import BearerToken
from service.app.listening import check_address
from service.app.pages import pages
from service.app.senders import senders_of, trusted
from service.app.settings import Settings, rereading
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import watches
from service.app.telemetry import log_to
from service.app.web import Check, server_options
from service.app.wiring import make_web

ANSWERS_WITHIN = timedelta(seconds=5)
ASK_EVERY = timedelta(seconds=5)


def run_web(settings: Settings) -> int:
    """Serve until SIGTERM; finishes the requests in hand. CannotListen when the address is taken."""
    check_address(settings.host, settings.port)
    log_to(sys.stderr, role="web", level=settings.log_level)
    config = uvicorn.Config(
        web_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=10,
        **server_options(),
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


def web_app(settings: Settings) -> FastAPI:
    """The ASGI application with everything it needs."""
    wanted = read_subscriptions(settings.subscriptions)
    return make_web(
        settings,
        watches=watches(wanted, installation_keys(settings)),
        trusted=trusted(senders_of(settings), installation_keys(settings)),
        routers=[pages(settings)],
        checks=[record_check(settings)],
    )


def installation_keys(settings: Settings) -> list[bytes]:
    """The key in use, then the one before it while a rotation lasts."""
    keys = [settings.need("secret_key").encode()]
    if settings.secret_key_previous is not None:
        keys.append(settings.secret_key_previous.get_secret_value().encode())
    return keys


def record_check(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Check:
    """Whether the record server answers. Not needed by the web: notifications are kept until it is back."""
    answering = _RecordAnswering(settings, transport, monotonic)
    return Check(name="record", probe=answering, needed=False, within=ANSWERS_WITHIN + timedelta(seconds=1))


class RecordSilent(Exception):
    """Use this when the record server did not answer, or not well, when it was last asked."""


class _RecordAnswering:
    """Asks at most once in `ASK_EVERY` and tells the same until then: probes come often and from several places."""

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings, self._transport, self._monotonic = settings, transport, monotonic
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answers = False

    async def __call__(self) -> None:
        async with self._lock:
            if self._monotonic() - self._asked_at > ASK_EVERY.total_seconds():
                self._answers = await self._ask()
                self._asked_at = self._monotonic()
        if not self._answers:
            raise RecordSilent

    async def _ask(self) -> bool:
        auth = record_auth(self._settings)
        try:
            async with (
                asyncio.timeout(ANSWERS_WITHIN.total_seconds()),
                httpx.AsyncClient(auth=auth, transport=self._transport, trust_env=False) as client,
            ):
                answer = await client.get(
                    f"{self._settings.need('fhir_base_url')}/metadata",
                    headers={"Accept": "application/fhir+json"},
                )
        except (httpx.HTTPError, TimeoutError):
            return False
        return answer.is_success


def record_auth(settings: Settings) -> BearerToken | None:
    """How we prove who we are to the record server; None when it lets everybody in."""
    return BearerToken(rereading("fhir_auth_token", settings)) if settings.fhir_auth_token else None
