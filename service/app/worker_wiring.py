"""Puts a worker together: its jobs over the real record and the real queue, and what it does after each catch-up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.metadata import version

from celery import Celery

from service.app.after_catch_up import AfterCatchUp
from service.app.metrics import WorkMetrics
from service.app.observing import Observation, followed, on_taken, open_observation, tallying
from service.app.practice import begins
from service.app.senders import senders_of
from service.app.settings import Settings
from service.app.subscription_files import read_watching
from service.app.subscription_secrets import canary_value
from service.app.subscriptions import Subscriptions
from service.app.upkeep import Upkeep
from service.app.web_process import installation_keys
from service.app.wiring import (
    Queue,
    RecordServer,
    make_directory,
    make_practice,
    open_queue,
    open_server,
    read_library,
)
from service.app.work import Work
from service.fhir.messages.content import Sender
from service.fhir.subscription_marks import known_mark
from service.flow.catch_up import CaughtUp
from service.flow.tell_messages import TellRecord
from service.flow.upsert import Site, tell
from service.ports import Clock, FhirRecord


@contextmanager
def open_work(settings: Settings, seen: Observation | None = None) -> Iterator[tuple[Work, Celery]]:
    """A worker's jobs. MappingsProblem, SendersProblem or SubscriptionsProblem when the files of the site cannot be used."""
    with ExitStack() as stack:
        seen = seen or stack.enter_context(open_observation(settings, role="worker"))
        metrics = WorkMetrics(seen.registry)
        queue = stack.enter_context(open_queue(settings, taken=on_taken(metrics, seen.tracing)))
        library = read_library(settings, today=queue.clock.now().date())
        server = stack.enter_context(open_server(settings, seen=seen))
        upkeep = stack.enter_context(_open_upkeep(settings, server, queue, seen))
        practice = make_practice(settings, library)
        senders = senders_of(settings)
        directory = make_directory(settings, server.record, library).people
        work = Work(
            inbox=queue.inbox,
            index=queue.index,
            record=server.record,
            dead_letters=queue.dead_letters,
            watermarks=queue.watermarks,
            echoes=queue.echoes,
            doorbell=queue.doorbell,
            clock=queue.clock,
            practice=practice,
            begins=begins(library),
            tell=make_tell(settings, senders, server.record, queue.clock),
            directory=directory,
            metrics=metrics,
            monotonic=time.monotonic,
            tallied=tallying(queue.tallies, metrics, practice, queue.clock),
            **followed(seen.tracing, queue.trail),
            history=server.history,
            events=server.subscriptions.events,
            canaries=upkeep.canaries if upkeep else frozenset(),
            after_reading=upkeep.saw if upkeep else _nothing,
            after_catch_up=AfterCatchUp(
                record=server.record,
                index=queue.index,
                marks=queue.watermarks,
                clock=queue.clock,
                practice=practice,
                directory=directory,
                metrics=metrics,
                population_every=timedelta(seconds=settings.population_seconds),
                lookback=settings.lookback,
                upkeep=upkeep.look if upkeep else None,
                senders=[sender.name for sender in senders],
            ),
        )
        yield work, queue.celery


@contextmanager
def _open_upkeep(
    settings: Settings, server: RecordServer, queue: Queue, seen: Observation
) -> Iterator[Upkeep | None]:
    """Who looks after our Subscriptions; nobody where none can be asked for, or the server tells nothing anyway."""
    if settings.public_url is None or settings.secret_key is None:
        yield None
        return
    watching = read_watching(settings.subscriptions, settings.fhir_server)
    if watching.server is not None and not watching.server.tells:
        yield None
        return
    keys = installation_keys(settings)
    with ExitStack() as stack:
        made_at = watching.server.made_at if watching.server else ""
        asked = stack.enter_context(open_server(settings, below=made_at, seen=seen)) if made_at else server
        yield Upkeep(
            ours=Subscriptions(
                record=asked.record,
                wanted=watching.wanted,
                public_url=settings.public_url,
                keys=keys,
                now=queue.clock.now,
                known=lambda name: queue.watermarks.get(known_mark(name)),
            ),
            server=asked.subscriptions,
            record=server.record,
            marks=queue.watermarks,
            clock=queue.clock,
            canary=canary_value(keys[0]),
            canary_every=timedelta(seconds=settings.canary_seconds),
            base_url=settings.need("fhir_base_url"),
        )


def make_tell(settings: Settings, senders: Iterable[Sender], record: FhirRecord, clock: Clock) -> TellRecord:
    """How what messages tell gets into the record."""
    by_name = {sender.name: sender for sender in senders}
    site = Site(
        record=record,
        base_url=settings.need("fhir_base_url"),
        zone=settings.zone,
        software_version=version("throughline"),
    )
    return lambda raw: tell(raw, by_name, site, clock.now())


def _nothing(_caught_up: CaughtUp) -> None:
    """There are no subscriptions to look after."""
