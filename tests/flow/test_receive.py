"""Receiving: authenticated, bounded, stored before the answer, and every answer a FHIR resource."""

import asyncio
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.flow.receive import Auth, Delivery, Limits, Watch, receive
from tests.fakes import FakeAsyncInbox

SECRET, OLD_SECRET = "new-secret", "old-secret"
WATCH = Watch(name="encounters", token="t0ken", secrets=(SECRET, OLD_SECRET))
LIMITS = Limits(body_bytes=1_000, depth=5)
BEARER = {"authorization": f"Bearer {SECRET}"}
ENCOUNTER = b'{"resourceType":"Encounter","id":"e1"}'


def answer(body=b"", *, watch=WATCH, method="POST", path="", headers=None, inbox=None):
    given_headers = BEARER if headers is None else headers
    request = Delivery(method=method, path=path, headers=given_headers, body=body)
    box = inbox if inbox is not None else FakeAsyncInbox()
    return asyncio.run(receive(request, watch=watch, inbox=box, limits=LIMITS))


def text(received) -> str:
    outcome = json.loads(received.body)
    assert outcome["resourceType"] == "OperationOutcome"
    [issue] = outcome["issue"]
    return f"{received.status} {issue['severity']} {issue['code']}: {issue['diagnostics']}"


# --- stored -----------------------------------------------------------------------------------------------------


def test_a_notification_is_stored_exactly_as_it_came() -> None:
    inbox = FakeAsyncInbox()
    body = b' {"resourceType": "Encounter", "id":"e1", "a": 12.50}\n'
    headers = {
        **BEARER,
        "content-type": "application/fhir+json; fhirVersion=4.0",
        "x-medplum-interaction": "update",
    }

    received = answer(body, path="Encounter/e1", method="PUT", headers=headers, inbox=inbox)

    assert received.status == 200
    [stored] = inbox.stored
    assert (stored.subscription, stored.method, stored.path) == ("encounters", "PUT", "Encounter/e1")
    assert (stored.body, stored.content_type) == (body, "application/fhir+json; fhirVersion=4.0")
    assert stored.headers == {"x-medplum-interaction": "update"}


def test_the_answer_waits_until_the_notification_is_stored() -> None:
    class SlowInbox(FakeAsyncInbox):
        async def append(self, notification):
            entry = await super().append(notification)
            await asyncio.sleep(0)
            order.append("stored")
            return entry

    order: list[str] = []
    answer(ENCOUNTER, inbox=SlowInbox())
    order.append("answered")

    assert order == ["stored", "answered"]


def test_what_cannot_be_stored_is_never_acknowledged() -> None:
    inbox = FakeAsyncInbox()
    inbox.inbox.fails = True

    received = answer(ENCOUNTER, inbox=inbox)

    assert received.headers == {"retry-after": "5"}
    assert text(received) == (
        "503 error transient: The notification could not be stored. Keep it and send it again."
    )


def test_a_posted_bundle_is_answered_as_a_transaction() -> None:
    assert answer(b'{"resourceType":"Bundle","type":"history"}').body == (
        b'{"resourceType":"Bundle","type":"transaction-response"}'
    )


def test_a_put_is_answered_with_its_own_resource() -> None:
    assert answer(ENCOUNTER, method="PUT", path="Encounter/e1").body == ENCOUNTER


@pytest.mark.parametrize(
    ("method", "body"), [("POST", b""), ("POST", ENCOUNTER), ("DELETE", b""), ("PUT", b""), ("POST", b"{}")]
)
def test_everything_else_is_answered_with_an_outcome(method, body) -> None:
    assert text(answer(body, method=method, path="Encounter/e1")) == (
        "200 information informational: The notification is stored and will be looked at."
    )


@pytest.mark.parametrize(
    "media_type",
    ["application/fhir+json", "application/json", "text/plain; charset=utf-8", "Application/JSON", ""],
)
def test_json_is_accepted_under_the_names_that_senders_use(media_type) -> None:
    assert answer(ENCOUNTER, headers={**BEARER, "content-type": media_type}).status == 200


