"""Asking a server how a subscription stands and which events were missed, and what became of a whole type."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.history import HttpRecordHistory
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir.subscription_server import HttpSubscriptionServer
from service.domain.vocabulary import Reference
from service.ports import NotInRecord, RecordRefused, RecordUnavailable

BASE = "https://record.example/fhir"
BUNDLE = {"resourceType": "Bundle", "type": "history"}
AT = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)


class Server:
    """Answers with what it is given, and keeps what it was asked."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, str(request.url).removeprefix(BASE), body))
        status, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(status, json=content)

    @property
    def client(self) -> FhirClient:
        return FhirClient(BASE, transport=httpx.MockTransport(self), backoff=Backoff(patience=0.01))


def test_missed_events_are_asked_for_by_their_numbers() -> None:
    server = Server((200, BUNDLE))

    assert HttpSubscriptionServer(server.client).events(Reference("Subscription/s1"), 22, 25) == BUNDLE
    assert server.asked == [
        (
            "GET",
            "/Subscription/s1/$events?eventsSinceNumber=22&eventsUntilNumber=25&content=id-only",
            None,
        )
    ]


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_server_that_knows_operations_by_post_only_is_asked_that_way(status) -> None:
    server = Server((status, {"resourceType": "OperationOutcome"}), (200, BUNDLE))

    assert HttpSubscriptionServer(server.client).events(Reference("Subscription/s1"), 22, 22) == BUNDLE
    assert server.asked[1] == (
        "POST",
        "/Subscription/s1/$events",
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "eventsSinceNumber", "valueString": "22"},
                {"name": "eventsUntilNumber", "valueString": "22"},
                {"name": "content", "valueCode": "id-only"},
            ],
        },
    )


def test_the_status_is_asked_of_one_subscription() -> None:
    server = Server((200, BUNDLE))

    assert HttpSubscriptionServer(server.client).status(Reference("Subscription/s1")) == BUNDLE
    assert server.asked == [("GET", "/Subscription/s1/$status", None)]


@pytest.mark.parametrize(
    ("status", "failure"),
    [(404, NotInRecord), (501, RecordRefused), (403, RecordRefused), (503, RecordUnavailable)],
)
def test_each_failure_is_the_one_that_the_record_would_have(status, failure) -> None:
    with pytest.raises(failure):
        HttpSubscriptionServer(Server((status, {})).client).events(Reference("Subscription/s1"), 1, 1)


@pytest.mark.parametrize(
    "reference", ["Subscription/../Patient", "https://elsewhere.example/Subscription/1", ""]
)
def test_a_subscription_named_by_a_stranger_leads_nowhere_else(reference) -> None:
    server = Server((200, BUNDLE))

    with pytest.raises(RecordRefused):
        HttpSubscriptionServer(server.client).events(Reference(reference), 1, 1)
    assert server.asked == []


def test_a_real_server_says_how_it_stands_and_has_no_events_to_give(sandbox) -> None:
    made = httpx.post(
        f"{sandbox.base_url}/Subscription",
        json={
            "resourceType": "Subscription", "status": "off", "reason": "a test", "criteria": "Encounter?",
            "channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1:9"},
        },
        trust_env=False,
    ).json()  # fmt: skip
    subscription = Reference(f"Subscription/{made['id']}")
    with FhirClient(sandbox.base_url) as client:
        server = HttpSubscriptionServer(client)

        assert server.status(subscription)["type"] == "searchset"
        assert server.capability_statement()["resourceType"] == "CapabilityStatement"
        with pytest.raises(NotInRecord):
            server.events(subscription, 1, 2)


# --- the history of a type


def entry(id_, *, minute, method="PUT", **changes):
    stamp = f"2026-03-06T23:{minute:02d}:00Z"
    resource = {"resourceType": "Encounter", "id": id_, "meta": {"versionId": "3", "lastUpdated": stamp}}
    made = {
        "fullUrl": f"{BASE}/Encounter/{id_}",
        "request": {"method": method, "url": f"Encounter/{id_}"},
        "response": {"status": "200", "etag": 'W/"3"', "lastModified": stamp},
    }
    return {**made, **({} if method == "DELETE" else {"resource": resource}), **changes}


def page(*entries, following=None):
    links = [{"relation": "next", "url": following}] if following else []
    return {"resourceType": "Bundle", "type": "history", "link": links, "entry": list(entries)}


def history(*answers, since=AT):
    return [
        (each.reference, each.version, each.deleted, each.resource is not None)
        for each in HttpRecordHistory(Server(*answers).client).since("Encounter", since)
    ]


def test_the_history_of_a_type_tells_versions_and_deletions() -> None:
    assert history((200, page(entry("a", minute=40), entry("b", minute=35, method="DELETE")))) == [
        ("Encounter/a", "3", False, True),
        ("Encounter/b", "3", True, False),
    ]


def test_it_is_read_page_by_page_but_never_further_back_than_asked() -> None:
    forgetful = f"{BASE}/Encounter/_history?_count=2&_offset=2"  # as one server's next page: without _since

    assert history(
        (200, page(entry("a", minute=40), following=forgetful)),
        (200, page(entry("b", minute=31), entry("old", minute=29), following=forgetful)),
    ) == [("Encounter/a", "3", False, True), ("Encounter/b", "3", False, True)]


def test_a_deleted_one_is_known_by_its_request_where_the_address_is_of_another_host() -> None:
    told = entry("b", minute=40, method="DELETE", fullUrl="http://inside:8090/fhir/Encounter/b")

    assert history((200, page(told, {"fullUrl": "urn:uuid:1"}, "junk"))) == [
        ("Encounter/b", "3", True, False)
    ]


def test_a_server_that_keeps_none_is_asked_once() -> None:
    server = Server((404, {}))
    kept = HttpRecordHistory(server.client)
    for _ in range(3):
        with pytest.raises(NotInRecord):
            list(kept.since("Encounter", AT))

    assert len(server.asked) == 1


def test_a_real_server_tells_what_was_deleted(sandbox) -> None:
    made = httpx.post(
        f"{sandbox.base_url}/Basic", json={"resourceType": "Basic", "code": {"text": "x"}}, trust_env=False
    )
    reference = f"Basic/{made.json()['id']}"
    httpx.delete(f"{sandbox.base_url}/{reference}", trust_env=False)
    since = datetime.fromisoformat(made.json()["meta"]["lastUpdated"]) - timedelta(seconds=1)
    with FhirClient(sandbox.base_url) as client:
        found = [
            each for each in HttpRecordHistory(client).since("Basic", since) if each.reference == reference
        ]

    assert [each.deleted for each in found] == [True, False]
