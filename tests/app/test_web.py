"""The whole web application over ASGI: what callers are told, and what must never be told."""

import asyncio
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.app.web import Check, create_app, server_options
from service.flow.receive import Limits, Watch
from service.ports import InboxUnavailable
from tests.fakes import FakeAsyncInbox, FakeDoorbell

TOKEN = "4f0c6e1d9a"
AT = f"/notifications/{TOKEN}"
WATCH = Watch(name="encounters", token=TOKEN, secrets=("s3cret",))
BEARER = {"authorization": "Bearer s3cret"}
EXAMPLES = sorted((Path(__file__).parents[1] / "fhir/data/notifications").glob("*/*.json"))


class Site:
    """The application on fakes, asked over ASGI."""

    def __init__(self, **rest) -> None:
        self.inbox = FakeAsyncInbox()
        self.registry = CollectorRegistry()
        given: dict[str, Any] = {
            "watches": {TOKEN: WATCH},
            "inbox": self.inbox,
            "limits": Limits(),
            "registry": self.registry,
        }
        self.app = create_app(**(given | rest))

    def ask(self, method, path, *, headers=BEARER, **rest) -> httpx.Response:
        return asyncio.run(self.ask_within(method, path, headers=headers, **rest))

    async def ask_within(self, method, path, **rest) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://throughline.test") as client:
            return await client.request(method, path, **rest)


@pytest.fixture
def site() -> Site:
    return Site()


def outcome(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/fhir+json"
    [issue] = answer.json()["issue"]
    return f"{answer.status_code} {issue['code']}: {issue['diagnostics']}"


# --- notifications ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_published_example_is_stored_and_answered_in_fhir(site, example) -> None:
    answer = site.ask(
        "POST", AT, content=example.read_bytes(), headers={**BEARER, "content-type": "text/plain"}
    )

    assert answer.status_code == 200
    assert answer.json() == {"resourceType": "Bundle", "type": "transaction-response"}
    assert [stored.body for stored in site.inbox.stored] == [example.read_bytes()]


@pytest.mark.parametrize(
    ("method", "behind", "path"),
    [
        ("POST", "", ""),
        ("POST", "/", ""),
        ("PUT", "/Encounter/e1", "Encounter/e1"),
        ("POST", "/Encounter", "Encounter"),
        ("DELETE", "/Encounter/e1", "Encounter/e1"),
    ],
)
def test_a_notification_is_stored_wherever_the_sender_puts_it(site, method, behind, path) -> None:
    answer = site.ask(method, AT + behind)

    assert answer.status_code == 200
    [stored] = site.inbox.stored
    assert (stored.subscription, stored.method, stored.path) == ("encounters", method, path)


def test_a_put_hears_its_resource_again(site) -> None:
    resource = {"resourceType": "Encounter", "id": "e1"}

    assert site.ask("PUT", f"{AT}/Encounter/e1", json=resource).json() == resource


NOWHERE = "404 not-found: There is no notification endpoint at this address. Read the address again from the Subscription's channel.endpoint."
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "malformed": (
        {"content": b'{"resourceType": "Enc'},
        "400 structure: The body is not well-formed JSON. Send the notification as FHIR JSON in UTF-8.",
    ),
    "a hundred deep": (
        {"content": b'{"resourceType":' + b"[" * 100 + b"]" * 100 + b"}"},
        "400 too-costly: The body is nested deeper than 50 levels. No FHIR resource needs that; it was not stored.",
    ),
    "a hundred thousand deep": (
        {"content": b"[" * 100_000},
        "400 too-costly: The body is nested deeper than 50 levels. No FHIR resource needs that; it was not stored.",
    ),
    "XML with entities": (
        {
            "content": b'<!DOCTYPE x [<!ENTITY a "b">]><Encounter>&a;</Encounter>',
            "headers": {**BEARER, "content-type": "application/fhir+xml"},
        },
        "400 structure: The XML declares a document type or entities, which are never read. Send the resource alone.",
    ),
    "wrong secret": (
        {"headers": {"authorization": "Bearer wrong"}},
        "401 login: This notification does not prove that it comes from the subscribed server. Send the header or signature that the Subscription asks for.",
    ),
    "10 MB": (
        {"content": b" " * 10_000_000},
        "413 too-long: The body is larger than 5 MB. Subscribe without payload, or with id-only content: the record is read anyway.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_in_words_and_not_stored(site, case) -> None:
    request, wording = REFUSALS[case]

    assert outcome(site.ask("POST", AT, **{"headers": BEARER, **request})) == wording
    assert site.inbox.stored == []


def test_an_unknown_token_is_told_no_more_than_a_wrong_path(site) -> None:
    assert outcome(site.ask("POST", "/notifications/guess")) == NOWHERE
    assert outcome(site.ask("POST", f"{AT}/Encounter/{'x' * 65}")) == NOWHERE


def test_a_large_body_is_refused_before_it_has_been_read(site) -> None:
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 100_000

    answer = site.ask("POST", AT, content=endless())

    assert answer.status_code == 413
    assert sent <= 52


def test_a_declared_size_is_refused_without_reading_a_byte(site) -> None:
    async def never():
        raise AssertionError("the body was read")
        yield b""

    answer = site.ask("POST", AT, content=never(), headers={**BEARER, "content-length": "10000000"})

    assert answer.status_code == 413


def test_strangers_are_turned_away_without_reading_a_byte(site) -> None:
    async def never():
        raise AssertionError("the body was read")
        yield b""

    assert site.ask("POST", AT, content=never(), headers={}).status_code == 401
    assert site.ask("POST", "/notifications/guess", content=never()).status_code == 404


def test_a_body_that_does_not_come_is_given_up() -> None:
    site = Site(limits=Limits(read_within=timedelta(milliseconds=20)))

    async def stuck():
        yield b"{"
        await asyncio.Event().wait()

    assert outcome(site.ask("POST", AT, content=stuck())) == (
        "408 transient: The body did not arrive in time; it was not stored. Send it again."
    )


def test_bodies_of_all_senders_together_are_bounded() -> None:
    site = Site(limits=Limits(held_bytes=10))

    assert site.ask("POST", AT, content=b" " * 11).status_code == 503
    assert site.ask("POST", AT, content=b" " * 10).status_code == 200
    assert site.ask("POST", AT, content=b" " * 10).status_code == 200  # what was held is let go again


def test_a_full_inbox_is_told_with_a_time_to_come_back(site) -> None:
    site.inbox.inbox.fails = True

    answer = site.ask("POST", AT)

    assert answer.headers["retry-after"] == "5"
    assert (
        outcome(answer) == "503 transient: The notification could not be stored. Keep it and send it again."
    )


def test_a_fault_of_ours_is_told_without_its_text(caplog) -> None:
    class Broken:
        async def append(self, notification):
            raise ValueError("Jane Doe")

    answer = Site(inbox=Broken()).ask("POST", AT, content=b'{"resourceType":"Encounter"}')

    assert outcome(answer) == (
        "500 exception: Throughline failed on this request; nothing was stored. Send it again, and report it if it stays so."
    )
    assert "Jane Doe" not in caplog.text
    assert "receiving failed: ValueError" in caplog.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "OPTIONS"])
