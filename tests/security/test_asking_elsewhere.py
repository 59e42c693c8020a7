"""Server-side request forgery: whatever address anybody gives us, we ask nowhere but below the base of our own server."""

import contextlib
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.app.settings import load_settings
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import Subscriptions
from service.domain.vocabulary import PathwayId
from service.flow.take_in import take_in
from service.ports import NotInRecord, RawNotification, RecordFailure, RecordRefused, Search, Write
from tests.fakes import (
    FakeDeadLetters,
    FakeEchoes,
    FakeInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)
from tests.security.hostile_server import BASE, ELSEWHERE, TOKEN, HostileServer, a_bundle

REDIRECTS = [301, 302, 303, 307, 308]


def notify(body, server, path=""):
    """One notification taken in over a real client; what of it was parked."""
    inbox, letters = FakeInbox(), FakeDeadLetters()
    inbox.append(
        RawNotification(
            subscription="all", method="POST", path=path, content_type="application/fhir+json", body=body
        )
    )
    take_in(
        inbox, FakeWorkIndex(), server.record(), letters, ManualClock(), watermarks=FakeWatermarks(),
        echoes=FakeEchoes(), catch_up=lambda _name: None, pathways=[PathwayId("p")], base_url=BASE, limit=10,
    )  # fmt: skip
    assert inbox.size() == 0
    return letters


def backport_with(focus):
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": focus}},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "notification-event", "part": [
                {"name": "event-number", "valueString": "1"},
                {"name": "focus", "valueReference": {"reference": focus}},
                {"name": "additional-context", "valueReference": {"reference": focus}},
            ]},
        ],
    }  # fmt: skip
    return {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"fullUrl": "urn:uuid:1", "resource": status}],
    }


def r5_with(focus):
    event = {"eventNumber": "1", "focus": {"reference": focus}, "additionalContext": [{"reference": focus}]}
    status = {
        "resourceType": "SubscriptionStatus", "type": "event-notification", "subscription": {"reference": focus},
        "topic": focus, "notificationEvent": [event],
    }  # fmt: skip
    return {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]}


def full_url_with(address):
    stay = {"resourceType": "Encounter", "id": "1", "subject": {"reference": address}}
    entry = {"fullUrl": address, "resource": stay, "request": {"method": "PUT", "url": address},
             "response": {"status": "200", "location": address}, "link": [{"relation": "next", "url": address}]}  # fmt: skip
    bundle = backport_with("Encounter/1")
    bundle["entry"].append(entry)
    bundle["link"] = [{"relation": "next", "url": address}]
    return bundle


def resource_with(address):
    return {
        "resourceType": "Encounter", "id": "1", "subject": {"reference": address}, "implicitRules": address,
        "meta": {"source": address, "profile": [address]}, "partOf": {"reference": address},
        "participant": [{"individual": {"reference": address}}],
    }  # fmt: skip


SHAPES = [backport_with, r5_with, full_url_with, resource_with]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("address", ELSEWHERE)
def test_no_address_in_a_notification_is_ever_followed(shape, address):
    server = HostileServer(lambda _request: a_bundle())
    notify(json.dumps(shape(address)).encode(), server)
    assert server.strayed == []
    assert not [asked for asked in server.asked if "admin" in asked or "evil" in asked or "169.254" in asked]


anything = st.text(max_size=60) | st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://record.example", "https://evil.example", "//", "", BASE, f"{BASE}/", "urn:uuid:"]),
    st.sampled_from(["/fhir/", "/", "/../", "@evil.example/", "%2e%2e/", "\\", "?", "#", ":80/", ""]),
    st.sampled_from(["Encounter/1", "Encounter/..", "metadata", "$op", "Encounter?x=y", ""]) | st.text(max_size=12),
)  # fmt: skip


@given(st.sampled_from(SHAPES), anything)
def test_nor_any_that_anybody_could_think_of(shape, address):
    server = HostileServer(lambda _request: a_bundle())
    notify(json.dumps(shape(address)).encode(), server)
    assert server.strayed == []


