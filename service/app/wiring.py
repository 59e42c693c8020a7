"""The composition root: the one place that knows which adapter stands behind which port.

Everything is opened by a function and closed by its context; nothing happens at import. Must not decide anything.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any

from celery import Celery
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from service.adapters.clocks import FileClock, SystemClock
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.client import Limits as HttpLimits
from service.adapters.fhir.history import HttpRecordHistory
from service.adapters.fhir.pacing import Pace
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir.subscription_server import HttpSubscriptionServer
from service.adapters.fhir.watching import Watcher, unwatched
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.fhir_versions import VersionNeutralRecord, server_version
from service.adapters.redis_connection import Keys, connect, connect_async
from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_echoes import RedisEchoes
from service.adapters.redis_inbox import RedisInbox, Taken
from service.adapters.redis_messages import MessageInbox
from service.adapters.redis_tallies import RedisTallies
from service.adapters.redis_trail import RedisTrail
from service.adapters.redis_watermarks import AsyncWatermarks, RedisWatermarks
from service.adapters.redis_work_index import RedisWorkIndex
from service.app.celery_app import make_celery
from service.app.listening_report import as_details, listening
from service.app.observing import Observation
from service.app.practice import practice_of, role_codes
from service.app.probed_record import ProbedRecord
from service.app.record_access import RecordAccess, record_access
from service.app.settings import Settings
from service.app.web import Check, Messages, create_app
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.record_history import RecordHistory
from service.fhir.subscription_marks import LISTENING
from service.fhir.subscription_server import SubscriptionServer
from service.flow.directory import KeptDirectory
from service.flow.practice import Practice
from service.flow.receive import Limits, Watch
from service.flow.receive_message import Trusted
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
    tallies: RedisTallies
    trail: RedisTrail
    clock: Clock


def takes_no_note(_headers: Mapping[str, str], _waited: timedelta) -> None:
    """For whoever reads an inbox without measuring it."""


@contextmanager
def open_queue(settings: Settings, *, taken: Taken = takes_no_note) -> Iterator[Queue]:
    """Connects at the first use, so that a process can start before Redis does. `taken`: see RedisInbox."""
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
                    taken=taken,
                ),
                index=RedisWorkIndex(client, keys, lease=settings.lease),
                dead_letters=RedisDeadLetters(client, keys),
                watermarks=RedisWatermarks(client, keys),
                echoes=RedisEchoes(client, keys),
                doorbell=RedisDoorbell(client, keys, celery),
                celery=celery,
                tallies=RedisTallies(client, keys),
                trail=RedisTrail(client, keys),
                clock=make_clock(settings),
            )
        finally:
            celery.close()


@dataclass(frozen=True, kw_only=True)
class RecordServer:
    """Everything that one FHIR server is asked, over one client."""

    record: FhirRecord
    history: RecordHistory
    subscriptions: SubscriptionServer


@contextmanager
def open_server(
    settings: Settings, *, reading_only: bool = False, below: str = "", seen: Observation | None = None
) -> Iterator[RecordServer]:
    """The record server; what it can do is tried at the first use, unless nothing will be written.

    `below`: a path below its base address, where some servers keep their Subscriptions. `seen` looks on, and brings the
    access that all clients of a process share.
    """
    access, watch = (seen.access, seen.watch) if seen else (None, unwatched)
    client = make_client(settings, below=below, access=access, watch=watch, pace=seen.pace if seen else None)
    try:
        record = HttpFhirRecord(client, CAREFUL) if reading_only else ProbedRecord(client)
        yield RecordServer(
            record=VersionNeutralRecord(record, server_version(client)),
            history=HttpRecordHistory(client),
            subscriptions=HttpSubscriptionServer(client),
        )
    finally:
        client.close()


@contextmanager
def open_record(
    settings: Settings, *, reading_only: bool = False, seen: Observation | None = None
) -> Iterator[FhirRecord]:
    """The record server as nothing but the record."""
    with open_server(settings, reading_only=reading_only, seen=seen) as server:
        yield server.record


def make_client(
    settings: Settings,
    *,
    below: str = "",
    access: RecordAccess | None = None,
    watch: Watcher = unwatched,
    pace: Pace | None = None,
) -> FhirClient:
    """HTTP with the record server. `access` is shared by all clients of a process, so that they share one token."""
    access = access or record_access(settings)
    # A call that gives up well before the lease ends leaves its worker time to give the person back properly.
    patience = Backoff(patience=max(2.0, settings.lease_seconds / 3))
    limits = HttpLimits(answer=settings.fhir_timeout_seconds)
    base_url = settings.need("fhir_base_url") + (f"/{below.strip('/')}" if below else "")
    return FhirClient(
        base_url, auth=access.auth, tls=access.tls, limits=limits, backoff=patience, pace=pace, watch=watch
    )


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


def make_directory(settings: Settings, record: FhirRecord, library: Library) -> KeptDirectory:
    accountable = settings.accountable_practitioner
    return KeptDirectory(
        record,
        role_codes(library),
        also=[Reference(accountable)] if accountable else [],
        keep=timedelta(seconds=settings.directory_seconds),
        monotonic=time.monotonic,
    )


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
    seen: Observation | None = None,
) -> FastAPI:
    """The web process: it stores notifications and messages, and rings; `watches` by token, `trusted` may send messages."""
    keys = Keys(prefix=settings.key_prefix)
    client = connect_async(settings.need("redis_url"))
    ringing = connect(settings.need("redis_url"), wait=timedelta(seconds=2))
    celery = make_celery(settings)
    marks = AsyncWatermarks(client, keys)
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

    async def hears() -> dict[str, Any]:
        return as_details(listening(await marks.get(LISTENING)))

    return create_app(
        watches=watches,
        inbox=inbox,
        messages=Messages(trusted=trusted, inbox=inbox, clock=make_clock(settings)),
        limits=Limits(body_bytes=settings.max_body_bytes, depth=settings.max_depth),
        registry=seen.registry if seen else CollectorRegistry(),
        tracing=seen.tracing if seen else None,
        checks=[Check(name="inbox", probe=answers), *checks],
        routers=routers,
        details={"listening": hears},
        lifespan=lifespan,
        version=version("throughline"),
    )
