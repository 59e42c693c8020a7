"""The web process: notification addresses, what operators ask, and whatever routers are handed in (pages, messages).

Only puts together; every dependency is a parameter. Must not read settings or open connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from service.adapters.tracing import Tracing
from service.app.bounded_http import BoundedHttp
from service.app.web_body import Bodies
from service.app.web_errors import tell_errors_as_fhir
from service.app.web_headers import SecurityHeaders
from service.app.web_messages import MessageDoor, add_message_routes
from service.app.web_metrics import NotificationMetrics
from service.app.web_notifications import Bell, Intake, add_notification_routes
from service.app.web_operations import Check, Details, operation_routes
from service.fhir.messages.once import MessageInbox
from service.flow.receive import AsyncInbox, Limits, Watch
from service.flow.receive_message import Trusted
from service.ports import Clock

__all__ = ["Check", "Messages", "create_app", "server_options"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Messages:
    """What the door for messages needs."""

    trusted: Sequence[Trusted]
    inbox: MessageInbox
    clock: Clock


def create_app(
    *,
    watches: Mapping[str, Watch],
    inbox: AsyncInbox,
    limits: Limits,
    registry: CollectorRegistry,
    checks: Sequence[Check] = (),
    ring: Callable[[], None] | None = None,
    messages: Messages | None = None,
    routers: Sequence[APIRouter] = (),
    details: Details | None = None,
    lifespan: Lifespan | None = None,
    version: str = "0",
    tracing: Tracing | None = None,
) -> FastAPI:
    """The ASGI application.

    `watches` by token. `messages`: who may send them; without it that door is closed. `ring` is called in a thread after
    answers, for an inbox that rings no bell itself. `routers` come after our own, e.g. the governance pages at `/`.
    `lifespan` opens and closes what the caller brought.
    """
    bell = Bell(ring) if ring is not None else None
    app = _bare_app(version, _rings_out(bell, lifespan))
    app.add_middleware(SecurityHeaders)
    tell_errors_as_fhir(app)
    metrics = NotificationMetrics(registry)
    bodies, tracing = Bodies(limits), tracing or Tracing()
    intake = Intake(
        watches=watches,
        inbox=inbox,
        limits=limits,
        metrics=metrics,
        bell=bell,
        bodies=bodies,
        tracing=tracing,
    )
    add_notification_routes(app, intake)
    if messages is not None:
        door = MessageDoor(
            trusted=messages.trusted,
            inbox=messages.inbox,
            clock=messages.clock,
            limits=limits,
            metrics=metrics,
            bodies=bodies,
            bell=bell,
            tracing=tracing,
        )
        add_message_routes(app, door, version)
    app.include_router(operation_routes(registry, checks, details))
    for router in routers:
        app.include_router(router)
    return app


def _bare_app(version: str, lifespan: Lifespan) -> FastAPI:
    return FastAPI(
        title="Throughline",
        version=version,
        # Documentation pages would load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a sender that follows a redirect turns its POST into an empty GET
        lifespan=lifespan,
        # FastAPI's own telemetry would export addresses, which hold tokens and ids, and the text of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )


def server_options() -> dict[str, Any]:
    """What uvicorn must be started with: its access log would write tokens, its headers would name versions, and its
    parsers gather headers without end.
    """
    return {
        "access_log": False, "server_header": False, "proxy_headers": False, "http": BoundedHttp, "ws": "none",
    }  # fmt: skip


def _rings_out(bell: Bell | None, lifespan: Lifespan | None) -> Lifespan:
    @asynccontextmanager
    async def whole(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app) if lifespan else nullcontext():
            yield
            if bell is not None:
                await bell.silent()

    return whole
