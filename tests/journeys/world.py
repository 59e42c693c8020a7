"""A whole installation for one journey: a real FHIR server, Redis, web, worker and scheduler, and a clock that stands still.

Catch-up is switched off after the start, so whatever happens in a journey was heard of by notification or came due.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedRedis
from service.app.all_in_one import ask_for_notifications
from service.app.settings import load_settings
from service.app.wiring import Queue, open_queue
from service.flow.catch_up import MARK
from tests.journeys import cast
from tests.journeys.clinic import Clinic
from tests.journeys.fhir_server import FhirServer
from tests.journeys.hospital import Hospital
from tests.journeys.record import Record
from tests.processes import PATIENCE, ServiceProcesses, eventually
from tests.sandbox import HOUSE_NOW

DENVER = ZoneInfo("America/Denver")
STORED = re.compile(
    r'throughline_notifications_total\{outcome="stored",subscription="(?!canary")[^"]*"\} (\S+)'
)
"""The canary is about nobody: it comes back when it likes, and nothing of a journey waits for it."""


class World:
    """Everything a journey acts on. Reading the record waits until everybody has finished their work."""

    def __init__(self, fhir: FhirServer, processes: ServiceProcesses, queue: Queue, clock_file: Path) -> None:
        self._fhir = fhir
        self._processes = processes
        self._queue = queue
        self._clock_file = clock_file
        self._unsettled = True
        self._web = httpx.Client(base_url=processes.web_url, timeout=PATIENCE, trust_env=False)
        self._told_before = 0
        """Changes that the web process was not told of: it had not asked for notifications yet."""
        fhir.changed = self._something_changed
        self.fhir = fhir
        self.hospital = Hospital(fhir, self.now)
        self.clinic = Clinic(fhir, self.now, self.settle)
        self.record = Record(fhir, self.settle)

    # --- time

    def now(self) -> datetime:
        return self._queue.clock.now()

    def until(self, moment: str | datetime) -> None:
        """What is to be done at the present instant is finished; then time stands at `moment` (local in Denver)."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        at = at if at.tzinfo else at.replace(tzinfo=DENVER)
        assert at >= self.now(), "time does not run backwards"
        self.settle()
        set_clock(self._clock_file, at)
        self._unsettled = True

    def time_passes(self, **length: float) -> None:
        """Elapsed time, e.g. `hours=3`."""
        self.until((self.now().astimezone(ZoneInfo("UTC")) + timedelta(**length)).astimezone(DENVER))

    def is_told_of_deletion(self, reference: str) -> None:
        """A notification as servers send it that tell of deletions, which this one does not: by the address alone."""
        kind = reference.partition("/")[0]
        [asked] = [s for s in self.fhir.search("Subscription") if s["criteria"].partition("?")[0] == kind]
        headers = dict(line.split(": ", 1) for line in asked["channel"].get("header", []))
        self._web.delete(f"{asked['channel']['endpoint']}/{reference}", headers=headers).raise_for_status()
        self._told_before -= 1
        self._unsettled = True

    # --- waiting

    def is_answered(self) -> bool:
        """Whether the web process answers yet."""
        try:
            return self._web.get("/livez").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def begins(self) -> None:
        """Of what is in the record by now nobody will be told."""
        self._told_before = self._fhir.versions_watched() - self.notifications()

    def settle(self) -> None:
        """Wait until every change was told, every notification taken in, and nobody is due or being looked at."""
        if self._unsettled:
            eventually(self._is_settled, every=0.03)
            self._unsettled = False

    def _is_settled(self) -> bool:
        before = self._all_told()
        return before is not None and not self._is_busy() and self._all_told() == before

    def _all_told(self) -> int | None:
        """How many changes there were, once the web process has stored a notification of each."""
        changes = self._fhir.versions_watched()
        return changes if self.notifications() + self._told_before >= changes else None

    def _is_busy(self) -> bool:
        return bool(self._queue.inbox.size() or self._queue.index.busy(self.now()))

    def notifications(self) -> int:
        """How many notifications the web process has stored."""
        return int(sum(float(count) for count in STORED.findall(self._web.get("/metrics").text)))

    def notifications_after_settling(self) -> int:
        self.settle()
        return self.notifications()

    def looks(self) -> tuple[int, int]:
        """How often somebody was looked at and something was written, and how often nothing was (at level DEBUG)."""
        self.settle()
        lines = [
            json.loads(line) for line in self._processes.output("worker").splitlines() if line.startswith("{")
        ]
        said = [line["says"] for line in lines if line["logger"] == "service.flow.reconcile"]
        return said.count("decided"), said.count("nothing to write")

    def _something_changed(self) -> None:
        self._unsettled = True

    # --- at the end

    def close(self) -> None:
        self._web.close()

    def check(self) -> None:
        """What must be so at the end of every journey, whatever happened in it."""
        self.record.is_in_order()
        assert self._queue.dead_letters.size() == 0, "something was parked"
        names = self.hospital.names()
        for process in ("web", "worker", "scheduler"):
            output = self._processes.output(process)
            assert "Traceback" not in output, f"{process}:\n{output}"
            assert not [name for name in names if name in output], f"{process} names a person in its log"


@contextmanager
def open_world(
    folder: Path,
    *,
    at: datetime = HOUSE_NOW,
    absent: frozenset[str] = frozenset(),
    env: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """Start everything over empty folders; end everything afterwards. `absent`: staff who hold no role."""
    clock_file = folder / "clock"
    set_clock(clock_file, at)
    with ExitStack() as stack:
        fhir = FhirServer(folder / "fhir")
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        processes = ServiceProcesses(
            fhir.base_url, redis.url, clock_file, _ENV | dict(env or {}), folder=folder
        )
        stack.callback(processes.close)
        processes.start("web", "worker")  # they get up while the FHIR server does
        stack.callback(fhir.stop)
        fhir.start()
        processes.start("scheduler")
        fhir.put_all(*cast.directory(absent=absent))
        settings = load_settings(processes.env)
        queue = stack.enter_context(open_queue(settings))
        ask_for_notifications(settings, lambda _: None)
        world = World(fhir, processes, queue, clock_file)
        stack.callback(world.close)
        eventually(lambda: world.is_answered() or _has_ended(processes, "web"))
        eventually(lambda: queue.watermarks.get(MARK))
        world.begins()
        yield world
        world.settle()
        world.check()


_ENV = {
    "THROUGHLINE_TIMEZONE": "America/Denver",
    "THROUGHLINE_ACCOUNTABLE_PRACTITIONER": cast.ACCOUNTABLE,
    "THROUGHLINE_CATCH_UP_SECONDS": "1000000",
    "THROUGHLINE_WORKER_CONCURRENCY": "2",
}


def _has_ended(processes: ServiceProcesses, name: str) -> bool:
    assert processes.is_running(name), f"{name} did not start:\n{processes.output(name)}"
    return False
