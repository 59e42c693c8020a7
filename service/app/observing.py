"""What operators see of the work besides logs: traces, exported only where an address is set for them, and timings.

Span names and attributes are methods, types, statuses and names from configuration; never an id, a URL or a text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from time import perf_counter
from typing import Any, Protocol

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

from service.adapters.fhir.pacing import Pace
from service.adapters.fhir.watching import Exchange, Watcher
from service.adapters.redis_inbox import Taken
from service.adapters.redis_tallies import RedisTallies
from service.adapters.tracing import NAME, TRACEPARENT, Tracing, failed
from service.app.certificates import CertificateMetrics, record_certificates
from service.app.metrics import FhirMetrics, TokenMetrics, WorkMetrics, about_this_build, names_of
from service.app.record_access import RecordAccess, record_access
from service.app.settings import Settings, inherited
from service.domain.evidence import PersonRecord
from service.domain.tally import tally
from service.domain.vocabulary import Reference
from service.flow.practice import Practice
from service.ports import Clock, InboxUnavailable

log = logging.getLogger(__name__)

EXPORT_WITHIN = 2.0
"""Seconds for one export with all its tries; also what the end of a process waits for its last spans to be taken."""


@dataclass(frozen=True, kw_only=True)
class TracesWanted:
    """Whether and where to traces are exported; `endpoint` None leaves it to the variables that OpenTelemetry defines."""

    on: bool
    endpoint: str | None = None
    is_named: bool = False


def traces_wanted(settings: Settings, environ: Mapping[str, str]) -> TracesWanted:
    """On when an address is set, by our setting or OpenTelemetry's own variables, and nothing switches it off."""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    off = off or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    theirs = any(environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", "").strip() for name in ("", "TRACES_"))
    return TracesWanted(
        on=not off and (theirs or settings.traces_endpoint is not None),
        endpoint=settings.traces_endpoint,
        is_named=bool(environ.get("OTEL_SERVICE_NAME", "").strip()),
    )


def traces_arrive(settings: Settings) -> bool | None:
    """Whether an empty export is taken where traces go; None where none are wanted."""
    wanted = traces_wanted(settings, inherited())
    if not wanted.on:
        return None
    told = logging.getLogger(OTLPSpanExporter.__module__)
    before, told.disabled = told.disabled, True  # whoever asks says it in better words
    try:
        exporter = OTLPSpanExporter(endpoint=wanted.endpoint, timeout=EXPORT_WITHIN)
        return exporter.export([]) is SpanExportResult.SUCCESS
    finally:
        told.disabled = before


@contextmanager
def open_tracing(settings: Settings, *, role: str) -> Iterator[Tracing]:
    """Spans that go to the OTLP address of the settings or of OTEL_*; spans that go nowhere when there is none."""
    wanted = traces_wanted(settings, inherited())
    if not wanted.on:
        yield Tracing()
        return
    resource = Resource.create(
        {
            SERVICE_VERSION: version("throughline"),
            "throughline.role": role,
            # OTEL_SERVICE_NAME goes first where it is set; the SDK reads it by itself.
            **({} if wanted.is_named else {SERVICE_NAME: NAME}),
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # Not the global provider: libraries that find one there would export addresses, and with them tokens and ids.
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=wanted.endpoint, timeout=EXPORT_WITHIN))
    )
    try:
        yield Tracing(provider.get_tracer(NAME, version("throughline")))
    finally:
        provider.shutdown()


def watcher(tracing: Tracing, metrics: FhirMetrics) -> Watcher:
    """Measures each request to the FHIR server, and makes a span of it that the server can continue."""

    @contextmanager
    def watch(doing: str) -> Iterator[Exchange]:
        method, _, what = doing.partition(" ")
        operation = operation_of(doing)
        exchange = Exchange()
        began = perf_counter()
        attributes = {"http.request.method": method, "throughline.fhir.operation": operation}
        with tracing.span(f"FHIR {doing}", kind=SpanKind.CLIENT, attributes=attributes) as span:
            here = tracing.here()
            exchange.headers = {TRACEPARENT: here} if here else {}
            try:
                yield exchange
            finally:
                metrics.seconds.labels(operation, outcome_of(exchange.status)).observe(perf_counter() - began)
                span.set_attribute("throughline.fhir.type", what.rstrip("?"))
                if exchange.status is not None:
                    span.set_attribute("http.response.status_code", exchange.status)
                    if exchange.status >= 400:
                        failed(span, str(exchange.status))

    return watch


