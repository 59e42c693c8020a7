"""The notification addresses over HTTP: reads a bounded body, hands it to the receive step, sends its answer.

Decides nothing itself. Tokens are secrets: they appear in no log line and no metric.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from time import perf_counter
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from opentelemetry.trace import Span, SpanKind

from service.adapters.tracing import Tracing
from service.app.web_body import Bodies
from service.app.web_metrics import NotificationMetrics
from service.fhir.notification_answers import FHIR_JSON, Answer, Outcome
from service.flow import receive as step
from service.flow.receive import AsyncInbox, Delivery, Limits, Watch

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""Stands for the subscription where the address belongs to none."""


class Intake:
    """Everything the notification routes need; one per web process."""

    def __init__(
        self,
        *,
        watches: Mapping[str, Watch],
        inbox: AsyncInbox,
        limits: Limits,
        metrics: NotificationMetrics,
        tracing: Tracing,
        bell: Bell | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        """`watches` by token. `bell` is rung after an answer, for inboxes that do not ring by themselves. `bodies`:
        those held in memory are counted together with others'.
        """
        self._watches = watches
        self._inbox = inbox
        self._limits = limits
        self._metrics = metrics
        self._bell = bell
        self._tracing = tracing
        self._bodies = bodies or Bodies(limits)

    async def notified(self, request: Request) -> Response:
        """One request on a notification address, from its first line to its answer."""
        began = perf_counter()
        watch = self._watches.get(request.path_params["token"])
        try:
            answer = await self._answer(request, watch)
        except Exception as fault:  # only its kind is told: its text may hold what the notification says
            log.error("receiving failed: %s", type(fault).__name__)
            answer = step.fault()
        took = perf_counter() - began
        name = watch.name if watch else UNKNOWN
        self._metrics.count(name, answer.outcome, took)
        # Stored ones are counted in the metrics; a line for each would cost more than storing it.
        level = logging.DEBUG if answer.outcome is Outcome.STORED else logging.INFO
        log.log(level, "notification for %s: %s, %.1f ms", name, answer.outcome.value, took * 1000)
        if self._bell is not None and answer.outcome is Outcome.STORED:
            self._bell.ring()
        return Response(answer.body, answer.status, dict(answer.headers), FHIR_JSON)

    async def _answer(self, request: Request, watch: Watch | None) -> Answer:
        delivery = Delivery(method=request.method, path=_path(request.path_params), headers=_headers(request))
        refusal = step.refuse_unread(delivery, watch=watch, limits=self._limits)
        if refusal is not None or watch is None:
            return refusal or step.unknown_address()
        with self._span(request, watch) as span:
            async with self._bodies.body_of(request) as body:
                if isinstance(body, Answer):
                    return body
                whole = replace(delivery, headers=self._traced(delivery.headers), body=body)
                answer = await step.receive_read(whole, watch=watch, inbox=self._inbox, limits=self._limits)
                span.set_attribute("throughline.outcome", answer.outcome.value)
                return answer

    def _span(self, request: Request, watch: Watch) -> AbstractContextManager[Span]:
        """Only of what is let in: strangers make no traces. The address is left out, because it holds the token."""
        return self._tracing.span(
            "notification",
            parent=request.headers.get(step.TRACE, ""),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": request.method, "throughline.subscription": watch.name},
        )

    def _traced(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers, with our own span as the one to continue where we trace."""
        here = self._tracing.here()
        return {**headers, step.TRACE: here} if here else headers


class Bell:
    """Rings the workers' doorbell beside the answers, never before one and never twice at once.

    A bell that fails is only a delay: the notification is stored, and workers look by themselves too.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._wanted = False
        self._ringing: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Returns at once; rings that come while one is under way become one more ring."""
        self._wanted = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.get_running_loop().create_task(self._ring_while_wanted())

    async def silent(self) -> None:
        """Until nothing is being rung any more."""
        if self._ringing is not None:
            await self._ringing

    async def _ring_while_wanted(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await asyncio.to_thread(self._ring)
            except Exception as fault:  # the notification is stored; told by its kind
                log.warning(
                    "the doorbell failed (%s); workers find the mail by themselves", type(fault).__name__
                )


def add_notification_routes(app: FastAPI, intake: Intake) -> None:
    """`/notifications/{token}` and what senders append to it, with and without a trailing slash (never a redirect).

    Plain routes answer; FastAPI's own, which would look at each request once more, only describe them.
    """
    for path in _PATHS:
        # Methods that are refused are answered here too, so that Allow names all and an unknown token stays unknown.
        app.add_route(path, intake.notified, [*step.METHODS, *_REFUSED_METHODS], include_in_schema=False)
    described = APIRouter(tags=["notifications"])
    for path, method in product((path for path, shown in _PATHS.items() if shown), step.METHODS):
        described.add_api_route(
            path,
            intake.notified,
            methods=[method],
            response_class=Response,
            summary="Receive one notification of a FHIR Subscription",
            description=_ABOUT,
            responses=_RESPONSES,
            openapi_extra=_REQUEST,
            operation_id=f"{method.lower()}-{'resource' if '{id}' in path else 'notification'}",
        )
    app.include_router(described)


def _headers(request: Request) -> dict[str, str]:
    """By lower-case name, the first of several. Starlette's own would be searched from the start at every question."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.headers.raw)}


def _path(params: Mapping[str, str]) -> str:
    kind, id_ = params.get("type", ""), params.get("id", "")
    return f"{kind}/{id_}" if id_ else kind


_REFUSED_METHODS = ("GET", "HEAD", "OPTIONS", "PATCH", "TRACE")
_PATHS = {
    "/notifications/{token}": True,
    "/notifications/{token}/": False,
    "/notifications/{token}/{type}": False,
    "/notifications/{token}/{type}/{id}": True,
}

_ABOUT = (
    "Accepts every flavour: empty POST, POST or PUT of a resource, DELETE, and notification Bundles of the "
    "Subscriptions Backport (R4), R4B and R5. 200 means that it is stored durably; it is looked at afterwards."
)
_OUTCOME = {"content": {FHIR_JSON: {"schema": {"type": "object", "description": "OperationOutcome"}}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {**_OUTCOME, "description": "Stored. A FHIR resource that this kind of sender expects."},
    400: {**_OUTCOME, "description": "Not FHIR JSON, or nested too deeply."},
    401: {**_OUTCOME, "description": "The secret or signature is missing or wrong."},
    404: {**_OUTCOME, "description": "No subscription has this address."},
    413: {**_OUTCOME, "description": "The body is too large."},
    415: {**_OUTCOME, "description": "Not JSON, or compressed."},
    503: {**_OUTCOME, "description": "Not stored; send it again after Retry-After seconds."},
}
_REQUEST = {"requestBody": {"required": False, "content": {FHIR_JSON: {"schema": {"type": "object"}}}}}
