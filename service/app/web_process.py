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

from service.adapters.fhir.auth import AccessToken
from service.app.listening import check_address
from service.app.observing import Observation, open_observation
from service.app.pages import pages
from service.app.record_access import RecordAccess, published_keys, record_access
from service.app.senders import senders_of, trusted
from service.app.settings import Settings
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import watches
from service.app.telemetry import log_to
from service.app.web import Check, server_options
from service.app.web_keys import key_routes
from service.app.wiring import make_web
from service.ports import RecordFailure

ANSWERS_WITHIN = timedelta(seconds=5)
ASK_EVERY = timedelta(seconds=5)


def run_web(settings: Settings) -> int:
    """Serve until SIGTERM; finishes the requests in hand. CannotListen when the address is taken."""
    check_address(settings.host, settings.port)
    log_to(sys.stderr, role="web", level=settings.log_level, form=settings.log_format)
    with open_observation(settings, role="web") as seen:
        config = uvicorn.Config(
            web_app(settings, seen),
            host=settings.host,
            port=settings.port,
            log_config=None,
            timeout_graceful_shutdown=10,
            **server_options(),
        )
        server = uvicorn.Server(config)
        server.run()
    return 0 if server.started else 1


def web_app(settings: Settings, seen: Observation | None = None) -> FastAPI:
    """The ASGI application with everything it needs."""
    wanted = read_subscriptions(settings.subscriptions, settings.fhir_server)
    return make_web(
        settings,
        watches=watches(wanted, installation_keys(settings)),
        trusted=trusted(senders_of(settings), installation_keys(settings)),
        routers=[pages(settings, seen=seen), key_routes(published_keys(settings))],
        checks=[record_check(settings, access=seen.access if seen else None)],
        seen=seen,
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
    access: RecordAccess | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Check:
    """Whether the record server answers. Not needed by the web: notifications are kept until it is back."""
    answering = _RecordAnswering(settings, access, transport, monotonic)
    return Check(name="record", probe=answering, needed=False, within=ANSWERS_WITHIN + timedelta(seconds=1))


class RecordSilent(Exception):
    """Use this when the record server did not answer, or not well, when it was last asked."""


class _RecordAnswering:
    """Asks at most once in `ASK_EVERY` and tells the same until then: probes come often and from several places."""

    def __init__(
        self,
        settings: Settings,
        access: RecordAccess | None,
        transport: httpx.AsyncBaseTransport | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings, self._transport, self._monotonic = settings, transport, monotonic
        self._access = access
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
        access = self._access = self._access or record_access(self._settings)
        if access.tls is not None:
            access.tls.refresh()
        try:
            async with (
                asyncio.timeout(ANSWERS_WITHIN.total_seconds()),
                httpx.AsyncClient(
                    auth=access.auth,
                    transport=self._transport,
                    trust_env=False,
                    verify=True if access.tls is None else access.tls.context,
                ) as client,
                client.stream(
                    "GET",
                    f"{self._settings.need('fhir_base_url')}/metadata",
                    headers={"Accept": "application/fhir+json"},
                ) as answer,  # whether, not what: the body is left unread
            ):
                if answer.status_code == httpx.codes.UNAUTHORIZED and isinstance(access.auth, AccessToken):
                    access.auth.is_worth_another(answer.request)  # the next look asks with a new one
                return answer.is_success
        except (httpx.HTTPError, TimeoutError, RecordFailure):
            return False
