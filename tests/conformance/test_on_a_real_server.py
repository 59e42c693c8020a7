"""Classic and backport subscriptions of a FHIR server that nobody here wrote, over HTTP: asked for, heard, lost and mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.adapters.embedded import EmbeddedFhirServer
from service.app.our_subscriptions import applied, open_subscriptions
from service.app.settings import Settings, load_settings
from service.app.subscriptions import Step
from service.app.web_process import web_app
from service.app.work import Work
from service.app.worker_wiring import open_work
from service.flow.send_canary import Flight
from tests.conformance.receiving import ACT, served, until
from tests.faults.town import Bell
from tests.processes import PATIENCE, eventually, free_port

CLASSIC = """subscriptions:
  encounters: {criteria: "Encounter?"}
  pings: {criteria: "Task?", payload: none}
  canary: {criteria: "Basic?code=https://throughline.example/fhir/CodeSystem/canary|canary", canary: yes}
"""
BACKPORT = """server: sekmet
subscriptions:
  discharges:
    flavour: r4-backport
    topic: http://sekmet.dev/fhir/SubscriptionTopic/encounter-complete
    types: [Encounter]
    filters: ["Encounter?class=IMP"]
    content: {content}
    heartbeat-seconds: 1
"""


@dataclass
class Site:
    """The real server, our web application over HTTP, Redis, and a worker whose jobs are run by hand."""

    fhir: str
    settings: Settings
    work: Work
    bell: Bell

    def apply(self) -> list[Step]:
        with open_subscriptions(self.settings) as opened:
            return applied(opened, wait=timedelta(seconds=PATIENCE))

    def makes(self, resource: dict[str, Any]) -> str:
        kind = resource["resourceType"]
        answer = httpx.post(f"{self.fhir}/{kind}", json=resource, timeout=PATIENCE, trust_env=False)
        answer.raise_for_status()
        return f"{kind}/{answer.json()['id']}"

    def stay(self, status: str) -> dict[str, Any]:
        person = self.makes({"resourceType": "Patient"})
        stay = {"resourceType": "Encounter", "status": status, "class": {"system": ACT, "code": "IMP"},
                "subject": {"reference": person}}  # fmt: skip
        return {**stay, "id": self.makes(stay).partition("/")[2]}

    def becomes(self, stay: dict[str, Any], status: str) -> None:
        answer = httpx.put(
            f"{self.fhir}/Encounter/{stay['id']}",
            json={**stay, "status": status},
            timeout=PATIENCE,
            trust_env=False,
        )
        answer.raise_for_status()

    def shown(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.fhir}/Subscription?_count=100", timeout=PATIENCE, trust_env=False).json()
        return [entry["resource"] for entry in answer.get("entry", [])]

    def statuses(self, ids: list[str]) -> list[str]:
        return [each["status"] for each in self.shown() if each["id"] in ids]

    def comes(self, number: int) -> None:
        """Until so many notifications have been stored since the last were taken in."""
        until(lambda: self.work.inbox.size() >= number)

    def woken(self) -> set[str]:
        """Whoever has been woken by what came so far."""
        self.work.take_in()
        return {str(claim.person) for claim in self.bell.people}

    def has(self, mark: str, value: str | None = None) -> bool:
        """Whether a mark is there, with this value, once what has come is taken in."""
        self.work.take_in()
        found = self.work.watermarks.get(mark)
        return bool(found) if value is None else found == value


@contextmanager
def open_site(
    fhir: str, redis_url: str, folder: Any, files: str, *, served_here: bool = True
) -> Iterator[Site]:
    (folder / "site.yaml").write_text(files)
    settings = load_settings(
        {
            "THROUGHLINE_FHIR_BASE_URL": fhir,
            "THROUGHLINE_REDIS_URL": redis_url,
            "THROUGHLINE_KEY_PREFIX": f"{uuid4()}:",
            "THROUGHLINE_SECRET_KEY": f"a key of this test {uuid4()}",
            "THROUGHLINE_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
            "THROUGHLINE_SUBSCRIPTIONS_DIR": str(folder),
            "THROUGHLINE_CANARY_SECONDS": "60",
        }
    )
    with ExitStack() as stack:
        if served_here:
            url = stack.enter_context(served(web_app(settings)))
            settings = settings.model_copy(update={"public_url": url})
        yield stack.enter_context(a_worker(fhir, settings))


@contextmanager
def a_worker(fhir: str, settings: Settings) -> Iterator[Site]:
    """One that has caught up, and whom nobody else takes work from."""
    with open_work(settings) as (work, _celery):
        bell = Bell()
        site = Site(fhir=fhir, settings=settings, work=replace(work, doorbell=bell), bell=bell)
        site.work.catch_up()
        bell.people.clear()
        yield site


@pytest.fixture(scope="module")
def fhir(tmp_path_factory) -> Iterator[str]:
    """A server of its own: what it sends while a test runs is that test's."""
    quick = {"subscriptions": {"retries": 1}}
    with EmbeddedFhirServer(tmp_path_factory.mktemp("fhir"), settings=quick) as server:
        yield server.base_url


