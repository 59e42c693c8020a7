"""The composition root: the one place that knows which adapter stands behind which port.

Everything is opened by a function and closed by its context; nothing happens at import. Must not decide anything.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any

from celery import Celery
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, start_http_server

from service.adapters.clocks import FileClock, SystemClock
from service.adapters.fhir.auth import BearerToken
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.client import Limits as HttpLimits
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.redis_connection import Keys, connect, connect_async
from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_echoes import RedisEchoes
from service.adapters.redis_inbox import RedisInbox
from service.adapters.redis_messages import MessageInbox
from service.adapters.redis_watermarks import RedisWatermarks
from service.adapters.redis_work_index import RedisWorkIndex
from service.app.celery_app import make_celery
from service.app.practice import begins, practice_of, role_codes
from service.app.probed_record import ProbedRecord
from service.app.senders import senders_of
from service.app.settings import Settings, rereading
from service.app.telemetry import WorkMetrics
from service.app.web import Check, Messages, create_app
from service.app.work import Work
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.flow.directory import KeptDirectory
from service.flow.receive import Limits, Watch
from service.flow.receive_message import Trusted
from service.flow.reconcile import Practice
from service.flow.take_in import TellRecord
from service.flow.upsert import Site, tell
from service.pathways.library import Library, load_library
from service.pathways.problems import errors
from service.ports import Clock, FhirRecord


class MappingsProblem(Exception):
    """Use this when the mappings folder cannot be used; the message says how to see every problem."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Everything that stands in Redis, and the clock beside it."""

    inbox: RedisInbox
    index: RedisWorkIndex
    dead_letters: RedisDeadLetters
    watermarks: RedisWatermarks
    echoes: RedisEchoes
    doorbell: RedisDoorbell
    celery: Celery
    clock: Clock
    metrics: WorkMetrics


@contextmanager
def open_queue(settings: Settings) -> Iterator[Queue]:
    """Connects at the first use, so that a process can start before Redis does."""
    keys = Keys(prefix=settings.key_prefix)
    celery = make_celery(settings)
    with connect(settings.need("redis_url")) as client:
        try:
            yield Queue(
                inbox=RedisInbox(
                    client,
                    keys,
                    consumer=f"{socket.gethostname()}-{os.getpid()}",
                    left_behind_after=settings.lease,
                ),
                index=RedisWorkIndex(client, keys, lease=settings.lease),
                dead_letters=RedisDeadLetters(client, keys),
                watermarks=RedisWatermarks(client, keys),
                echoes=RedisEchoes(client, keys),
                doorbell=RedisDoorbell(client, keys, celery),
                celery=celery,
                clock=make_clock(settings),
                metrics=WorkMetrics(CollectorRegistry()),
            )
        finally:
            celery.close()


@contextmanager
def open_work(settings: Settings) -> Iterator[tuple[Work, Celery]]:
    """A worker's jobs over the real record and the real queue. MappingsProblem when the pathways cannot be used."""
    with ExitStack() as stack:
        queue = stack.enter_context(open_queue(settings))
        library = read_library(settings, today=queue.clock.now().date())
        record = stack.enter_context(open_record(settings))
        yield (
            Work(
                inbox=queue.inbox,
                index=queue.index,
                record=record,
                dead_letters=queue.dead_letters,
                watermarks=queue.watermarks,
                echoes=queue.echoes,
                doorbell=queue.doorbell,
                clock=queue.clock,
                practice=make_practice(settings, library),
                begins=begins(library),
                tell=make_tell(settings, record, queue.clock),
                directory=make_directory(settings, record, library).people,
                metrics=queue.metrics,
                monotonic=time.monotonic,
            ),
            queue.celery,
        )


@contextmanager
def open_record(settings: Settings, *, reading_only: bool = False) -> Iterator[FhirRecord]:
    """The record server; what it can do is tried at the first use, unless nothing will be written."""
    client = make_client(settings)
    try:
        yield HttpFhirRecord(client, CAREFUL) if reading_only else ProbedRecord(client)
    finally:
        client.close()


def make_client(settings: Settings) -> FhirClient:
    """HTTP with the record server, with the token of the settings when there is one."""
    auth = BearerToken(rereading("fhir_auth_token", settings)) if settings.fhir_auth_token else None
    # A call that gives up well before the lease ends leaves its worker time to give the person back properly.
    patience = Backoff(patience=max(2.0, settings.lease_seconds / 3))
    limits = HttpLimits(answer=settings.fhir_timeout_seconds)
    return FhirClient(settings.need("fhir_base_url"), auth=auth, limits=limits, backoff=patience)


