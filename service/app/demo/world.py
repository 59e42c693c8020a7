"""The world of the demonstration: its servers, its clock, and the wait until everybody has finished their work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from service.adapters.clocks import FileClock, SystemClock, set_clock
from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.waiting import QuietFor, wait_until
from service.app.all_in_one import ask_for_notifications
from service.app.demo.changes import RecordWatch
from service.app.demo.failing import StoryFailed
from service.app.demo.folder import demo_folder
from service.app.demo.hospital import Hospital
from service.app.demo.staff import StaffRoom
from service.app.listening import check_address, first_free
from service.app.settings import Settings, load_settings
from service.app.up import Installation, bring_up, child_settings
from service.app.wiring import Queue, open_queue
from service.ports import Capabilities, InboxUnavailable

ZONE = "America/Denver"
LOOPBACK = "127.0.0.1"
USUAL_PORT = 8080
QUIET_FOR = 0.6
"""Seconds without anything to do that count as finished: notifications are on their way for a moment."""
SETTLES_WITHIN = 120.0
"""Seconds after which an unfinished world is a failure of the demonstration."""


class DidNotSettle(StoryFailed):
    """Use this when work is still waiting long after it should be done; names the logs to read."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything the story acts on."""

    settings: Settings
    installation: Installation
    fhir: EmbeddedFhirServer
    record: HttpFhirRecord
    hospital: Hospital
    staff: StaffRoom
    watch: RecordWatch
    queue: Queue
    clock_file: Path

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(ZONE)

    def now(self) -> datetime:
        return FileClock(self.clock_file, self.zone).now()

    def set_time(self, at: datetime) -> None:
        """Time stands still at `at` from now on."""
        set_clock(self.clock_file, at.astimezone(self.zone))

    def settle(self) -> None:
        """Wait until nothing is waiting and nobody is being looked at."""
        if not wait_until(QuietFor(self._busy, QUIET_FOR), within=SETTLES_WITHIN):
            logs = self.installation.supervisor.log_dir
            message = f"Work is still waiting after {SETTLES_WITHIN:.0f} s. Read the logs in {logs}."
            raise DidNotSettle(message)

    def _busy(self) -> bool:
        try:
            return bool(self.queue.inbox.size() or self.queue.index.busy(self.now()))
        except InboxUnavailable:
            return True  # Redis is being started again; it is not quiet until it says so


@contextmanager
def open_world(state_dir: Path, told: Callable[[str], None], *, port: int | None) -> Iterator[World]:
    """Start everything from nothing; stop everything at the end, however it comes.

    `port`: of the web process; None: the usual one, or the next that is free. CannotListen when it is taken.

    What an earlier demonstration left in `state_dir` is removed. StateFolderProblem when something else is there.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(demo_folder(state_dir))
        port = first_free(LOOPBACK, USUAL_PORT) if port is None else port
        check_address(LOOPBACK, port)
        told("Starting the sandbox FHIR server (sekmet-fhir) …")
        fhir = stack.enter_context(EmbeddedFhirServer(folder / "fhir"))
        told("Starting the embedded Redis server (Valkey) …")
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        clock_file = folder / "clock"
        # Real time until the people are discharged.
        set_clock(clock_file, SystemClock(ZoneInfo(ZONE)).now(), rate=1)
        settings = _settings(fhir.base_url, redis.url, clock_file, port)
        installation = bring_up(settings, folder, told)
        stack.callback(installation.stop)
        installation.supervisor.servers = {"Redis server": redis, "FHIR server": fhir}
        settings = child_settings(settings, installation)
        client = stack.enter_context(FhirClient(fhir.base_url))
        record = HttpFhirRecord(client, Capabilities(atomic_transactions=True))
        told("Asking the FHIR server for notifications …")
        ask_for_notifications(settings, told)
        yield World(
            settings=settings,
            installation=installation,
            fhir=fhir,
            record=record,
            hospital=Hospital(root_url=fhir.base_url.removesuffix("/fhir"), record=record),
            staff=StaffRoom(record=record),
            watch=RecordWatch(record=record, zone=ZoneInfo(ZONE)),
            queue=stack.enter_context(open_queue(settings)),
            clock_file=clock_file,
        )


def later(at: datetime, **length: float) -> datetime:
    """Elapsed time later."""
    return at + timedelta(**length)


def _settings(fhir_url: str, redis_url: str, clock_file: Path, port: int) -> Settings:
    return load_settings(
        fhir_base_url=fhir_url,
        redis_url=redis_url,
        clock_file=clock_file,
        timezone=ZONE,
        port=port,
        public_url=f"http://{LOOPBACK}:{port}",
        lease_seconds=5,
        catch_up_seconds=5,
        canary_seconds=0,  # its time would run as fast as the story
        worker_concurrency=2,
    )
