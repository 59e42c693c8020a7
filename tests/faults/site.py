"""A whole site of real processes on servers of its own: people are discharged in bulk, and the record is looked through."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from service.adapters.clocks import FileClock, set_clock
from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis
from service.app.settings import Settings, load_settings
from service.app.subscriptions import secret, token
from service.app.wiring import open_queue
from service.fhir import systems
from service.ports import InboxUnavailable, Resource
from tests.faults.standing import name_of
from tests.faults.town import STAFF
from tests.processes import PATIENCE, ServiceProcesses, eventually

DENVER = ZoneInfo("America/Denver")
DISCHARGED_AT = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
NOW = DISCHARGED_AT + timedelta(minutes=15)
AFTER_DISCHARGE = frozenset(
    {
        "confirm-receipt/1", "review-discharge-plan/1", "contact-person/1", "confirm-appointments/1",
        "check-medication-access/1", "review-clinical-needs/1", "arrange-practical-support/1", "first-appointment/1",
    }
)  # fmt: skip
"""Follow-ups that a discharge asks for at once."""
READ = (
    "Patient",
    "Encounter",
    "Practitioner",
    "PractitionerRole",
    "CarePlan",
    "Task",
    "Communication",
    "Provenance",
)
KEY = b"tests-only-tests-only-tests-only"
QUIET_FOR = 1.0
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@dataclass
class Site:
    """`fhir_url`: where Throughline finds the record; a proxy may stand there."""

    fhir: EmbeddedFhirServer
    redis: EmbeddedRedis
    folder: Path
    processes: ServiceProcesses
    http: httpx.Client
    count: int = 0

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def settings(self) -> Settings:
        return load_settings({k: v for k, v in self.processes.env.items() if k.startswith("THROUGHLINE_")})

    def set_time(self, at: datetime) -> None:
        set_clock(self.clock_file, at)

    def now(self) -> datetime:
        return FileClock(self.clock_file, DENVER).now()

    # --- the hospital

    def make(self, resource: Mapping[str, Any]) -> str:
        answer = self.http.post(f"{self.fhir.base_url}/{resource['resourceType']}", json=dict(resource))
        answer.raise_for_status()
        return f"{resource['resourceType']}/{answer.json()['id']}"

    def discharge(self, **changes: Any) -> tuple[str, str]:
        """A new person and the stay that ended just now: (Patient, Encounter)."""
        self.count += 1
        person = self.make(
            {"resourceType": "Patient", "active": True, "name": [{"text": f"Person {self.count}"}]}
        )
        stay = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": ACT_CODE, "code": "IMP"},
            "subject": {"reference": person},
            "period": {"start": "2026-03-01T08:00:00-07:00", "end": DISCHARGED_AT.isoformat()},
            "reasonCode": [{"coding": [{"system": ICD, "code": "F33.2"}]}],
        }
        return person, self.make({k: v for k, v in {**stay, **changes}.items() if v is not None})

    # --- the record

    def everything(self) -> list[Resource]:
        return [resource for kind in READ for resource in self.every(kind)]

    def every(self, kind: str) -> Iterator[Resource]:
        url: str | None = f"{self.fhir.base_url}/{kind}?_count=500"
        while url is not None:
            answer = self.http.get(url)
            answer.raise_for_status()
            bundle = answer.json()
            yield from (entry["resource"] for entry in bundle.get("entry", []))
            following = [link["url"] for link in bundle.get("link", []) if link["relation"] == "next"]
            query = following[0].partition("?")[2] if following else ""
            url = f"{self.fhir.base_url}/{kind}?{query}" if query else None

    def names(self, kind: str) -> list[str]:
        """Business identifiers of everything of ours of one type."""
        return [name.partition(" ")[2] for r in self.every(kind) if (name := name_of(r))]

    def follow_ups(self, stay: str) -> list[str]:
        """Follow-ups of one stay as `contact-person/1`, responses to escalations included; sorted, twice if twice."""
        prefix = f"post-discharge-coordination/{stay}/"
        return sorted(name.removeprefix(prefix) for name in self.names("Task") if name.startswith(prefix))

    # --- the processes

    def is_quiet(self) -> bool:
        with open_queue(self.settings) as queue:
            try:
                return not (queue.inbox.size() or queue.index.busy(self.now()))
            except InboxUnavailable:
                return False

    def settle(self) -> None:
        """Wait until nothing has been waiting for a moment."""
        since = [monotonic()]

        def has_been_quiet() -> bool:
            if not self.is_quiet():
                since[0] = monotonic()
            return monotonic() - since[0] >= QUIET_FOR

        eventually(has_been_quiet, every=0.1)

    def notify(
        self, subscription: str, method: str = "PUT", path: str = "", body: bytes = b"", **headers: str
    ) -> Any:
        """One notification to the web process, with the right secret unless `headers` say otherwise.

        Whoever is told that it could not be stored just now sends it again, as every server does.
        """
        url = f"{self.processes.web_url}/notifications/{token(KEY, subscription)}"
        known = {
            "Authorization": f"Bearer {secret(KEY, subscription)}",
            "Content-Type": "application/fhir+json",
        }
        address = f"{url}/{path}" if path else url

        def answered() -> httpx.Response | None:
            answer = self.http.request(method, address, content=body, headers={**known, **headers})
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        return eventually(answered)


@contextmanager
def open_site(folder: Path, *, fhir_url: str | None = None, **environment: str) -> Iterator[Site]:
    """Servers and staff; no process of ours runs yet. `fhir_url`: that of a proxy, which the server then goes by."""
    settings = {"base_url": fhir_url} if fhir_url else None
    clock_file = folder / "clock"
    set_clock(clock_file, NOW)
    with (
        EmbeddedFhirServer(folder / "fhir", settings=settings) as fhir,
        EmbeddedRedis(folder / "redis") as redis,
        httpx.Client(timeout=PATIENCE, trust_env=False) as http,
    ):
        processes = ServiceProcesses(
            fhir_url or fhir.base_url,
            redis.url,
            clock_file,
            {
                "THROUGHLINE_TIMEZONE": "America/Denver",
                "THROUGHLINE_LEASE_SECONDS": "5",
                "THROUGHLINE_CATCH_UP_SECONDS": "2",
                "THROUGHLINE_SECRET_KEY": KEY.decode(),
                "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
                **environment,
            },
            folder=folder,
        )
        site = Site(fhir=fhir, redis=redis, folder=folder, processes=processes, http=http)
        for role, name in STAFF.items():
            who = site.make({"resourceType": "Practitioner", "name": [{"text": f"{name.title()} Example"}]})
            code = [{"coding": [{"system": systems.ROLE, "code": role}]}]
            held = {
                "resourceType": "PractitionerRole",
                "active": True,
                "practitioner": {"reference": who},
                "code": code,
            }
            site.make(held)
        try:
            yield site
        finally:
            processes.close()