def test_other_methods_are_told_which_ones_there_are(site, method) -> None:
    answer = site.ask(method, AT)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"POST", "PUT", "DELETE"}
    assert answer.headers["content-type"] == "application/fhir+json"


def test_neither_token_nor_secret_nor_content_is_logged(site, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    site.ask("PUT", f"{AT}/Encounter/e1-jane", json={"resourceType": "Encounter", "id": "e1-jane"})
    site.ask("POST", AT, content=b"{ jane")
    site.ask("POST", "/notifications/guessed-token")

    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("service"))
    assert "notification for encounters: stored" in ours
    assert "notification for unknown: unknown-address" in ours
    for word in (TOKEN, "s3cret", "jane", "guessed"):
        assert word not in ours


def test_uvicorn_is_started_without_its_access_log() -> None:
    assert server_options()["access_log"] is False


@given(
    content=st.binary(max_size=200)
    | st.text(alphabet='{}[]":,resourceType \\u12', max_size=60).map(str.encode),
    media_type=st.sampled_from(["application/fhir+json", "text/plain", "image/png", "application/xml", ""]),
    method=st.sampled_from(["POST", "PUT", "DELETE"]),
    behind=st.sampled_from(
        ["", "/", "/Encounter/e1", "/..", "/Encounter/%2e%2e", "/a/b/c", "/Encounter/e1%00"]
    ),
)
def test_nothing_that_is_sent_makes_us_fail(content, media_type, method, behind) -> None:
    site = Site()
    answer = site.ask(method, AT + behind, content=content, headers={**BEARER, "content-type": media_type})

    assert answer.status_code in {200, 400, 404, 405, 415}
    assert "resourceType" in json.loads(answer.content)
    assert len(site.inbox.stored) == (answer.status_code == 200)


# --- the doorbell -----------------------------------------------------------------------------------------------


def test_the_bell_is_rung_after_what_was_stored_and_only_then() -> None:
    bell = FakeDoorbell()
    site = Site(ring=bell.inbox_has_mail)

    async def story() -> None:
        async with site.app.router.lifespan_context(site.app):
            for _ in range(20):
                await site.ask_within("POST", AT, headers=BEARER)
            await site.ask_within("POST", AT, headers={})

    asyncio.run(story())

    assert 1 <= bell.mail <= 20
    assert len(site.inbox.stored) == 20


def test_a_bell_that_fails_loses_nothing(caplog) -> None:
    bell = FakeDoorbell(fails=True)
    site = Site(ring=bell.inbox_has_mail)

    async def story() -> int:
        async with site.app.router.lifespan_context(site.app):
            return (await site.ask_within("POST", AT, headers=BEARER)).status_code

    assert asyncio.run(story()) == 200
    assert len(site.inbox.stored) == 1
    assert "the doorbell failed (ConnectionError); workers find the mail by themselves" in caplog.messages