@pytest.mark.parametrize(
    "path", ["Encounter/..", "../admin", "Encounter/1/../../..", "http:/evil/1", "Encounter/%2e%2e"]
)
def test_nor_one_in_the_address_that_was_notified(path):
    server = HostileServer(lambda _request: a_bundle())
    notify(b"", server, path)
    assert server.strayed == []


# --- what the FHIR server says of itself ------------------------------------------------------------------------


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_next_page_is_asked_for_on_our_server_or_not_at_all(address):
    pages = iter([a_bundle({"resourceType": "Task", "id": "1"}, following=address)])
    server = HostileServer(lambda _request: next(pages, a_bundle()))
    with contextlib.suppress(RecordFailure):
        list(server.record().search(Search(kind="Task", params=())))
    assert server.strayed == []


@given(anything)
def test_whatever_the_next_page_is_said_to_be(address):
    pages = iter([a_bundle(following=address)])
    server = HostileServer(lambda _request: next(pages, a_bundle()))
    with contextlib.suppress(RecordFailure):
        list(server.record().search(Search(kind="Task", params=())))
    assert server.strayed == []


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("method", ["read", "search", "search_all"])
def test_a_redirect_is_refused_in_words_and_never_followed(status, method):
    where = {"Location": "https://evil.example/fhir/Task/1"}
    server = HostileServer(lambda _request: httpx.Response(status, headers=where))
    asks = {
        "read": lambda record: record.read("Task/1"),
        "search": lambda record: list(record.search(Search(kind="Task", params=()))),
        "search_all": lambda record: record.search_all([Search(kind="Task", params=())]),
    }
    with pytest.raises(RecordRefused, match="redirects elsewhere"):
        asks[method](server.record())
    assert server.strayed == []


@pytest.mark.parametrize("address", ELSEWHERE)
def test_where_something_was_created_is_remembered_as_type_and_id_only(address):
    """A Location may name any host: the resource is looked for on ours."""

    def answers(request):
        if request.method == "POST":
            return httpx.Response(
                201, headers={"Location": address.encode("ascii", "ignore").decode().strip()}
            )
        return a_bundle({"resourceType": "Task", "id": "1", "meta": {"versionId": "1"}})

    server = HostileServer(answers)
    write = Write(resource={"resourceType": "Task"}, full_url="urn:uuid:1")
    with contextlib.suppress(RecordFailure):
        server.record().create(write)
    assert server.strayed == []


@pytest.mark.parametrize("reference", [a for a in ELSEWHERE if a != "Encounter/1"])
def test_a_reference_that_is_not_type_and_id_is_not_read(reference):
    server = HostileServer(lambda _request: httpx.Response(404))
    with pytest.raises((RecordRefused, NotInRecord)):
        server.record().read(reference)
    assert server.strayed == []


@pytest.mark.parametrize("endpoint", ELSEWHERE)
def test_the_endpoint_of_a_subscription_is_compared_and_never_called(endpoint):
    theirs = {
        "resourceType": "Subscription", "id": "1", "status": "active", "criteria": "Encounter?", "reason": "x",
        "channel": {"type": "rest-hook", "endpoint": endpoint},
    }  # fmt: skip
    server = HostileServer(lambda _request: a_bundle(theirs))
    ours = Subscriptions(
        record=server.record(), wanted=read_subscriptions(load_settings({}).subscriptions), public_url="https://us.example", keys=[b"k" * 32], now=ManualClock().now
    )  # fmt: skip
    ours.plan()
    ours.looks()
    assert server.strayed == []


def test_our_token_goes_to_our_server_with_every_request():
    seen = []

    def answers(request):
        seen.append(request.headers.get("authorization"))
        return a_bundle()

    list(HostileServer(answers).record().search(Search(kind="Task", params=())))
    assert seen == [f"Bearer {TOKEN}"]
