"""The client suite of the Subscriptions test kit (Backport 1.1 on R4), test by test, against a server as it simulates one.

The whole of us takes part: `subscriptions apply`, the web application over real HTTP, Redis, and a worker's taking in.
Each test carries the kit's own id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.subscription import Subscription

from service.app.our_subscriptions import applied, open_subscriptions
from service.app.settings import Settings, load_settings
from service.app.subscriptions import Step
from service.app.web_process import web_app
from service.app.worker_wiring import open_work
from service.flow.take_in import TakenIn, take_in
from tests.conformance.receiving import served, until
from tests.conformance.simulated_server import PROFILE, SimulatedServer
from tests.processes import free_port

TOKEN = "SAMPLE_TOKEN"
TOPIC = (
    "http://inferno.healthit.gov/suites/custom/subscriptions_r5_backport_r4_client/topics/patient-admission"
)
CONTENTS = ("empty", "id-only", "full-resource")


@dataclass
class Run:
    """What one run of the suite left."""

    content: str
    server: SimulatedServer
    steps: list[Step]
    again: list[Step]
    taken: TakenIn
    caught_up: list[str]
    woken: list[str]
    dead_letters: int

    @property
    def subscription(self) -> dict[str, Any]:
        assert self.server.subscription is not None
        return self.server.subscription

    @property
    def handshake(self) -> tuple[dict[str, Any], httpx.Response]:
        return self.server.sent[0]

    @property
    def event(self) -> tuple[dict[str, Any], httpx.Response]:
        return self.server.sent[1]


def settings_for(
    server: SimulatedServer, valkey: Any, folder: Any, public_url: str, content: str
) -> Settings:
    (folder / "inferno.yaml").write_text(
        f"server: inferno\nsubscriptions:\n  admissions:\n    topic: {TOPIC}\n    types: [Encounter]\n"
        f"    content: {content}\n    filters: [Encounter.patient=Patient/123]\n"
    )
    return load_settings(
        {
            "THROUGHLINE_FHIR_BASE_URL": server.base_url,
            "THROUGHLINE_FHIR_AUTH_TOKEN": TOKEN,
            "THROUGHLINE_REDIS_URL": valkey.url,
            "THROUGHLINE_KEY_PREFIX": f"{uuid4()}:",
            "THROUGHLINE_SECRET_KEY": "a key for this run of the suite",
            "THROUGHLINE_PUBLIC_URL": public_url,
            "THROUGHLINE_SUBSCRIPTIONS_DIR": str(folder),
            "THROUGHLINE_LEASE_SECONDS": "9",
        }
    )


@pytest.fixture(scope="module", params=CONTENTS)
def run(request, valkey, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("inferno")
    with SimulatedServer(TOKEN) as server:
        before = settings_for(server, valkey, folder, f"http://127.0.0.1:{free_port()}", request.param)
        with served(web_app(before)) as public_url:
            settings = before.model_copy(update={"public_url": public_url})
            with open_subscriptions(settings) as opened:
                steps = applied(opened, wait=timedelta(seconds=20))
                until(lambda: len(server.sent) == 2)
                again = applied(opened, wait=timedelta())
        return _worked(request.param, server, steps, again, settings)


def _worked(
    content: str, server: SimulatedServer, steps: list[Step], again: list[Step], settings: Settings
) -> Run:
    """A worker takes in what came."""
    with open_work(settings) as (work, _celery):
        caught_up: list[str] = []
        taken = take_in(
            work.inbox,
            work.index,
            work.record,
            work.dead_letters,
            work.clock,
            watermarks=work.watermarks,
            echoes=work.echoes,
            catch_up=caught_up.append,
            pathways=(),
            base_url=server.base_url,
            limit=10,
        )
        woken = [str(claim.person) for claim in work.index.claim(work.clock.now(), 10)]
        return Run(content, server, steps, again, taken, caught_up, woken, len(work.dead_letters.list()))


# --- subscriptions_r4_client_workflow


def test_subscriptions_r4_client_interaction(run) -> None:
    """Requirement 23: the client POSTs a Subscription with its token; rest-hook, to an http(s) endpoint, once in a run."""
    assert [headers["authorization"] for headers in run.server.created_with] == [f"Bearer {TOKEN}"]
    assert run.server.refused == []
    assert [(step.action.value, step.status) for step in run.steps] == [("create", "active")]
    assert [step.action.value for step in run.again] == ["keep"]


# group subscriptions_r4_client_interaction_verification


def test_subscriptions_r4_client_handshake_notification_verification(run) -> None:
    """Requirement 71: the handshake is answered with success; the kit's sender goes on after exactly 200 only."""
    _, answer = run.handshake

    assert answer.status_code == 200


