"""The scheduler process: looks twice a second who is due, and now and then asks for a catch-up.

Any number of them may run at once: claims and bells are settled in Redis. Must not touch the record.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from service.adapters.redis_dead_letters import RedisDeadLetters
from service.adapters.redis_doorbell import RedisDoorbell
from service.adapters.redis_inbox import RedisInbox
from service.adapters.redis_tallies import RedisTallies
from service.adapters.redis_work_index import RedisWorkIndex
from service.app.heartbeat import Heartbeat
from service.app.metrics import StateMetrics, about_this_build
from service.app.operations_port import Dependency, Operations, serving
from service.app.published import publish
from service.app.settings import Settings, load_settings
from service.app.telemetry import log_to
from service.app.wiring import open_queue
from service.fhir.event_gaps import gaps_are_due
from service.fhir.subscription_marks import GAPS
from service.flow.catch_up import FAILED, MARK
from service.flow.sweep import sweep
from service.ports import Clock, InboxUnavailable, Watermarks

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(milliseconds=500)
LONGEST_PAUSE = timedelta(seconds=5)
"""Between two looks while Redis does not answer."""
LIMIT = 1000
REBUILD_EVERY = timedelta(seconds=5)
"""How often a rebuild is asked for while the mark is missing, and a catch-up while the last one failed, e.g. because the
record does not answer: what was missed is read as soon as it is back."""


@dataclass(kw_only=True)
class Scheduler:
    """One look at a time; `step` is the whole of it."""

    index: RedisWorkIndex
    inbox: RedisInbox
    doorbell: RedisDoorbell
    dead_letters: RedisDeadLetters
    watermarks: Watermarks
    clock: Clock
    tallies: RedisTallies
    metrics: StateMetrics
    catch_up_every: timedelta
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    _pause: timedelta = LOOK_EVERY
    _has_started: bool = field(default=False, init=False)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            stop.wait(self.look().total_seconds())

    def look(self) -> timedelta:
        """One step; how long to wait before the next. Says once that Redis does not answer, and once that it does."""
        try:
            self.step()
        except InboxUnavailable:
            self.metrics.answers.set(0)
            self._has_started = False  # what was missed meanwhile is read at once when it answers again
            if self._pause == LOOK_EVERY:
                log.warning("Redis does not answer; looking again until it does")
            self.heartbeat.waits()
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
            return self._pause
        self.metrics.answers.set(1)
        if self._pause != LOOK_EVERY:
            log.warning("Redis answers again")
            self._pause = LOOK_EVERY
        self.heartbeat.is_ready()
        return LOOK_EVERY

    def step(self) -> None:
        """Who is due is claimed and rung for; a waiting inbox is rung for; a catch-up is asked for in time."""
        now = self.clock.now()
        self.metrics.claimed.inc(sweep(self.index, self.doorbell, now, LIMIT))
        waiting = self.inbox.size()
        if waiting or gaps_are_due(self.watermarks.get(GAPS), now):
            self.doorbell.inbox_has_mail()
        if not self._has_started and self.watermarks.get(MARK) is not None:
            self.doorbell.catch_up_is_due()
        elif self.watermarks.get(MARK) is None or self.watermarks.get(FAILED):
            self.doorbell.catch_up_is_due(every=REBUILD_EVERY)
        else:
            self.doorbell.catch_up_is_due(every=self.catch_up_every)
        self._has_started = True
        self.metrics.inbox.set(waiting)
        self._measure(now)

    def _measure(self, now: datetime) -> None:
        self.metrics.oldest.set(self.inbox.oldest().total_seconds())
        self.metrics.index.set(self.index.size())
        self.metrics.dead_letters.set(self.dead_letters.size())
        self.metrics.behind.set(self.index.behind(now).total_seconds())
        totals = self.tallies.totals()
        self.metrics.stand(totals.numbers, totals.unowned_since, now)
        publish(self.watermarks, self.metrics)


def run_scheduler(settings: Settings) -> int:
    """Look until SIGTERM or SIGINT; the exit status."""
    log_to(sys.stderr, role="scheduler", level=settings.log_level, form=settings.log_format)
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    registry, heartbeat = CollectorRegistry(), Heartbeat(settings.heartbeat_file)
    about_this_build(registry, version=version("throughline"), role="scheduler")
    with open_queue(settings) as queue:
        scheduler = Scheduler(
            index=queue.index,
            inbox=queue.inbox,
            doorbell=queue.doorbell,
            dead_letters=queue.dead_letters,
            watermarks=queue.watermarks,
            clock=queue.clock,
            tallies=queue.tallies,
            metrics=StateMetrics(registry),
            catch_up_every=timedelta(seconds=settings.catch_up_seconds),
            heartbeat=heartbeat,
        )
        operations = Operations(
            registry=registry,
            heartbeat=heartbeat,
            dependencies=(Dependency(name="queue", probe=queue.index.size),),
        )
        with serving(operations, settings.host, settings.metrics_port):
            scheduler.run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(run_scheduler(load_settings()))
