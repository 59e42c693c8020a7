"""Notifications to the real web process: repeated ones change nothing, bad ones hold nobody up. No catch-up helps here."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.app.subscriptions import token
from service.app.wiring import open_queue
from service.domain.vocabulary import Reference
from tests.faults.notifications import id_only
from tests.faults.site import AFTER_DISCHARGE, KEY, open_site
from tests.faults.standing import differences, told_of, wrong_with
from tests.processes import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with open_site(tmp_path_factory.mktemp("kinds"), THROUGHLINE_CATCH_UP_SECONDS="3600") as site:
        site.processes.start("web", "worker", "scheduler")
        eventually(lambda: is_ready(site))
        site.settle()
        yield site


def is_ready(site):
    """Everything answers, and the catch-up at the start has been: from here on only notifications wake anybody."""
    try:
        ready = site.http.get(f"{site.processes.web_url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
    with open_queue(site.settings) as queue:
        return ready and queue.watermarks.get("catch-up") is not None


def as_put(site, reference):
    body = site.http.get(f"{site.fhir.base_url}/{reference}").content
    return site.notify("encounters", "PUT", reference, body)


def as_id_only(site, reference):
    kind, _, logical_id = reference.partition("/")
    return site.notify("encounters", "POST", body=id_only({"resourceType": kind, "id": logical_id}).body)


def as_empty_post(site, _reference):
    return site.notify("encounters", "POST")


FLAVOURS = {"PUT of the resource": as_put, "backport, id-only": as_id_only, "empty POST": as_empty_post}


def begins(site, stay):
    """The follow-ups of a stay that was notified of appear."""
    eventually(lambda: site.follow_ups(stay) == sorted(AFTER_DISCHARGE), every=0.1)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_notification_twenty_times_leaves_what_one_leaves(site, flavour):
    send = FLAVOURS[flavour]
    _, stay = site.discharge()
    assert site.follow_ups(stay) == []  # nobody knows of it until the first notification
    assert send(site, stay).status_code == 200
    begins(site, stay)
    site.settle()
    once = told_of(site.everything())
    versions = {r["id"]: r["meta"]["versionId"] for r in site.every("CarePlan")}

    answers = [send(site, stay).status_code for _ in range(19)]
    site.settle()

    assert answers == [200] * 19
    found = site.everything()
    assert differences(told_of(found), once) == []
    assert {r["id"]: r["meta"]["versionId"] for r in site.every("CarePlan")} == versions
    assert wrong_with(found) == []
    assert dead_letters(site) == []


def test_twenty_notifications_before_anybody_has_looked_begin_one_enrolment(site):
    site.processes.freeze("worker")
    _, stay = site.discharge()
    for _ in range(20):
        for send in FLAVOURS.values():
            assert send(site, stay).status_code == 200
    site.processes.thaw("worker")
    begins(site, stay)
    site.settle()
    assert wrong_with(site.everything()) == []
    assert dead_letters(site) == []


def dead_letters(site):
    with open_queue(site.settings) as queue:
        return queue.dead_letters.list()


# --- what is refused at the door

NESTED = b'{"resourceType":"Basic","extension":' + b"[" * 100 + b"]" * 100 + b"}"
LARGE = b'{"resourceType":"Binary","data":"' + b"A" * 10_000_000 + b'"}'
REFUSED: dict[str, tuple[Any, int, str]] = {
    "malformed JSON": ({"body": b'{"resourceType": "Encounter", '}, 400, "structure"),
    "a list": ({"body": b"[1, 2]"}, 400, "structure"),
    "nested a hundred deep": ({"body": NESTED}, 400, "too-costly"),
    "ten megabytes": ({"body": LARGE}, 413, "too-long"),
    "the wrong secret": ({"body": b"{}", "Authorization": "Bearer wrong"}, 401, "login"),
    "XML that is not FHIR": (
        {"body": b"<Encounter/>", "Content-Type": "application/fhir+xml"},
        400,
        "structure",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_answered_with_an_outcome_and_the_next_one_is_worked_on(site, what):
    given, status, code = REFUSED[what]
    answer = site.notify("encounters", "POST", **given)

    assert answer.status_code == status
    [issue] = answer.json()["issue"]
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert issue["code"] == code
    assert len(issue.get("diagnostics", "") + json.dumps(issue.get("details", {}))) > 20

    _, stay = site.discharge()
    assert as_put(site, stay).status_code == 200
    begins(site, stay)
    assert dead_letters(site) == []


def test_an_unknown_address_is_not_found_and_says_so(site):
    known = token(KEY, "encounters")
    for address in ("0" * len(known), known[:-1], "encounters"):
        answer = site.http.post(f"{site.processes.web_url}/notifications/{address}", content=b"{}")
        assert answer.status_code == 404
        assert answer.json()["issue"][0]["code"] == "not-found"
        assert known not in answer.text


# --- what is stored, and then turns out to be about nobody or nothing


def a_foreign_focus(site):
    focus = id_only({"resourceType": "Encounter", "id": "1"}).body
    return focus.replace(b"Encounter/1", b"https://elsewhere.example/fhir/Encounter/1")


def a_task_about_nobody(site):
    return id_only_of(site.make({"resourceType": "Task", "status": "requested", "intent": "order"}))


def a_stay_without_a_period(site):
    return id_only_of(site.discharge(period=None)[1])


def a_stay_of_nobody(site):
    return id_only_of(site.discharge(subject=None)[1])


def a_deleted_stay(site):
    _, stay = site.discharge()
    site.http.delete(f"{site.fhir.base_url}/{stay}").raise_for_status()
    return id_only_of(stay)


def a_stay_that_never_was(site):
    return id_only_of("Encounter/never-was")


def id_only_of(reference):
    kind, _, logical_id = reference.partition("/")
    return id_only({"resourceType": kind, "id": logical_id}).body


STRANGE = [
    a_foreign_focus, a_task_about_nobody, a_stay_without_a_period, a_stay_of_nobody, a_deleted_stay,
    a_stay_that_never_was,
]  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=lambda each: each.__name__)
def test_a_strange_notification_is_stored_and_holds_up_nobody_behind_it(site, strange):
    answer = site.notify("encounters", "POST", body=strange(site))
    assert answer.status_code == 200
    _, stay = site.discharge()
    assert as_put(site, stay).status_code == 200
    begins(site, stay)
    site.settle()
    assert wrong_with(site.everything()) == []
    with open_queue(site.settings) as queue:
        assert queue.inbox.size() == 0
    assert "Traceback" not in site.processes.output("worker") + site.processes.output("web")
    assert Reference(stay) not in site.processes.output("worker")