def test_classic_subscriptions_are_activated_and_told_with_and_without_payload(
    fhir, valkey, tmp_path
) -> None:
    with open_site(fhir, valkey.url, tmp_path, CLASSIC) as site:
        steps = site.apply()
        assert [(step.name, step.status, step.differs) for step in steps] == [
            ("canary", "active", ()),
            ("encounters", "active", ()),
            ("pings", "active", ()),
        ]
        assert [step.action.value for step in site.apply()] == ["keep"] * 3

        stay = site.stay("finished")
        site.comes(1)
        assert site.woken() == {stay["subject"]["reference"]}
        assert site.work.inbox.size() == 0

        person = site.makes({"resourceType": "Patient"})
        site.makes(
            {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": person}}
        )
        site.comes(1)
        assert person in site.woken()  # an empty notification: found by reading what changed


def test_the_canary_comes_back_by_way_of_a_real_server(fhir, valkey, tmp_path) -> None:
    with open_site(fhir, valkey.url, tmp_path, CLASSIC) as site:
        site.apply()
        report = looked(site)
        assert report.canary.flight is Flight.AWAY
        site.comes(1)
        assert site.woken() == set()
        assert looked(site).canary.flight is Flight.BACK


def looked(site: Site) -> Any:
    """What the worker does after each catch-up."""
    upkeep = site.work.after_catch_up.upkeep  # type: ignore[attr-defined]
    return upkeep()


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_a_topic_shakes_hands_tells_what_its_filter_lets_through_and_gives_signs_of_life(
    fhir, valkey, tmp_path, content
) -> None:
    with open_site(fhir, valkey.url, tmp_path, BACKPORT.format(content=content)) as site:
        [step] = site.apply()
        assert (step.status, step.differs) == ("active", ())
        until(lambda: site.has("handshake:discharges"))

        stay = site.stay("in-progress")
        site.becomes(stay, "finished")
        until(lambda: site.has("events:discharges", "1"))
        # A sign of life may count the event before it comes: then it is missing for a moment.
        until(lambda: stay["subject"]["reference"] in site.woken())
        until(lambda: not site.has("missing:discharges") or site.has("missing:discharges", "[]"))
        heard = site.work.watermarks.get("heard:discharges")
        until(lambda: not site.has("heard:discharges", heard))  # a heartbeat


def test_a_topic_that_the_server_does_not_know_is_its_error_and_no_crash(fhir, valkey, tmp_path) -> None:
    unknown = BACKPORT.format(content="id-only").replace("encounter-complete", "nobody-knows")
    with open_site(fhir, valkey.url, tmp_path, unknown) as site:
        assert [step.status for step in site.apply()] == ["error"]
        assert looked(site).deaf == ("discharges",)


def test_a_server_that_gave_up_on_us_is_caught_up_and_asked_again(fhir, valkey, tmp_path) -> None:
    """Nobody listens: the server's delivery fails and it stops. Then we are there again."""
    files = 'subscriptions:\n  encounters: {criteria: "Encounter?"}\n'
    with open_site(fhir, valkey.url, tmp_path, files) as site:
        site.apply()
        assert looked(site).is_well
    with a_worker(fhir, site.settings) as down:
        ours = [
            s["id"]
            for s in down.shown()
            if s["channel"]["endpoint"].startswith(str(site.settings.public_url))
        ]
        stays: list[dict[str, Any]] = []

        def has_given_up() -> bool:
            if down.statuses(ours) == ["error"]:
                return True
            stays.append(down.stay("finished"))
            return False

        # Stay after stay: a delivery that the server does not try cannot fail, and only one that fails makes it give up.
        eventually(has_given_up, every=2)

        down.work.catch_up()
        assert {stay["subject"]["reference"] for stay in stays} <= down.woken()
        assert down.statuses(ours) == ["active"]
