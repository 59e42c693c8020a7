"""The worker process: Celery consumes the three queues with threads, because the work is waiting for the record.

Tasks are shells; what they do stands in work.py. Survives Redis going away and coming back.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from celery import Celery, bootsteps, signals
from celery.apps import worker as celery_worker
from celery.worker.consumer import Consumer
from opentelemetry.trace import SpanKind

from service.adapters.redis_doorbell import Job, Queue
from service.adapters.tracing import Tracing
from service.app.celery_app import make_celery  # part of what this module offers
from service.app.heartbeat import RETRYING, BeatWhileRetrying, Heartbeat
from service.app.observing import open_observation
from service.app.operations_port import Dependency, Operations, serving
from service.app.record_answers import record_answers
from service.app.settings import Settings, load_settings
from service.app.telemetry import log_to
from service.app.work import Work
from service.app.worker_wiring import open_work
from service.domain.vocabulary import Reference

__all__ = ["add_tasks", "make_celery", "run_worker"]

log = logging.getLogger(__name__)

BEAT_EVERY = 5.0
"""Seconds between two heartbeats."""
LONGEST_PAUSE = 5
"""Seconds between two tries to reach Redis."""


def add_tasks(celery: Celery, work: Work, tracing: Tracing | None = None) -> None:
    """The three jobs as Celery tasks; they never raise, so that a message is never delivered for ever.

    In which queue each travels is said once, by the routes in celery_app.py.
    """
    traced = tracing or Tracing()

    @celery.task(name=Job.TAKE_IN.value, shared=False)
    def take_in() -> None:
        # Many notifications are taken in at once, so this span is linked to each of their traces.
        with _telling(Job.TAKE_IN), traced.span("take in", kind=SpanKind.CONSUMER):
            work.take_in()

    @celery.task(name=Job.RECONCILE_PERSON.value, shared=False)
    def reconcile_person(person: str, token: str) -> None:
        with _telling(Job.RECONCILE_PERSON):
            work.reconcile_person(Reference(person), token)

    # Not acknowledged late: a catch-up may outlast the redelivery time, and the scheduler rings again anyway.
    @celery.task(name=Job.CATCH_UP.value, acks_late=False, shared=False)
    def catch_up() -> None:
        with _telling(Job.CATCH_UP), traced.span("catch up"):
            work.catch_up()


@contextmanager
def _telling(job: Job) -> Iterator[None]:
    """Celery's own line about a failed task is switched off, because it holds values; this one takes its place.

    Nothing is lost by going on: the inbox, the index and the marks still say what is to be done.
    """
    try:
        yield
    except Exception:  # ours to fix; JsonLines tells its type and place, never its text
        log.exception("a job failed in a way that nobody foresaw; report it", extra={"job": job.value})


def run_worker(settings: Settings) -> int:
    """Work until SIGTERM, then finish what is in hand; the exit status."""
    log_to(sys.stderr, role="worker", level=settings.log_level, form=settings.log_format)
    heartbeat = Heartbeat(settings.heartbeat_file)
    with ExitStack() as stack:
        seen = stack.enter_context(open_observation(settings, role="worker"))
        work, celery = stack.enter_context(open_work(settings, seen))
        add_tasks(celery, work, seen.tracing)
        work.starts()
        operations = Operations(
            registry=seen.registry,
            heartbeat=heartbeat,
            dependencies=(
                Dependency(name="queue", probe=work.index.size),
                Dependency(name="record", probe=stack.enter_context(record_answers(settings, seen))),
            ),
        )
        stack.enter_context(serving(operations, settings.host, settings.metrics_port))
        celery.steps["consumer"].update({_beating(heartbeat), Reconnecting})
        logging.getLogger(RETRYING).addHandler(BeatWhileRetrying(heartbeat))
        signals.setup_logging.connect(_leave_logging_alone)
        # What Celery would print past every logger when it is asked to stop becomes a line like any other.
        celery_worker.safe_say = lambda message, *_: log.info("Celery says: %s", message.strip())
        return _consume(celery, settings)


def _consume(celery: Celery, settings: Settings) -> int:
    worker = celery.Worker(
        pool="threads",
        consumer_cls=SoonBack,
        concurrency=settings.worker_concurrency,
        queues=[queue.value for queue in Queue],
        loglevel="INFO",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


class SoonBack(Consumer):
    """Asks for Redis every few seconds: Celery's own pauses grow to half a minute, in which nobody would be looked at."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=1, interval_step=1, interval_max=LONGEST_PAUSE
        )
        return super().ensure_connected(conn)


class Reconnecting(bootsteps.StartStopStep):
    """Starts the consumer anew when a message could not be acknowledged because Redis had gone.

    Celery swallows that error and keeps counting the message as unfinished. When all that may be unfinished at once has
    gone that way, it asks Redis for nothing any more, so it never even notices that the connection is lost.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        self.handler = _OnLostAcknowledgement(lambda: consumer.hub.call_soon(_connection_is_lost))
        logging.getLogger(ACKNOWLEDGING).addHandler(self.handler)

    def stop(self, _consumer: Any) -> None:
        logging.getLogger(ACKNOWLEDGING).removeHandler(self.handler)


ACKNOWLEDGING = "celery.worker.request"


class _OnLostAcknowledgement(logging.Handler):
    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(level=logging.CRITICAL)
        self._act = act
        self._has_acted = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._has_acted and "ack" in str(record.msg):
            self._has_acted = True
            self._act()


def _connection_is_lost() -> None:
    """Raised inside Celery's own loop, which then connects again and begins with nothing unfinished."""
    raise ConnectionResetError("a message could not be acknowledged")


def _leave_logging_alone(**_: Any) -> None:
    """Celery configures logging itself unless somebody listens to this signal."""


def _beating(heartbeat: Heartbeat) -> type:
    """A part of Celery's consumer that beats from its own loop: a loop that hangs stops the heartbeat."""

    class Beating(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            heartbeat.is_ready()
            self.timer = consumer.timer.call_repeatedly(BEAT_EVERY, heartbeat.is_ready)

        def stop(self, _consumer: Any) -> None:
            self.timer.cancel()

    return Beating


if __name__ == "__main__":
    sys.exit(run_worker(load_settings()))