# --- operators --------------------------------------------------------------------------------------------------


async def fine() -> None:
    return None


async def broken() -> None:
    raise ConnectionError("redis://user:password@host")


async def stuck() -> None:
    await asyncio.Event().wait()


def test_alive_is_not_ready() -> None:
    site = Site(checks=[Check(name="inbox", probe=broken)])

    assert site.ask("GET", "/livez").json() == {"status": "alive"}
    assert site.ask("GET", "/readyz").status_code == 503


def test_ready_tells_each_dependency_and_no_secret() -> None:
    within = timedelta(milliseconds=20)
    checks = [
        Check(name="inbox", probe=fine),
        Check(name="record", probe=broken, needed=False),
        Check(name="slow", probe=stuck, needed=False, within=within),
    ]

    answer = Site(checks=checks).ask("GET", "/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"inbox": "ok", "record": "failed (ConnectionError)", "slow": "no answer in time"},
    }


def test_readiness_tells_details_that_make_nothing_unready() -> None:
    async def hears():
        return {"state": "care", "subscriptions": {"encounters": "silent"}}

    async def breaks():
        raise InboxUnavailable("no")

    answer = Site(details={"listening": hears, "other": breaks}).ask("GET", "/readyz")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ready",
            "checks": {},
            "listening": {"state": "care", "subscriptions": {"encounters": "silent"}},
            "other": {"state": "failed (InboxUnavailable)"},
        },
    )


def test_metrics_count_by_subscription_and_outcome(site) -> None:
    site.ask("POST", AT)
    site.ask("POST", AT, content=b"{")
    site.ask("POST", "/notifications/guess")

    lines = site.ask("GET", "/metrics").text.splitlines()
    assert 'throughline_notifications_total{outcome="stored",subscription="encounters"} 1.0' in lines
    assert 'throughline_notifications_total{outcome="malformed",subscription="encounters"} 1.0' in lines
    assert 'throughline_notifications_total{outcome="unknown-address",subscription="unknown"} 1.0' in lines
    assert "throughline_notification_answer_seconds_count 3.0" in lines
    assert TOKEN not in "\n".join(lines)


def test_two_applications_count_apart() -> None:
    one, two = Site(), Site()
    one.ask("POST", AT)

    assert "stored" not in two.ask("GET", "/metrics").text


def test_the_description_names_the_addresses_and_what_they_answer(site) -> None:
    paths = site.ask("GET", "/openapi.json").json()["paths"]

    assert {
        "/notifications/{token}",
        "/notifications/{token}/{type}/{id}",
        "/livez",
        "/readyz",
        "/metrics",
    } == set(paths)
    assert set(paths["/notifications/{token}"]) == {"post", "put", "delete"}
    assert {"200", "401", "413", "503"} <= set(paths["/notifications/{token}"]["post"]["responses"])


def test_there_are_no_pages_that_load_scripts_from_elsewhere(site) -> None:
    assert site.ask("GET", "/docs").status_code == 404
    assert site.ask("GET", "/redoc").status_code == 404


def test_the_description_gives_each_operation_a_name_of_its_own(site, recwarn) -> None:
    site.ask("GET", "/openapi.json")

    assert [str(warning.message) for warning in recwarn] == []


def test_every_answer_keeps_browsers_from_doing_more_than_showing_it(site) -> None:
    for path in ("/livez", "/nowhere", AT):
        headers = site.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]


# --- routers that are handed in ---------------------------------------------------------------------------------


def more() -> APIRouter:
    router = APIRouter()

    @router.get("/fhir/number")
    async def number(of: int) -> dict[str, int]:
        return {"of": of}

    @router.get("/fails")
    @router.get("/fhir/fails")
    async def fails() -> None:
        raise ValueError("Jane Doe")

    @router.get("/")
    async def page() -> dict[str, str]:
        return {"page": "here"}

    return router


def test_pages_and_messages_are_handed_in() -> None:
    assert Site(routers=[more()]).ask("GET", "/").json() == {"page": "here"}


def test_errors_on_fhir_addresses_are_outcomes() -> None:
    site = Site(routers=[more()])

    assert outcome(site.ask("GET", "/fhir/nowhere")) == "404 not-found: There is nothing at this address."
    assert outcome(site.ask("POST", "/fhir/number")) == (
        "405 not-supported: This address does not take this HTTP method; Allow names those it takes."
    )
    assert outcome(site.ask("GET", "/fhir/number?of=jane")) == (
        "422 invalid: The request is not what this address expects; see /openapi.json."
    )
    assert outcome(site.ask("GET", "/fhir/fails")) == (
        "500 exception: Throughline failed on this request. Try again, and report it if it stays so."
    )


def test_errors_elsewhere_are_plain_json() -> None:
    site = Site(routers=[more()])

    assert site.ask("GET", "/nowhere").json() == {"detail": "There is nothing at this address."}
    assert site.ask("GET", "/fails").json() == {
        "detail": "Throughline failed on this request. Try again, and report it if it stays so."
    }
