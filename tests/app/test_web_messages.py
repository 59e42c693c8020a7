"""The door for messages over HTTP, as senders meet it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.app.web import Messages, create_app
from service.flow.receive import Limits
from service.flow.receive_message import Trusted
from tests.fakes import FakeAsyncInbox, FakeDoorbell, FakeInbox, FakeMessageInbox, ManualClock
from tests.fhir.r4 import check_r4
from tests.messages import DAVINCI, SENDER, a_message

PATH = "/fhir/$process-message"
HEADERS = {"authorization": "Bearer s3cret", "content-type": "application/fhir+json"}
EXAMPLES = sorted(DAVINCI.glob("*-message-bundle-01.json"))


class Site:
    """The application on fakes, asked over ASGI."""

    def __init__(self, *, inbox: FakeInbox | None = None, **rest: Any) -> None:
        self.inbox = FakeMessageInbox(inbox or FakeInbox())
        self.registry = CollectorRegistry()
        self.bell = FakeDoorbell()
        trusted = [Trusted(sender=SENDER, tokens=("s3cret",))]
        given: dict[str, Any] = {
            "watches": {},
            "inbox": FakeAsyncInbox(),
            "messages": Messages(trusted=trusted, inbox=self.inbox, clock=ManualClock()),
            "limits": Limits(),
            "registry": self.registry,
            "ring": self.bell.inbox_has_mail,
        }
        self.app = create_app(**(given | rest))

    def post(self, body: Any, *, path: str = PATH, headers: dict[str, str] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, content=content, headers=HEADERS if headers is None else headers)

    def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with (
                self.app.router.lifespan_context(self.app),  # at whose end every bell has rung
                httpx.AsyncClient(transport=transport, base_url="http://throughline.test") as client,
            ):
                return await client.request(method, path, **rest)

        return asyncio.run(asked())


@pytest.fixture
def site() -> Site:
    return Site()


def outcome(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/fhir+json"
    check_r4(answer.json())
    [issue] = answer.json()["issue"]
    return f"{answer.status_code} {issue['code']}: {issue['diagnostics']}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_published_message_is_stored_and_answered_200_with_an_outcome(site, example):
    answer = site.post(example.read_bytes())

    assert outcome(answer) == (
        "200 informational: The message was received and is stored; it is worked on now. There is no further answer."
    )
    assert [stored.body for stored in site.inbox.stored] == [example.read_bytes()]
    assert site.bell.mail == 1


def test_a_path_with_the_dollar_sign_encoded_is_the_same_address(site):
    assert site.post(a_message(), path="/fhir/%24process-message").status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}]
)
def test_a_stranger_is_told_to_authenticate_and_nothing_is_stored(site, headers):
    answer = site.post(a_message(), headers={"content-type": "application/fhir+json", **headers})

    assert outcome(answer).startswith("401 login: Send the bearer token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="messages"'
    assert site.inbox.stored == []


def test_a_body_that_is_too_large_is_refused_although_its_length_was_not_said():
    site = Site(limits=Limits(body_bytes=1000))

    async def chunks():
        for _ in range(100):
            yield b" " * 100

    answer = site.ask("POST", PATH, content=chunks(), headers=HEADERS)
    assert outcome(answer).startswith("413 too-long:")


def test_every_reason_has_its_element(site):
    answer = site.post(a_message(bundle_id=None, header={"source": None}))

    assert answer.status_code == 422
    check_r4(answer.json())
    assert [issue["expression"] for issue in answer.json()["issue"]] == [
        ["Bundle.id"],
        ["Bundle.entry[0].resource.source.endpoint"],
    ]


def test_when_it_cannot_be_stored_the_sender_is_asked_to_keep_it():
    answer = Site(inbox=FakeInbox(fails=True)).post(a_message())

    assert (
        outcome(answer) == "503 transient: The notification could not be stored. Keep it and send it again."
    )
    assert answer.headers["retry-after"] == "5"


def test_a_fault_of_ours_is_told_by_its_kind_alone(site, monkeypatch, caplog):
    def breaks(*_: object, **__: object) -> None:
        raise ValueError("SECRET")

    monkeypatch.setattr("service.flow.receive_message.read_bundle", breaks)
    with caplog.at_level(logging.DEBUG):
        answer = site.post(a_message())

    assert outcome(answer).startswith("500 exception: Throughline failed on this request")
    assert "SECRET" not in caplog.text
    assert "ValueError" in caplog.text


def test_nothing_about_a_person_and_no_token_is_logged_or_counted(site, caplog):
    with caplog.at_level(logging.DEBUG):
        site.post(a_message())
        site.post(a_message(encounter={"status": "in-progress"}))
    counted = generate_latest(site.registry).decode()

    for secret in ("Lovelace", "4711", "s3cret"):
        assert secret not in caplog.text
        assert secret not in counted
    assert 'throughline_notifications_total{outcome="stored",subscription="general-hospital"} 1.0' in counted
    assert 'throughline_notifications_total{outcome="refused",subscription="general-hospital"} 1.0' in counted


def test_the_trace_of_its_sender_is_kept_and_nothing_else_of_its_headers(site):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    site.post(a_message(), headers=HEADERS | {"traceparent": trace, "tracestate": "x=y"})
    site.post(a_message(bundle_id="b2", header_id="h2"), headers=HEADERS | {"traceparent": "nonsense"})

    assert [dict(raw.headers) for raw in site.inbox.stored] == [{"traceparent": trace}, {}]


def test_other_methods_are_refused_in_fhirs_terms(site):
    answer = site.ask("GET", PATH, headers=HEADERS)

    assert outcome(answer).startswith("405 not-supported:")


def test_what_may_be_sent_here_is_stated(site):
    statement = site.ask("GET", "/fhir/metadata")

    assert statement.headers["content-type"] == "application/fhir+json"
    check_r4(statement.json())
    assert statement.json()["rest"][0]["operation"][0]["name"] == "process-message"


def test_it_is_described(site):
    described = site.app.openapi()["paths"][PATH]["post"]

    assert described["operationId"] == "process-message"
    assert set(described["responses"]) >= {"200", "401", "409", "422", "503"}


def test_without_senders_the_door_is_closed():
    site = Site(messages=None)

    assert outcome(site.post(a_message())).startswith("404 not-found:")
