"""The process that takes in HL7 v2 over MLLP: wires the server, the door and the inbox, and stays until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from time import perf_counter
from typing import Protocol

from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, Counter, Gauge

from service.adapters.mllp_frames import Fault
from service.adapters.mllp_server import Bounds, MllpServer, Reply
from service.adapters.mllp_tls import ServerTls
from service.adapters.tracing import Tracing
from service.app.certificates import CertificateMetrics, mllp_certificates
from service.app.heartbeat import Heartbeat
from service.app.listening import check_address
from service.app.metrics import about_this_build
from service.app.observing import open_tracing
from service.app.operations_port import Dependency, Operations, serving
from service.app.senders import senders_of, unchecked_certificates
from service.app.settings import Settings, SettingsProblem, variable
from service.app.telemetry import log_to
from service.app.wiring import make_clock, open_message_inbox
from service.fhir.messages.content import Sender
from service.fhir.messages.once import MessageInbox
from service.flow import receive_hl7v2 as step
from service.flow.receive_hl7v2 import Answered
from service.ports import Clock, InboxUnavailable

log = logging.getLogger(__name__)

LONGEST = 1_000_000
"""Bytes of one message; an ADT message has some thousands."""
BEAT_EVERY = timedelta(seconds=5)
PROBED_WITHIN = 2.0  # seconds


class NobodySends(Exception):
    """Use this when senders.yaml lists nobody with HL7 v2; says what to do."""


class MllpMetrics:
    """What came and how it ended. Labels are names from configuration, never of people."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "throughline_hl7v2_messages",
            "HL7 v2 messages answered, by sender and outcome.",
            ("sender", "outcome"),
            registry=registry,
        )
        self.connections = Gauge("throughline_mllp_connections", "Open connections.", registry=registry)


@dataclass(frozen=True, kw_only=True)
class Hl7v2Door:
    """Everything that answering needs."""

    senders: Sequence[Sender]
    inbox: MessageInbox
    clock: Clock
    metrics: MllpMetrics
    limit: int = LONGEST
    tracing: Tracing = field(default_factory=Tracing)

    async def answer(self, frame: bytes | Fault, shown: frozenset[str] = frozenset()) -> Reply:
        """What is sent back for one frame; never raises for what a frame holds. `shown`: names in the certificate."""
        began = perf_counter()
        answered = await self._answered(frame, shown)
        self.metrics.messages.labels(answered.sender, answered.outcome.value).inc()
        took = (perf_counter() - began) * 1000
        log.info("HL7 v2 message of %s: %s, %.1f ms", answered.sender, answered.outcome.value, took)
        return Reply(frames=answered.frames, hang_up=answered.hang_up)

    async def _answered(self, frame: bytes | Fault, shown: frozenset[str]) -> Answered:
        now = self.clock.now()
        zone = now.tzinfo
        assert zone is not None  # ports.Clock
        if frame is Fault.TOO_LONG:
            return step.too_long(self.limit, now=now, zone=zone)
        if isinstance(frame, Fault):
            return step.broken_off(now=now, zone=zone)
        opened = None
        try:
            # In a thread: other connections do not wait while a large message is taken apart.
            opened = await asyncio.to_thread(step.open_frame, frame, self.senders, now, shown)
            with self.tracing.span("message", kind=SpanKind.SERVER) as span:
                trace = self.tracing.here()
                answered = await step.answer_frame(opened, self.inbox, now=now, zone=zone, trace=trace)
                span.set_attribute("throughline.sender", answered.sender)
                span.set_attribute("throughline.outcome", answered.outcome.value)
                return answered
        except Exception as failure:  # only its kind is told: its text may hold what the message says
            log.error("answering an HL7 v2 message failed: %s", type(failure).__name__)
            return step.failed(opened, now=now, zone=zone)