def test_subscriptions_r4_client_event_notification_verification(run) -> None:
    """Requirements 24 and 71: the event is answered with success, and the payload's MIME type is one of FHIR's for JSON."""
    _, answer = run.event

    assert 200 <= answer.status_code <= 299
    assert run.subscription["channel"]["payload"] in {"application/fhir+json", "application/json"}


# group subscriptions_r4_client_conformance_verification


def test_subscriptions_r4_client_subscription_verification(run) -> None:
    """Requirements 68, 76 and 86: rest-hook, criteria is the topic's http(s) URL, valid by the profile, no R5 extensions."""
    subscription = run.subscription
    channel = subscription["channel"]

    Subscription.model_validate(json.loads(json.dumps(subscription)))
    assert subscription["meta"]["profile"] == [f"{PROFILE}/backport-subscription"]
    assert subscription["criteria"] == TOPIC
    assert channel["type"] == "rest-hook"
    assert channel["payload"]
    assert [e["valueCode"] for e in channel["_payload"]["extension"]] == [run.content]
    assert [e["valueString"] for e in subscription["_criteria"]["extension"]] == [
        "Encounter.patient=Patient/123"
    ]
    assert subscription["reason"]
    assert "http://hl7.org/fhir/5.0/StructureDefinition" not in json.dumps(subscription)


def test_subscriptions_r4_client_notification_input_verification(run) -> None:
    """What the tester sends is itself a valid history Bundle whose first entry is the status."""
    for bundle, _ in run.server.sent:
        Bundle.model_validate(json.loads(json.dumps(bundle)))
        first = bundle["entry"][0]
        assert (bundle["type"], first["resource"]["resourceType"]) == ("history", "Parameters")
        assert first["request"]["url"].endswith("/$status")
        assert all({"request", "response"} <= set(entry) for entry in bundle["entry"])


def test_subscriptions_r4_client_notification_input_payload_verification(run) -> None:
    """What the tester sends has the content level that we asked for: `_payload` has come through."""
    bundle, _ = run.event
    parameters = bundle["entry"][0]["resource"]["parameter"]
    [event] = [each["part"] for each in parameters if each["name"] == "notification-event"]
    names = {part["name"] for part in event}
    carried = ["resource" in entry for entry in bundle["entry"][1:]]

    assert run.server.content == run.content
    assert (names, carried) == {
        "empty": ({"event-number"}, []),
        "id-only": ({"event-number", "focus"}, [False]),
        "full-resource": ({"event-number", "focus"}, [True]),
    }[run.content]


def test_subscriptions_r4_client_processing_attestation(run) -> None:
    """We act on the event: whom it names is woken; what it does not name, or cannot be read there, is caught up.

    The handshake is caught up as well: before it nothing was told.
    """
    assert (run.taken.taken, run.dead_letters) == (2, 0)
    assert (run.woken, run.caught_up) == {
        "empty": ([], ["admissions"]),
        "id-only": ([], ["admissions"]),  # this server has no Encounters to read
        "full-resource": (["Patient/p1"], ["admissions"]),
    }[run.content]


KIT = {
    "subscriptions_r4_client_interaction",
    "subscriptions_r4_client_handshake_notification_verification",
    "subscriptions_r4_client_event_notification_verification",
    "subscriptions_r4_client_subscription_verification",
    "subscriptions_r4_client_notification_input_verification",
    "subscriptions_r4_client_notification_input_payload_verification",
    "subscriptions_r4_client_processing_attestation",
}


def test_every_test_of_the_kit_is_here() -> None:
    assert {name.removeprefix("test_") for name in globals() if name.startswith("test_subscriptions")} == KIT
