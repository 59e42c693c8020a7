"""Discharges per second through a worker's jobs, against the record server alone: `python -m benchmarks.end_to_end`.

The requests of one discharge are taken down as they leave; the floor sends the same bytes, with another person's id, over
bare HTTP with nothing in between. Both have as many threads as a worker has by default, on the same server, in turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import local
from typing import Any

import httpx

from benchmarks.clinic import ACCOUNTABLE, MAPPINGS, NOW, ZONE, codes, discharged, practice, staff
from benchmarks.report import Row, show
from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.app.settings import load_settings
from service.app.work import Work
from service.app.worker_wiring import open_work
from service.domain.vocabulary import Reference
from service.flow.directory import KeptDirectory
from service.flow.reconcile import reconcile

PEOPLE, ROUNDS, THREADS = 25, 7, 4
LEAST_RATIO = 0.85


class TakingDown(httpx.HTTPTransport):
    """Sends, and keeps what was sent and how it was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in {"accept", "content-type", "prefer", "if-none-exist", "if-match"}
        }
        self.sent.append((request.method, str(request.url), headers, request.read()))
        return super().handle_request(request)


@dataclass
class Script:
    """The requests of one person's discharge; `for_person` tells them for another."""

    key: str
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def for_person(self, key: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        assert len(key) == len(self.key)
        return [
            (
                method,
                url.replace(self.key, key),
                {name: value.replace(self.key, key) for name, value in headers.items()},
                body.replace(self.key.encode(), key.encode()),
            )
            for method, url, headers, body in self.requests
        ]


def taken_down(base_url: str, first: str, key: str) -> Script:
    """What goes over the wire for `key`, looked at as a worker does; the staff, and what the server cannot do, is learnt
    with `first`, as a worker learns it once.
    """
    transport = TakingDown()
    with FhirClient(base_url, transport=transport) as client:
        record = HttpFhirRecord(client, probe(client).capabilities)
        people = KeptDirectory(record, codes(), also=[ACCOUNTABLE], monotonic=time.monotonic).people
        for person in (first, key):
            transport.sent.clear()
            settle(Reference(f"Patient/{person}"), record, base_url, people)
    return Script(key=key, requests=list(transport.sent))


def settle(person: Reference, record: HttpFhirRecord, base_url: str, people: Any) -> None:
    for _ in range(3):
        done = reconcile(person, record=record, practice=practice(base_url), now=NOW, directory=people)
        if not done.writes:
            return
    raise SystemExit("the discharge did not settle")


class Bare:
    """HTTP without logic: one client per thread; every answer is read and must be good."""

    def __init__(self) -> None:
        self._local = local()

    def send(self, requests: list[tuple[str, str, dict[str, str], bytes]]) -> None:
        if not hasattr(self._local, "http"):
            self._local.http = httpx.Client(timeout=60, trust_env=False)
        for method, url, headers, body in requests:
            answer = self._local.http.request(method, url, headers=headers, content=body)
            assert answer.is_success, f"{method} {answer.status_code}"


# --- the rounds ---------------------------------------------------------------------------------------------------


def seed(http: httpx.Client, base_url: str, resources: list[Any]) -> None:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    for start in range(0, len(entries), 50):
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries[start : start + 50]}
        http.post(base_url, json=bundle).raise_for_status()


def per_second(pool: ThreadPoolExecutor, act: Callable[[Any], None], items: list[Any]) -> float:
    began = time.perf_counter()
    list(pool.map(act, items))
    return len(items) / (time.perf_counter() - began)


def through_the_worker(pool: ThreadPoolExecutor, work: Work, keys: list[str]) -> float:
    """From the wake-up on: claimed from the index, reconciled until settled, given back."""
    began = time.perf_counter()
    now = work.clock.now()
    work.index.wake([Reference(f"Patient/{key}") for key in keys], now)
    claims = work.index.claim(now, len(keys))
    list(pool.map(lambda claim: work.reconcile_person(claim.person, claim.token), claims))
    return len(claims) / (time.perf_counter() - began)


def settings_for(fhir_url: str, redis_url: str, clock_file: Path) -> Any:
    return load_settings(
        {
            "THROUGHLINE_FHIR_BASE_URL": fhir_url,
            "THROUGHLINE_REDIS_URL": redis_url,
            "THROUGHLINE_CLOCK_FILE": str(clock_file),
            "THROUGHLINE_TIMEZONE": str(ZONE),
            "THROUGHLINE_MAPPINGS_DIR": str(MAPPINGS),
            "THROUGHLINE_ACCOUNTABLE_PRACTITIONER": ACCOUNTABLE,
            "THROUGHLINE_LEASE_SECONDS": "60",
        }
    )


def written_about(http: httpx.Client, base_url: str, key: str) -> int:
    """How many CarePlans and Tasks stand in the record about a person."""
    kinds = ("CarePlan", "Task")
    queries = {"patient": f"Patient/{key}", "_count": "100"}
    return sum(len(http.get(f"{base_url}/{k}", params=queries).json().get("entry", [])) for k in kinds)


def measure() -> tuple[float, float, list[float], int]:
    """(discharges per second, the floor, the ratio of each round, requests per discharge)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fhir = stack.enter_context(EmbeddedFhirServer(folder / "fhir"))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        http = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        set_clock(folder / "clock", NOW)
        work, _ = stack.enter_context(open_work(settings_for(fhir.base_url, redis.url, folder / "clock")))
        seed(
            http,
            fhir.base_url,
            [*staff(), *discharged("first-000000", NOW), *discharged("model-000000", NOW)],
        )
        script = taken_down(fhir.base_url, "first-000000", "model-000000")
        bare = Bare()
        ours, floors = [], []
        for turn in range(ROUNDS + 1):  # the first warms up
            mine = [f"works-{turn:03}{n:03}" for n in range(PEOPLE)]
            theirs = [f"plain-{turn:03}{n:03}" for n in range(PEOPLE)]
            seed(http, fhir.base_url, [r for key in [*mine, *theirs] for r in discharged(key, NOW)])
            plain = [script.for_person(key) for key in theirs]
            if turn % 2:
                floors.append(per_second(pool, bare.send, plain))
            ours.append(through_the_worker(pool, work, mine))
            if not turn % 2:
                floors.append(per_second(pool, bare.send, plain))
            made = {written_about(http, fhir.base_url, key) for key in (mine[-1], theirs[-1])}
            assert len(made) == 1, "the two sides did not write the same"
        ratios = [one / floor for one, floor in zip(ours[1:], floors[1:], strict=True)]
        return median(ours[1:]), median(floors[1:]), ratios, len(script.requests)


def rows() -> Iterator[Row]:
    ours, floor, ratios, requests = measure()
    ratio = median(ratios)
    yield Row(
        what=f"discharges reconciled until settled ({requests} requests each, {THREADS} threads)",
        measured=f"{ours:.1f} per second",
        floor=f"{floor:.1f} per second, same requests over bare HTTP",
        ratio=ratio,
        budget=f">= {LEAST_RATIO}",
        holds=ratio >= LEAST_RATIO,
    )


if __name__ == "__main__":
    show("End to end on the sandbox FHIR server", rows())
