"""OpenTelemetry spans that say nothing about a person: names and attributes are ours, exceptions only by their type.

Only `traceparent` travels; `tracestate` and `baggage` may hold anything and are neither taken nor sent. Without an
exporter every span is a no-op.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
NAME = "throughline"


class Tracing:
    """Makes spans with one tracer; `Tracing()` makes none."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or trace.NoOpTracer()
        self.is_on = tracer is not None

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[Span]:
        """A span around a block; below `parent` (a traceparent) when given, else below the current one."""
        if not self.is_on:
            yield trace.INVALID_SPAN
            return
        context = context_of(parent) if parent else None
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=dict(attributes or {}),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            # Raised again at once: only its type is noted, because its text may hold what was read.
            except BaseException as fault:
                failed(span, type(fault).__name__)
                raise

    def here(self) -> str:
        """The traceparent of the current span; empty when there is none or nothing is traced."""
        carrier: dict[str, str] = {}
        if self.is_on:
            TraceContextTextMapPropagator().inject(carrier)
        return carrier.get(TRACEPARENT, "")

    def link(self, traceparent: str) -> None:
        """Say that the current span also works on another trace, e.g. one of many notifications taken in together."""
        other = trace.get_current_span(context_of(traceparent)).get_span_context()
        if self.is_on and other.is_valid:
            trace.get_current_span().add_link(other)


def context_of(traceparent: str) -> Context:
    """The context of a traceparent; a root context when it is not well-formed."""
    return TraceContextTextMapPropagator().extract({TRACEPARENT: traceparent}, context=Context())


def failed(span: Span, kind: str) -> None:
    """Mark a span as failed, by the type of failure; its text may hold what was read."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def ids_here() -> dict[str, str]:
    """Trace and span id of the current span, for log lines; empty when there is none."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return {}
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