XML_ENCOUNTER = b'<Encounter xmlns="http://hl7.org/fhir"><id value="e1"/></Encounter>'


@pytest.mark.parametrize("media_type", ["application/fhir+xml", "application/xml", "text/plain", ""])
def test_xml_is_accepted_and_answered_in_json(media_type) -> None:
    put = answer(XML_ENCOUNTER, method="PUT", headers={**BEARER, "content-type": media_type})

    assert text(put) == "200 information informational: The notification is stored and will be looked at."


def test_the_media_type_of_nothing_does_not_matter() -> None:
    assert answer(b"", headers={**BEARER, "content-type": "application/fhir+xml"}).status == 200


# --- refused ----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "malformed": (
        {"body": b'{"resourceType":'},
        "400 error structure: The body is not well-formed JSON. Send the notification as FHIR JSON in UTF-8.",
    ),
    "a list": (
        {"body": b"[1]"},
        "400 error structure: The body is JSON but not a FHIR resource: it has to be one JSON object with a resourceType.",
    ),
    "too deep": (
        {"body": b'{"resourceType":' + b"[" * 100 + b"]" * 100 + b"}"},
        "400 error too-costly: The body is nested deeper than 5 levels. No FHIR resource needs that; it was not stored.",
    ),
    "too large": (
        {"body": b" " * 1_001},
        "413 error too-long: The body is larger than 0.001 MB. Subscribe without payload, or with id-only content: the record is read anyway.",
    ),
    "declared too large": (
        {"headers": {**BEARER, "content-length": "99999999"}},
        "413 error too-long: The body is larger than 0.001 MB. Subscribe without payload, or with id-only content: the record is read anyway.",
    ),
    "XML that is not FHIR": (
        {"body": b"<Encounter/>", "headers": {**BEARER, "content-type": "application/fhir+xml"}},
        "400 error structure: The body is XML but not a FHIR resource: its root has to be a resource in http://hl7.org/fhir.",
    ),
    "broken XML": (
        {"body": b"<Encounter", "headers": {**BEARER, "content-type": "application/fhir+xml"}},
        "400 error structure: The body is not well-formed XML. Send the notification as FHIR JSON, or as FHIR XML in UTF-8.",
    ),
    "XML with a document type": (
        {"body": b'<!DOCTYPE x [<!ENTITY a "b">]><x/>', "headers": {**BEARER, "content-type": "text/xml"}},
        "400 error structure: The XML declares a document type or entities, which are never read. Send the resource alone.",
    ),
    "XML too deep": (
        {"body": b"<a>" * 300, "headers": {**BEARER, "content-type": "application/fhir+xml"}},
        "400 error structure: The body is not well-formed XML. Send the notification as FHIR JSON, or as FHIR XML in UTF-8.",
    ),
    "a form": (
        {"body": b"a=b", "headers": {**BEARER, "content-type": "application/x-www-form-urlencoded"}},
        "415 error not-supported: This media type is not accepted here. Send FHIR JSON as application/fhir+json, or FHIR XML as application/fhir+xml.",
    ),
    "compressed": (
        {"body": b"\x1f\x8b", "headers": {**BEARER, "content-encoding": "gzip"}},
        "415 error not-supported: Compressed bodies are not accepted here. Send the notification without Content-Encoding.",
    ),
    "unknown address": (
        {"watch": None},
        "404 error not-found: There is no notification endpoint at this address. Read the address again from the Subscription's channel.endpoint.",
    ),
    "strange path": (
        {"path": "../admin"},
        "404 error not-found: There is no notification endpoint at this address. Read the address again from the Subscription's channel.endpoint.",
    ),
    "no secret": (
        {"headers": {}},
        "401 error login: This notification does not prove that it comes from the subscribed server. Send the header or signature that the Subscription asks for.",
    ),
    "another method": (
        {"method": "PATCH"},
        "405 error not-supported: Notifications are sent with POST, PUT or DELETE.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_to_do_and_stores_nothing(case) -> None:
    request, wording = REFUSED[case]
    inbox = FakeAsyncInbox()

    assert text(answer(**request, inbox=inbox)) == wording
    assert inbox.stored == []


def test_refusals_carry_the_headers_that_http_asks_for() -> None:
    assert answer(method="PATCH").headers == {"allow": "POST, PUT, DELETE"}
    assert answer(headers={**BEARER, "content-encoding": "gzip"}).headers == {"accept-encoding": "identity"}


# --- who may send -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [f"Bearer {SECRET}", f"bearer {OLD_SECRET}", f"  Bearer   {SECRET} ", SECRET]
)
def test_the_secret_and_the_one_before_it_are_accepted(value) -> None:
    assert answer(ENCOUNTER, headers={"authorization": value}).status == 200