def make_clock(settings: Settings) -> Clock:
    if settings.clock_file is not None:
        return FileClock(settings.clock_file, settings.zone)
    return SystemClock(settings.zone)


def read_library(settings: Settings, *, today: date) -> Library:
    """The mappings folder. A file with errors stops the start: who deployed it should know at once, not weeks later."""
    folder = settings.mappings
    compiler = StrictPathCompiler(zone=settings.zone, base=settings.fhir_base_url or "")
    library = load_library(folder, compiler, today=today)
    found = errors(library.problems)
    if found:
        raise MappingsProblem(
            f"The mappings folder {folder} has {len(found)} error{'s' if len(found) > 1 else ''}. See each with its line:"
            " throughline pathways check"
        )
    if not library.pathways:
        raise MappingsProblem(
            f"The mappings folder {folder} has no pathway. Set THROUGHLINE_MAPPINGS_DIR to the folder that holds"
            " pathways/; to look into it: throughline pathways check"
        )
    return library


def make_practice(settings: Settings, library: Library) -> Practice:
    accountable = settings.accountable_practitioner
    return practice_of(
        library,
        zone=settings.zone,
        base_url=settings.need("fhir_base_url"),
        accountable=Reference(accountable) if accountable else None,
        lookback=settings.lookback,
        software_version=version("throughline"),
    )


def make_tell(settings: Settings, record: FhirRecord, clock: Clock) -> TellRecord:
    """How what messages tell gets into the record. SendersProblem when senders.yaml has mistakes."""
    senders = {sender.name: sender for sender in senders_of(settings)}
    site = Site(
        record=record,
        base_url=settings.need("fhir_base_url"),
        zone=settings.zone,
        software_version=version("throughline"),
    )
    return lambda raw: tell(raw, senders, site, clock.now())


def make_directory(settings: Settings, record: FhirRecord, library: Library) -> KeptDirectory:
    accountable = settings.accountable_practitioner
    return KeptDirectory(
        record,
        role_codes(library),
        also=[Reference(accountable)] if accountable else [],
        keep=timedelta(seconds=settings.directory_seconds),
        monotonic=time.monotonic,
    )


def serve_metrics(settings: Settings, registry: CollectorRegistry) -> None:
    """Metrics of a process that has no web of its own, where a port is set for them."""
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, settings.host, registry)


@asynccontextmanager
async def open_message_inbox(settings: Settings) -> AsyncIterator[MessageInbox]:
    """Where messages and notifications are stored, with the bell that tells a worker."""
    keys = Keys(prefix=settings.key_prefix)
    client = connect_async(settings.need("redis_url"))
    ringing = connect(settings.need("redis_url"), wait=timedelta(seconds=2))
    celery = make_celery(settings)
    inbox = MessageInbox(client, keys, ring=RedisDoorbell(ringing, keys, celery).ring_inbox)
    try:
        yield inbox
    finally:
        await inbox.close()
        ringing.close()
        celery.close()


def make_web(
    settings: Settings,
    *,
    watches: Mapping[str, Watch],
    trusted: Sequence[Trusted] = (),
    routers: Sequence[APIRouter] = (),
    checks: Sequence[Check] = (),
) -> FastAPI:
    """The web process: it stores notifications and messages, and rings; `watches` by token, `trusted` may send messages."""
    keys = Keys(prefix=settings.key_prefix)
    client = connect_async(settings.need("redis_url"))
    ringing = connect(settings.need("redis_url"), wait=timedelta(seconds=2))
    celery = make_celery(settings)
    inbox = MessageInbox(client, keys, ring=RedisDoorbell(ringing, keys, celery).ring_inbox)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await inbox.close()
            ringing.close()
            celery.close()

    async def answers() -> Any:
        return await inbox.size()

    return create_app(
        watches=watches,
        inbox=inbox,
        messages=Messages(trusted=trusted, inbox=inbox, clock=make_clock(settings)),
        limits=Limits(body_bytes=settings.max_body_bytes, depth=settings.max_depth),
        registry=CollectorRegistry(),
        checks=[Check(name="inbox", probe=answers), *checks],
        routers=routers,
        lifespan=lifespan,
        version=version("throughline"),
    )