def run_mllp(settings: Settings) -> int:
    """Listen until SIGTERM, then finish the message in hand. CannotListen, NobodySends or SettingsProblem when it cannot."""
    senders = [each for each in senders_of(settings) if each.application]
    if not senders:
        raise NobodySends(NOBODY)
    tls = tls_of(settings)
    unchecked = unchecked_certificates(settings, senders)
    if unchecked:
        raise SettingsProblem([unchecked])
    check_address(settings.mllp_host, settings.mllp_port)
    log_to(sys.stderr, role="mllp", level=settings.log_level, form=settings.log_format)
    if tls is None and settings.mllp_host not in LOOPBACK:
        log.warning("HL7 v2 comes in clear: set %s and its key for TLS", variable("mllp_tls_certificate"))
    asyncio.run(_listen(settings, senders, tls))
    return 0


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def tls_of(settings: Settings) -> ServerTls | None:
    """None when no certificate is set. SettingsProblem when the files cannot be used."""
    certificate, key = settings.mllp_tls_certificate, settings.mllp_tls_key
    authority = settings.mllp_tls_client_ca
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise SettingsProblem([BOTH.format(variable("mllp_tls_certificate"), variable("mllp_tls_key"))])
    try:
        return ServerTls(certificate, key, authority)
    except (OSError, ssl.SSLError):
        names = (variable("mllp_tls_certificate"), variable("mllp_tls_key"), variable("mllp_tls_client_ca"))
        raise SettingsProblem([UNUSABLE.format(", ".join(names))]) from None


async def _listen(settings: Settings, senders: Sequence[Sender], tls: ServerTls | None) -> None:
    registry, heartbeat = CollectorRegistry(), Heartbeat(settings.heartbeat_file)
    about_this_build(registry, version=version("throughline"), role="mllp")
    CertificateMetrics(registry, mllp_certificates(settings))
    metrics = MllpMetrics(registry)
    limit = min(settings.max_body_bytes, LONGEST)
    stopped = asyncio.Event()
    for signalled in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signalled, stopped.set)
    with open_tracing(settings, role="mllp") as tracing:
        async with open_message_inbox(settings) as inbox:
            door = Hl7v2Door(
                senders=senders,
                inbox=inbox,
                clock=make_clock(settings),
                metrics=metrics,
                limit=limit,
                tracing=tracing,
            )
            server = MllpServer(door.answer, Bounds(message_bytes=limit))
            metrics.connections.set_function(lambda: server.connections)
            operations = Operations(
                registry=registry, heartbeat=heartbeat, dependencies=(inbox_answers(inbox),)
            )
            with serving(operations, settings.host, settings.metrics_port):
                await server.start(settings.mllp_host, settings.mllp_port, tls.context if tls else None)
                log.info("listening for HL7 v2 on port %d", server.port)
                await beat_until(stopped, heartbeat, inbox, tls)
                await server.stop()


class Measured(Protocol):
    """Any inbox that says how full it is."""

    async def size(self) -> int: ...


def inbox_answers(inbox: Measured) -> Dependency:
    """Asked from the threads of the operations server, answered by the loop that answers senders."""
    loop = asyncio.get_running_loop()

    def probe() -> int:
        return asyncio.run_coroutine_threadsafe(inbox.size(), loop).result(PROBED_WITHIN)

    return Dependency(name="inbox", probe=probe)


async def beat_until(
    stopped: asyncio.Event, heartbeat: Heartbeat, inbox: Measured, tls: ServerTls | None = None
) -> None:
    """Beats from the loop that answers: one that hangs stops the heartbeat. Looks for a renewed certificate each time."""
    while not stopped.is_set():
        if tls is not None and tls.refresh():
            log.info("a renewed certificate is shown from now on")
        try:
            await inbox.size()
            heartbeat.is_ready()
        except InboxUnavailable:
            heartbeat.waits()
        try:
            async with asyncio.timeout(BEAT_EVERY.total_seconds()):
                await stopped.wait()
        except TimeoutError:
            continue


# --- wording ----------------------------------------------------------------------------------------------------

NOBODY = "Nobody may send HL7 v2: list a sender with `accepts: [hl7v2]` in senders.yaml of the mappings folder (docs/messages.md)."
BOTH = "TLS needs {} and {}: set both, or neither."
UNUSABLE = "The files for TLS cannot be used: check that {} name PEM files that exist, may be read and belong together."
