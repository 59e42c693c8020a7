"""`POST /fhir/$process-message` over HTTP: reads a bounded body, hands it to the receive step, sends its answer.

Decides nothing itself. Tokens are secrets: they appear in no log line and no metric.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from opentelemetry.trace import SpanKind

from service.adapters.tracing import Tracing
from service.app.web_body import Bodies
from service.app.web_metrics import NotificationMetrics
from service.app.web_notifications import UNKNOWN, Bell
from service.fhir.messages.capability import capability_statement
from service.fhir.messages.content import Sender
from service.fhir.messages.once import MessageInbox
from service.fhir.notification_answers import FHIR_JSON, Answer, Outcome
from service.flow import receive_message as step
from service.flow.receive import TRACE, Limits, fault
from service.flow.receive_message import Trusted
from service.ports import Clock

log = logging.getLogger(__name__)

PATH = "/fhir/$process-message"


class MessageDoor:
    """Everything the message route needs; one per web process."""

    def __init__(
        self,
        *,
        trusted: Sequence[Trusted],
        inbox: MessageInbox,
        limits: Limits,
        metrics: NotificationMetrics,
        bodies: Bodies,
        clock: Clock,
        tracing: Tracing,
        bell: Bell | None = None,
    ) -> None:
        """`bell` is rung after an answer, for inboxes that do not ring by themselves."""
        self._trusted = trusted
        self._inbox = inbox
        self._limits = limits
        self._metrics = metrics
        self._bodies = bodies
        self._clock = clock
        self._bell = bell
        self._tracing = tracing

    async def posted(self, request: Request) -> Response:
        """One message, from its first line to its answer."""
        began = perf_counter()
        sender = step.known_sender(request.headers, self._trusted)
        try:
            answer = await self._answer(request, sender)
        except Exception as failure:  # only its kind is told: its text may hold what the message says
            log.error("receiving a message failed: %s", type(failure).__name__)
            answer = fault()
        took = perf_counter() - began
        name = sender.name if sender else UNKNOWN
        self._metrics.count(name, answer.outcome, took)
        log.info("message of %s: %s, %.1f ms", name, answer.outcome.value, took * 1000)
        if self._bell is not None and answer.outcome is Outcome.STORED:
            self._bell.ring()
        return Response(answer.body, answer.status, dict(answer.headers), FHIR_JSON)

    async def _answer(self, request: Request, sender: Sender | None) -> Answer:
        refusal = step.refuse_unread(request.headers, request.query_params, sender, self._limits)
        if refusal is not None or sender is None:
            return refusal or step.stranger()
        # Only of whoever is let in: strangers make no traces.
        with self._tracing.span(
            "message",
            parent=request.headers.get(TRACE, ""),
            kind=SpanKind.SERVER,
            attributes={"throughline.sender": sender.name},
        ) as span:
            answer = await self._taken(request, sender)
            span.set_attribute("throughline.outcome", answer.outcome.value)
            return answer

    async def _taken(self, request: Request, sender: Sender) -> Answer:
        async with self._bodies.body_of(request) as body:
            if isinstance(body, Answer):
                return body
            # In a thread: other requests do not wait while a large message is looked through.
            checked = await asyncio.to_thread(step.check, body, sender, self._limits, self._clock.now())
            if isinstance(checked, Answer):
                return checked
            trace = self._tracing.here() or request.headers.get(TRACE, "")
            return await step.store(checked, self._inbox, self._limits, trace)


def add_message_routes(app: FastAPI, door: MessageDoor, version: str) -> None:
    """`/fhir/$process-message` and the statement of what is understood there."""
    described = APIRouter(tags=["messages"])

    @described.get("/fhir/metadata", summary="What may be sent here", response_class=Response)
    async def metadata() -> Response:
        return Response(capability_statement(version), media_type=FHIR_JSON)

    described.add_api_route(
        PATH,
        door.posted,
        methods=["POST"],
        response_class=Response,
        summary="Take in one admit, discharge or transfer message",
        description=_ABOUT,
        responses=_RESPONSES,
        openapi_extra=_REQUEST,
        operation_id="process-message",
    )
    app.include_router(described)


_ABOUT = (
    "A Bundle of type message (HL7 Da Vinci Unsolicited Notifications). 200 means that it is stored durably; it is put"
    " into the record afterwards. Sent again with the same ids it is answered alike and taken once."
)
_OUTCOME = {"content": {FHIR_JSON: {"schema": {"type": "object", "description": "OperationOutcome"}}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {**_OUTCOME, "description": "Stored, now or before."},
    400: {**_OUTCOME, "description": "Not FHIR JSON, or nested too deeply."},
    401: {**_OUTCOME, "description": "The bearer token is missing or wrong."},
    403: {**_OUTCOME, "description": "This sender may not speak for that source."},
    409: {**_OUTCOME, "description": "The id of the Bundle was used before for another message."},
    413: {**_OUTCOME, "description": "The body is too large."},
    415: {**_OUTCOME, "description": "Not JSON, or compressed."},
    422: {**_OUTCOME, "description": "Cannot be worked on; every reason with its element."},
    503: {**_OUTCOME, "description": "Not stored; send it again after Retry-After seconds."},
}
_REQUEST = {"requestBody": {"required": True, "content": {FHIR_JSON: {"schema": {"type": "object"}}}}}