def operation_of(doing: str) -> str:
    """FHIR's name of an interaction, from `GET Task`, `GET Task?`, `POST transaction`, …"""
    method, _, what = doing.partition(" ")
    if what in {"batch", "transaction", "metadata"}:
        return what
    if what.endswith("?"):
        return "search"
    return {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}.get(method, "other")


def outcome_of(status: int | None) -> str:
    """`2xx` … `5xx`, or `none` when there was no answer."""
    return "none" if status is None else f"{status // 100}xx"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Everything that looks on in one process, and the access to the record that all its clients share."""

    registry: CollectorRegistry
    tracing: Tracing
    access: RecordAccess | None
    """None while no FHIR server is named."""
    watch: Watcher
    pace: Pace


@contextmanager
def open_observation(settings: Settings, *, role: str) -> Iterator[Observation]:
    """SettingsProblem when the FHIR server cannot be spoken to with these settings."""
    registry, pace = CollectorRegistry(), Pace()
    about_this_build(registry, version=version("throughline"), role=role)
    CertificateMetrics(registry, record_certificates(settings))

    def paced() -> tuple[int, int, int]:
        now = pace.numbers()
        return now.retries, now.conflicts, now.limit

    with open_tracing(settings, role=role) as tracing:
        yield Observation(
            registry=registry,
            tracing=tracing,
            access=_access(settings, registry) if settings.fhir_base_url else None,
            watch=watcher(tracing, FhirMetrics(registry, paced)),
            pace=pace,
        )


def _access(settings: Settings, registry: CollectorRegistry) -> RecordAccess:
    metrics = TokenMetrics(registry) if settings.fhir_auth_client_id else None
    if metrics is None:
        return record_access(settings)
    return record_access(
        settings,
        counted=lambda outcome: metrics.requests.labels(outcome).inc(),
        seen=lambda token: metrics.expires.set(token.expires_at),
    )


# --- what a worker is given


def on_taken(metrics: WorkMetrics, tracing: Tracing) -> Taken:
    """Each notification that is taken from the inbox: how long it waited, and to which trace it belongs."""

    def taken(headers: Mapping[str, str], waited: timedelta) -> None:
        metrics.lag.observe(waited.total_seconds())
        if TRACEPARENT in headers:
            tracing.link(headers[TRACEPARENT])

    return taken


def tallying(
    tallies: RedisTallies, metrics: WorkMetrics, practice: Practice, clock: Clock
) -> Callable[[Reference, PersonRecord], None]:
    """Keeps how each person stands; numbers are worth less than the work, so Redis may be away."""

    def tallied(person: Reference, seen: PersonRecord) -> None:
        now = clock.now()
        found = tally(seen, practice.pathways, now)
        try:
            since = tallies.keep(person, names_of(found), found.unowned_since)
        except InboxUnavailable:
            log.info("how a person stands could not be counted; it is counted with the next look")
            return
        if since is not None:
            metrics.unowned.observe(max(0.0, now.timestamp() - since))

    return tallied


class KeepsTrail(Protocol):
    """Carries a trace from whoever wakes a person to whoever works on them."""

    def note(self, people: Iterable[Reference], traceparent: str) -> None: ...

    def take(self, person: Reference) -> str: ...


def followed(tracing: Tracing, trail: KeepsTrail) -> dict[str, Any]:
    """What lets work on a person continue the trace of the notification that woke them; nothing where none is traced."""
    if not tracing.is_on:
        return {}

    def around(person: Reference) -> AbstractContextManager[object]:
        return tracing.span("reconcile", parent=trail.take(person))

    def follows(people: Iterable[Reference], headers: Mapping[str, str]) -> None:
        if TRACEPARENT in headers:
            trail.note(people, headers[TRACEPARENT])

    return {"trail": follows, "around": around}
