"""Notifications of a real server lost at any rate, late and repeated, and ourselves down for a while: every person ends
with exactly the right follow-ups.

The FHIR server is a process that nobody here wrote and sends its notifications over HTTP; between it and our web
application stands an unreliable way. Workers are run by hand, so that they can be away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedFhirServer
from service.app.our_subscriptions import applied, open_subscriptions
from service.app.settings import load_settings
from service.app.web_process import web_app
from service.app.work import Work
from service.app.worker_wiring import open_work
from service.fhir import systems
from service.fhir.references import identifier_values
from tests.conformance.receiving import served
from tests.faults.site import ACT_CODE, AFTER_DISCHARGE, DISCHARGED_AT, ICD, NOW
from tests.faults.town import STAFF, Bell
from tests.processes import PATIENCE, eventually, free_port

pytestmark = pytest.mark.slow
PREFIX = "post-discharge-coordination"


@dataclass(frozen=True)
class Copy:
    """One more of a notification, to come later."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Way:
    """An ASGI application before ours: what comes may be lost, come later, or more than once; or nobody is there."""

    app: Any
    dice: Random = field(default_factory=lambda: Random(0))
    loss: float = 0.0
    is_down: bool = False
    lost: int = 0
    held: list[Copy] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/notifications/"):
            await self.app(scope, receive, send)
            return
        body = await _whole(receive)
        if self.is_down:
            await _answers(503, send)
            return
        if self.dice.random() < self.loss:
            self.lost += 1
            await _answers(200, send)
            return
        for _ in range(self.dice.choice([0, 0, 1, 3])):
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.held.append(Copy(scope["method"], scope["path"], headers, body))
        await self.app(scope, _again(body), send)


async def _whole(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _again(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _answers(status: int, send: Any) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/fhir+json")],
        }
    )
    await send({"type": "http.response.body", "body": b'{"resourceType":"OperationOutcome"}'})


@dataclass
class Site:
    """The server, the way, and a worker that works when it is told to."""

    fhir: str
    way: Way
    work: Work
    bell: Bell
    http: httpx.Client
    web: str

    def makes(self, resource: dict[str, Any]) -> str:
        answer = self.http.post(f"{self.fhir}/{resource['resourceType']}", json=resource)
        answer.raise_for_status()
        return f"{resource['resourceType']}/{answer.json()['id']}"

    def discharges(self) -> str:
        """The stay of somebody new that has just ended."""
        person = self.makes({"resourceType": "Patient", "active": True})
        return self.makes(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": ACT_CODE, "code": "IMP"},
                "subject": {"reference": person},
                "period": {"start": "2026-03-01T08:00:00-07:00", "end": DISCHARGED_AT.isoformat()},
                "reasonCode": [{"coding": [{"system": ICD, "code": "F33.2"}]}],
            }
        )

    def works(self) -> None:
        """What has come is taken in, and whoever is due is looked at."""
        self.work.take_in()
        while self.bell.people:
            claim = self.bell.people.pop(0)
            self.work.reconcile_person(claim.person, claim.token)

    def late_ones_come(self) -> None:
        """Copies that were held up come at last, in any order."""
        late, self.way.held = self.way.held, []
        self.way.dice.shuffle(late)
        self.way.loss, self.way.is_down = 0.0, False
        for copy in late:
            self.http.request(copy.method, f"{self.web}{copy.path}", headers=copy.headers, content=copy.body)
        self.way.held.clear()

    def catches_up(self) -> None:
        """As once a minute and after every restart."""
        self.work.catch_up()
        self.works()

    def follow_ups(self, stay: str) -> list[str]:
        """Everything of ours that this stay began, by identifier; sorted, twice if twice."""
        url = f"{self.fhir}/Task?subject={self._person(stay)}&_count=500"
        entries = self.http.get(url).raise_for_status().json().get("entry", [])
        names = (name for e in entries for name in identifier_values(e["resource"], systems.FOLLOW_UP))
        return sorted(name.removeprefix(f"{PREFIX}/{stay}/") for name in names)

    def _person(self, stay: str) -> str:
        found = self.http.get(f"{self.fhir}/{stay}").raise_for_status().json()
        return str(found["subject"]["reference"])


@pytest.fixture(scope="module")
def site(valkey, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("lost")
    set_clock(folder / "clock", NOW)
    with ExitStack() as stack:
        quick = {"subscriptions": {"retries": 1}}
        fhir = stack.enter_context(EmbeddedFhirServer(folder / "fhir", settings=quick))
        ours = load_settings(
            {
                "THROUGHLINE_FHIR_BASE_URL": fhir.base_url,
                "THROUGHLINE_REDIS_URL": valkey.url,
                "THROUGHLINE_KEY_PREFIX": f"{uuid4()}:",
                "THROUGHLINE_SECRET_KEY": "tests-only-tests-only-tests-only",
                "THROUGHLINE_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
                "THROUGHLINE_TIMEZONE": "America/Denver",
                "THROUGHLINE_CLOCK_FILE": str(folder / "clock"),
                "THROUGHLINE_CANARY_SECONDS": "0",
            }
        )
        way = Way(web_app(ours))
        web = stack.enter_context(served(way))
        ours = ours.model_copy(update={"public_url": web})
        http = stack.enter_context(httpx.Client(timeout=PATIENCE, trust_env=False))
        work, _celery = stack.enter_context(open_work(ours))
        bell = Bell()
        made = Site(
            fhir=fhir.base_url, way=way, work=replace(work, doorbell=bell), bell=bell, http=http, web=web
        )
        for role, name in STAFF.items():
            who = made.makes({"resourceType": "Practitioner", "name": [{"text": f"{name.title()} Example"}]})
            code = [{"coding": [{"system": systems.ROLE, "code": role}]}]
            made.makes(
                {
                    "resourceType": "PractitionerRole",
                    "active": True,
                    "practitioner": {"reference": who},
                    "code": code,
                }
            )
        with open_subscriptions(ours) as opened:
            assert {step.status for step in applied(opened, wait=timedelta(seconds=PATIENCE))} == {"active"}
        made.catches_up()
        yield made


BEFORE, WHILE_DOWN, AFTER = "before", "while down", "after"
ALL_THREE = [BEFORE, WHILE_DOWN, AFTER]


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    loss=st.sampled_from([0.2, 0.5, 0.8]),
    seed=st.integers(0, 10_000),
    people=st.lists(st.sampled_from(ALL_THREE), min_size=1, max_size=3),
)
@example(loss=0.0, seed=1, people=ALL_THREE)
@example(loss=1.0, seed=2, people=ALL_THREE)
def test_whatever_is_lost_late_or_repeated_everybody_ends_with_exactly_their_follow_ups(
    site, loss, seed, people
) -> None:
    site.way.dice, site.way.loss, site.way.lost = Random(seed), loss, 0
    stays = []
    for when in ALL_THREE:
        site.way.is_down = when == WHILE_DOWN
        for _ in range(people.count(when)):
            stays.append(site.discharges())
            if when != WHILE_DOWN:
                site.works()
    site.catches_up()
    lost = site.way.lost
    site.late_ones_come()

    def have_what_they_should() -> bool:
        site.catches_up()
        return all(site.follow_ups(stay) == sorted(AFTER_DISCHARGE) for stay in stays)

    eventually(have_what_they_should, every=0.2)
    site.works()
    assert [site.follow_ups(stay) for stay in stays] == [sorted(AFTER_DISCHARGE)] * len(stays)
    assert site.work.dead_letters.list() == []
    assert lost > 0 or loss < 1
