"""Reading from the record what an outage has hidden, against the record server alone: `python -m benchmarks.catch_up`.

The requests of one catch-up are taken down as they leave; the floor sends them again over bare HTTP. Who was found is
then reconciled, which is measured by `end_to_end`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import httpx

from benchmarks.clinic import NOW, ZONE, discharged, library, practice, staff
from benchmarks.end_to_end import Bare, TakingDown, seed, settings_for
from benchmarks.report import Row, show
from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.history import HttpRecordHistory
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.app.practice import begins, watched
from service.app.wiring import Queue, open_queue
from service.flow.catch_up import MARK, CaughtUp, catch_up

MISSED, ROUNDS = 1_000, 7
LEAST_RATIO = 0.5
"""The record server's part of the time: it is the limit when it takes more than everything else together."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A worker's catch-up, and the marks from which it can begin again."""

    base_url: str
    queue: Queue

    def catch_up(self, client: FhirClient, record: HttpFhirRecord) -> CaughtUp:
        held = practice(self.base_url)
        return catch_up(
            record,
            self.queue.index,
            self.queue.watermarks,
            types=watched(held),
            begins=begins(library()),
            now=datetime.now(ZONE),  # the sandbox stamps what it stores by the real clock
            lookback=held.lookback,
            base_url=self.base_url,
            history=HttpRecordHistory(client),
            pathways=held.pathways,
        )

    def marks(self) -> dict[str, str]:
        names = [MARK, *(f"{MARK}:{kind}" for kind in watched(practice(self.base_url)))]
        found = {name: self.queue.watermarks.get(name) for name in names}
        return {name: text for name, text in found.items() if text is not None}

    def back_to(self, marks: Mapping[str, str]) -> None:
        for name, text in marks.items():
            self.queue.watermarks.set(name, text)


def measure() -> tuple[float, float, int, int]:
    """(seconds of a catch-up, seconds of its requests over bare HTTP, changes read, requests)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fhir = stack.enter_context(EmbeddedFhirServer(folder / "fhir"))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        http = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
        set_clock(folder / "clock", NOW)
        queue = stack.enter_context(open_queue(settings_for(fhir.base_url, redis.url, folder / "clock")))
        service = Service(base_url=fhir.base_url, queue=queue)
        transport = TakingDown()
        client = stack.enter_context(FhirClient(fhir.base_url, transport=transport))
        record = HttpFhirRecord(client, probe(client).capabilities)
        seed(http, fhir.base_url, [*staff(), *discharged("before-000", NOW)])
        service.catch_up(client, record)
        before = service.marks()
        seed(http, fhir.base_url, [r for n in range(MISSED) for r in discharged(f"m-{n:06}", NOW)])
        transport.sent.clear()
        found = service.catch_up(client, record)
        assert found.woken == MISSED, f"{found.woken} of {MISSED} were found"
        requests = list(transport.sent)
        bare, ours, floor = Bare(), [], []
        for _ in range(ROUNDS):  # in turns, so that whatever else the machine does hits both
            service.back_to(before)
            ours.append(_seconds(lambda: service.catch_up(client, record)))
            floor.append(_seconds(lambda: bare.send(requests)))
        return median(ours), median(floor), found.read, len(requests)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def rows() -> Iterator[Row]:
    ours, floor, read, requests = measure()
    yield Row(
        what=f"{MISSED:,} discharges that nobody told of ({read:,} changes in {requests} requests)",
        measured=f"found in {ours * 1000:,.0f} ms, {MISSED / ours:,.0f} persons per second",
        floor=f"{floor * 1000:,.0f} ms, same requests over bare HTTP",
        ratio=floor / ours,
        budget=f">= {LEAST_RATIO}: the server's part",
        holds=floor / ours >= LEAST_RATIO,
    )


if __name__ == "__main__":
    show("Catching up after an outage", rows())
