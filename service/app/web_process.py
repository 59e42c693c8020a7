"""The web process: wires the door for notifications and the pages, and serves them."""

from __future__ import annotations

import asyncio
import sys

import httpx
import uvicorn
from fastapi import FastAPI

from service.app.pages import pages
from service.app.settings import Settings
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import watches
from service.app.telemetry import log_to
from service.app.web import Check, server_options
from service.app.wiring import make_web

FHIR_ANSWERS_WITHIN = 5.0
"""Seconds; readiness only tells whether the record answers, it does not close the door when it does not."""


def run_web(settings: Settings) -> int:
    """Serve until SIGTERM; finishes the requests in hand."""
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
        routers=[pages(settings)],
        checks=[Check(name="record", probe=lambda: _record_answers(settings))],
    )


def installation_keys(settings: Settings) -> list[bytes]:
    """The key in use, then the one before it while a rotation lasts."""
    keys = [settings.need("secret_key").encode()]
    if settings.secret_key_previous is not None:
        keys.append(settings.secret_key_previous.get_secret_value().encode())
    return keys


async def _record_answers(settings: Settings) -> str:
    """`answers`; raises when the record server does not."""
    async with asyncio.timeout(FHIR_ANSWERS_WITHIN), httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{settings.need('fhir_base_url')}/metadata")
        answer.raise_for_status()
    return "answers"
