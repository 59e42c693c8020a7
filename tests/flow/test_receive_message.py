"""The door for FHIR messages: who may send, what is refused before it is stored, and that 200 means stored."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime

import pytest

from service.flow.receive import Limits
from service.flow.receive_message import Checked, Trusted, check, known_sender, refuse_unread, store
from tests.fakes import FakeInbox, FakeMessageInbox
from tests.messages import CLINIC, DAVINCI, DENVER, SENDER, a_message

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
TRUSTED = [Trusted(sender=SENDER, tokens=("new", "old")), Trusted(sender=CLINIC, tokens=("clinic",))]
JSON = {"content-type": "application/fhir+json"}


def told(answer) -> str:
    [issue] = json.loads(answer.body)["issue"]
    return f"{answer.status} {issue['code']}: {issue['diagnostics']}"


def posted(inbox: FakeMessageInbox, body: bytes):
    checked = check(body, SENDER, Limits(), NOW)
    return asyncio.run(store(checked, inbox, Limits())) if isinstance(checked, Checked) else checked


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Bearer new", "general-hospital"),
        ("bearer old", "general-hospital"),
        ("Bearer wrong", None),
        ("Bearer ", None),
        ("Basic new", None),
        ("new", None),
        ("", None),
        ("Bearer clinic", None),  # a token of a sender that may not post
    ],
)
def test_a_sender_is_known_by_its_token(header, name):
    found = known_sender({"authorization": header}, TRUSTED)

    assert (found.name if found else None) == name


def test_strangers_are_refused_before_anything_is_read():
    answer = refuse_unread(JSON, {}, None, Limits())

    assert answer is not None
    assert told(answer) == (
        "401 login: Send the bearer token that was agreed with this site (Authorization: Bearer …). Ask the site for it"
        " if there is none."
    )
    assert answer.headers["www-authenticate"] == 'Bearer realm="messages"'


@pytest.mark.parametrize(
    ("headers", "query", "says"),
    [
        (
            {"content-type": "application/fhir+xml"},
            {},
            "415 not-supported: Messages are accepted as FHIR JSON",
        ),
        ({}, {}, "415 not-supported: Messages are accepted as FHIR JSON"),
        (
            JSON | {"content-encoding": "gzip"},
            {},
            "415 not-supported: Compressed bodies are not accepted here.",
        ),
        (JSON | {"content-length": "5000001"}, {}, "413 too-long: The body is larger than 5 MB."),
        (JSON, {"async": "true"}, "400 not-supported: Notifications are not answered by messages"),
        (
            JSON,
            {"response-url": "https://x"},
            "400 not-supported: Notifications are not answered by messages",
        ),
    ],
)
def test_what_is_wrong_with_the_request_itself_is_told_before_its_body_is_read(headers, query, says):
    answer = refuse_unread(headers, query, SENDER, Limits())

    assert answer is not None
    assert told(answer).startswith(says)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "400 structure: The body is empty."),
        (b"{", "400 structure: The body is not well-formed JSON."),
        (b"[]", "400 structure: The body is JSON but not a FHIR resource"),
        (b"\xff", "400 structure: "),
        (b"[" * 1000, "400 too-costly: The JSON is nested deeper than 50 levels."),
        (b'{"resourceType": "Bundle"}', "422 structure: A message is a Bundle of type message"),
    ],
)
def test_what_is_no_message_is_refused_and_not_stored(body, says):
    inbox = FakeMessageInbox()

    assert told(posted(inbox, body)).startswith(says)
    assert inbox.stored == []


@pytest.mark.parametrize("event", ["admit", "transfer", "discharge"])
def test_every_published_example_is_stored_as_it_came_and_answered_200(event):
    inbox = FakeMessageInbox()
    body = (DAVINCI / f"{event}-notification-message-bundle-01.json").read_bytes()
    answer = posted(inbox, body)

    assert told(answer) == (
        "200 informational: The message was received and is stored; it is worked on now. There is no further answer."
    )
    [stored] = inbox.stored
    assert (stored.subscription, stored.path, stored.body) == ("general-hospital", "$process-message", body)


def test_sent_again_it_is_answered_alike_and_not_stored_again():
    inbox = FakeMessageInbox()
    body = json.dumps(a_message()).encode()
    first, second = posted(inbox, body), posted(inbox, body)

    assert (first.status, first.body) == (second.status, second.body)
    assert len(inbox.stored) == 1


def test_one_bundle_id_for_two_messages_is_refused():
    inbox = FakeMessageInbox()
    posted(inbox, json.dumps(a_message()).encode())

    assert told(posted(inbox, json.dumps(a_message(header_id="h2")).encode())) == (
        "409 duplicate: This Bundle.id was used before, with another MessageHeader.id. Each message has ids of its own;"
        " this one was not stored."
    )
    assert len(inbox.stored) == 1


def test_what_cannot_be_stored_is_not_acknowledged():
    answer = posted(FakeMessageInbox(FakeInbox(fails=True)), json.dumps(a_message()).encode())

    assert told(answer) == "503 transient: The notification could not be stored. Keep it and send it again."
    assert answer.headers["retry-after"] == "5"


def test_every_reason_is_told_at_once():
    body = json.dumps(a_message(bundle_id=None, header={"source": None})).encode()
    answer = posted(FakeMessageInbox(), body)

    assert answer.status == 422
    assert [issue["expression"] for issue in json.loads(answer.body)["issue"]] == [
        ["Bundle.id"],
        ["Bundle.entry[0].resource.source.endpoint"],
    ]