@pytest.mark.parametrize(
    "value",
    ["Bearer ", "Bearer", "", "Bearer wrong", f"Basic {SECRET}", SECRET[:-1], f"{SECRET}x", "Bearer ÿ"],
)
def test_anything_but_the_secret_is_refused(value) -> None:
    assert answer(ENCOUNTER, headers={"authorization": value}).status == 401


def test_a_watch_without_secrets_trusts_nobody() -> None:
    watch = Watch(name="encounters", token="t", secrets=())

    assert answer(ENCOUNTER, watch=watch).status == 401
    assert answer(ENCOUNTER, watch=watch, headers={}).status == 401


def test_the_secret_may_come_in_a_header_of_its_own() -> None:
    watch = Watch(name="encounters", token="t", secrets=(SECRET,), header="x-throughline")

    assert answer(ENCOUNTER, watch=watch, headers={"x-throughline": SECRET}).status == 200
    assert answer(ENCOUNTER, watch=watch).status == 401


def signed(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


SIGNING = Watch(name="encounters", token="t", secrets=(SECRET, OLD_SECRET), auth=Auth.SIGNATURE)


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_a_signature_of_the_raw_body_is_accepted(secret) -> None:
    signature = signed(ENCOUNTER, secret)

    assert answer(ENCOUNTER, watch=SIGNING, headers={"x-signature": signature}).status == 200
    assert answer(ENCOUNTER, watch=SIGNING, headers={"x-hub-signature": f"sha256={signature}"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        BEARER,
        {"x-signature": ""},
        {"x-hub-signature": "sha256="},
        {"x-signature": signed(ENCOUNTER + b" ", SECRET)},
        {"x-signature": signed(ENCOUNTER, "wrong")},
        {"x-hub-signature": "sha1=" + signed(ENCOUNTER, SECRET)},
    ],
)
def test_a_signature_of_anything_else_is_refused(headers) -> None:
    assert answer(ENCOUNTER, watch=SIGNING, headers=headers).status == 401


def test_the_address_alone_is_enough_where_that_is_configured() -> None:
    watch = Watch(name="encounters", token="t", secrets=(), auth=Auth.ADDRESS)

    assert answer(ENCOUNTER, watch=watch, headers={}).status == 200


def test_secrets_do_not_show_when_printed() -> None:
    assert SECRET not in repr(WATCH)
    assert "t0ken" not in repr(WATCH)
    assert "Encounter" not in repr(Delivery(method="POST", path="", headers={}, body=ENCOUNTER))


@given(
    body=st.binary(max_size=400),
    method=st.sampled_from(["POST", "PUT", "DELETE", "GET", "BREW"]),
    path=st.text(max_size=20) | st.just("Encounter/e1"),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "content-length", "content-encoding", "x-signature"]),
        st.text(max_size=20),
    ),
)
def test_no_request_at_all_is_answered_with_a_failure_of_ours(body, method, path, headers) -> None:
    inbox = FakeAsyncInbox()
    received = answer(body, method=method, path=path, headers={**BEARER, **headers}, inbox=inbox)

    assert received.status in {200, 400, 404, 405, 413, 415}
    assert (received.status == 200) == (len(inbox.stored) == 1)
    assert "resourceType" in json.loads(received.body.removeprefix(b"\xef\xbb\xbf"))
