"""Webhooks that are forged or played again: refused where they can be told, and harmless where they cannot."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from service.app.subscriptions import secret, token
from service.flow.receive import Auth, Delivery, Limits, Watch, receive
from tests.fakes import FakeAsyncInbox
from tests.faults.notifications import put
from tests.faults.town import Town, case

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
HEADER = Watch(name="encounters", token=token(KEY, "encounters"), secrets=(secret(KEY, "encounters"),))
SIGNED = replace(HEADER, auth=Auth.SIGNATURE)
BODY = b'{"resourceType":"Encounter","id":"e1"}'


def answer_to(headers, *, watch=HEADER, body=BODY, method="POST"):
    """(status, how many were stored)."""
    inbox = FakeAsyncInbox()
    request = Delivery(method=method, path="", headers=headers, body=body)
    answer = asyncio.run(receive(request, watch=watch, inbox=inbox, limits=Limits()))
    return answer.status, len(inbox.stored)


def signature(body=BODY, key=KEY):
    return hmac.new(secret(key, "encounters").encode(), body, hashlib.sha256).hexdigest()


RIGHT = secret(KEY, "encounters")
FORGED_HEADERS = {
    "nothing": {},
    "empty": {"authorization": ""},
    "only the scheme": {"authorization": "Bearer "},
    "scheme twice": {"authorization": f"Bearer Bearer {RIGHT}"},
    "another subscription's secret": {"authorization": f"Bearer {secret(KEY, 'tasks')}"},
    "another installation's secret": {"authorization": f"Bearer {secret(OTHER_KEY, 'encounters')}"},
    "the token of the address": {"authorization": f"Bearer {HEADER.token}"},
    "all but the last letter": {"authorization": f"Bearer {RIGHT[:-1]}"},
    "one letter more": {"authorization": f"Bearer {RIGHT}x"},
    "other case": {"authorization": f"Bearer {RIGHT.swapcase()}"},
    "basic": {"authorization": f"Basic {RIGHT}"},
    "another header": {"x-authorization": f"Bearer {RIGHT}"},
    "a signature instead": {"x-signature": signature()},
    "not ASCII": {"authorization": "Bearer é\u2028"},
    "very long": {"authorization": "Bearer " + "x" * 100_000},
    "a comma": {"authorization": f"Bearer x, Bearer {RIGHT}"},
}


@pytest.mark.parametrize("forged", FORGED_HEADERS)
def test_a_notification_that_does_not_show_the_secret_is_refused_and_not_stored(forged):
    assert answer_to(FORGED_HEADERS[forged]) == (401, 0)


def test_the_right_secret_is_let_in_with_or_without_the_word_bearer():
    assert answer_to({"authorization": f"Bearer {RIGHT}"}) == (200, 1)
    assert answer_to({"authorization": RIGHT}) == (200, 1)


FORGED_SIGNATURES = {
    "nothing": {},
    "empty": {"x-signature": ""},
    "of another body": {"x-signature": signature(b"{}")},
    "with another key": {"x-signature": signature(key=OTHER_KEY)},
    "of nothing": {"x-signature": signature(b"")},
    "cut": {"x-signature": signature()[:-2]},
    "a weaker digest": {"x-hub-signature": "sha1=" + hmac.new(RIGHT.encode(), BODY, "sha1").hexdigest()},
    "named sha1": {"x-hub-signature": "sha1=" + signature()},
    "named md5": {"x-hub-signature": "md5=" + hmac.new(RIGHT.encode(), BODY, "md5").hexdigest()},
    "no digest named": {"x-hub-signature": "sha256="},
    "the secret itself": {"x-signature": RIGHT},
    "the secret as bearer": {"authorization": f"Bearer {RIGHT}"},
    "two, one right": {"x-signature": f"x, {signature()}"},
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED_SIGNATURES)
def test_a_body_whose_signature_is_not_ours_is_refused_and_not_stored(forged):
    assert answer_to(FORGED_SIGNATURES[forged], watch=SIGNED) == (401, 0)


def test_a_signature_holds_for_exactly_the_bytes_that_were_signed():
    assert answer_to({"x-signature": signature()}, watch=SIGNED) == (200, 1)
    assert answer_to({"x-hub-signature": f"sha256={signature()}"}, watch=SIGNED) == (200, 1)
    for changed in (BODY + b" ", BODY.replace(b"e1", b"e2"), BODY.replace(b":", b": ")):
        assert answer_to({"x-signature": signature()}, watch=SIGNED, body=changed) == (401, 0)


def test_a_key_that_was_changed_is_taken_for_as_long_as_it_is_kept_and_no_longer():
    both = replace(HEADER, secrets=(secret(OTHER_KEY, "encounters"), RIGHT))
    assert answer_to({"authorization": f"Bearer {RIGHT}"}, watch=both) == (200, 1)
    only_new = replace(HEADER, secrets=(secret(OTHER_KEY, "encounters"),))
    assert answer_to({"authorization": f"Bearer {RIGHT}"}, watch=only_new) == (401, 0)


def test_tokens_and_secrets_of_subscriptions_say_nothing_about_each_other():
    made = {f(KEY, name) for f in (token, secret) for name in ("encounters", "tasks", "token:encounters")}
    assert len(made) == 6
    assert all(len(each) >= 32 for each in made)


# --- what cannot be told from the real one: the same again, or a lie with the right secret ----------------------


@pytest.fixture
def town():
    """Somebody was discharged, and everything that follows from it is done."""
    town = Town()
    told = case("post-discharge-coordination", "reached-in-time")
    step = told.timeline[0]
    town.clock.at = step.at
    town.happens(step)
    town.settle()
    assert [r for r in town.record.everything() if r["resourceType"] == "Task"]
    return town


def versions(town):
    """Every version of every resource there is: one more would show."""
    return {
        (r["resourceType"], r["id"]): len(town.record.versions(f"{r['resourceType']}/{r['id']}"))
        for r in town.record.everything()
    }


def take_all_in(town):
    while town.is_busy():
        town.look()


def test_what_was_sent_before_may_be_played_again_as_often_as_anybody_likes(town):
    before = versions(town)
    recorded = [put(resource) for resource in town.record.everything()]
    town.deliver(*recorded * 20)
    take_all_in(town)
    assert versions(town) == before
    assert town.letters.list() == []


LIES = [
    ("Encounter", {"status": "entered-in-error"}),
    ("Encounter", {"status": "in-progress", "period": {"start": "1999-01-01"}}),
    ("Patient", {"deceasedBoolean": True}),
    ("Patient", {"active": False, "link": [{"type": "replaced-by", "other": {"reference": "Patient/somebody"}}]}),
    ("Task", {"status": "completed"}),
    ("Task", {"status": "cancelled", "owner": {"reference": "Practitioner/nobody"}}),
    ("CarePlan", {"status": "revoked", "identifier": []}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "lie"), LIES, ids=lambda each: str(each)[:40])
def test_a_lie_with_the_right_secret_costs_a_look_and_changes_nothing(town, kind, lie):
    """Only who is to be looked at is taken from a notification; what is so is read from the record."""
    before = versions(town)
    told = [r for r in town.record.everything() if r["resourceType"] == kind]
    assert told
    meta = {"meta": {"versionId": "999", "lastUpdated": "2030-01-01T00:00:00Z"}}
    town.deliver(*(put({**resource, **lie, **meta}) for resource in told))
    take_all_in(town)
    assert versions(town) == before


def test_a_deletion_that_did_not_happen_ends_nothing(town):
    before = versions(town)
    town.deliver(*(replace(put(r), method="DELETE", body=b"") for r in town.record.everything()))
    take_all_in(town)
    assert versions(town) == before


def test_people_who_do_not_exist_leave_nothing_behind(town):
    before = versions(town)
    stranger = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "subject": {"reference": "Patient/none"},
    }
    town.deliver(*(put({**stranger, "id": f"e{n}", "note": json.dumps(n)}) for n in range(50)))
    take_all_in(town)
    assert versions(town) == before
