"""Whatever comes in as a notification is answered in FHIR, harms no neighbour and ends: thousands of bent ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import httpx
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.adapters.memory_record import InMemoryRecord
from service.app.web import create_app
from service.flow.receive import Limits, Watch
from service.flow.take_in import take_in
from service.ports import FhirRecord, RawNotification
from tests.fakes import (
    FakeAsyncInbox,
    FakeDeadLetters,
    FakeEchoes,
    FakeInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)
from tests.fuzz.cases import share, tried
from tests.fuzz.mutations import Sent, notifications

TOKEN = "4f0c6e1d9a"
WATCH = Watch(name="encounters", token=TOKEN, secrets=("s3cret",))
BASE = "https://record.example/fhir"
STAY = {"resourceType": "Encounter", "id": "neighbour", "subject": {"reference": "Patient/neighbour"}}
GOOD = Sent(
    method="PUT",
    path="/Encounter/neighbour",
    media_type="application/fhir+json",
    body=json.dumps(STAY).encode(),
)
ANSWERED = {200, 400, 404, 405, 413, 415}


@given(notifications())
@share(12)
def test_a_bent_notification_is_never_our_fault_and_its_neighbour_is_stored(sent):
    tried["notifications posted"] += 1
    inbox = FakeAsyncInbox()
    app = create_app(watches={TOKEN: WATCH}, inbox=inbox, limits=Limits(), registry=CollectorRegistry())

    async def story() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://throughline.test") as client:
            return await post(client, sent), await post(client, GOOD)

    bent, good = asyncio.run(story())
    assert bent.status_code in ANSWERED
    assert "resourceType" in json.loads(bent.content)
    assert good.status_code == 200
    assert inbox.stored[-1].body == GOOD.body
    assert len(inbox.stored) == 1 + (bent.status_code == 200)


async def post(client: httpx.AsyncClient, sent: Sent) -> httpx.Response:
    headers = {"authorization": "Bearer s3cret", "content-type": sent.media_type}
    at = f"/notifications/{TOKEN}{sent.path}"
    return await client.request(sent.method, at, content=sent.body, headers=headers)


SOME = st.lists(notifications(), max_size=4)


@given(SOME, SOME, notifications())
@share(8)
def test_whatever_lies_in_the_inbox_wakes_somebody_or_is_parked_and_its_neighbours_are_woken(
    before, after, told_again
):
    """Stored as it is, without the door: what an older version let in has to be taken in too; and so is whatever a
    server answers when it is asked for lost events."""
    tried["notifications taken in"] += 1
    clock = ManualClock()
    record, inbox, index, letters = InMemoryRecord(clock), FakeInbox(), FakeWorkIndex(), FakeDeadLetters()
    entries = [*before, GOOD, *after]
    for each in entries:
        inbox.append(as_stored(each))
    caught_up: list[str] = []

    def take():
        return take_in(
            inbox, index, cast("FhirRecord", record), letters, clock, watermarks=marks, echoes=FakeEchoes(),
            catch_up=caught_up.append, events=lambda _name, _since, _until: as_answer(told_again), pathways=[], base_url=BASE, limit=100,
        )  # fmt: skip

    marks = FakeWatermarks()
    done = take()
    assert (done.taken, done.later, inbox.size()) == (len(entries), 0, 0)
    assert not [reason for reason in letters.reasons() if "Throughline itself failed" in reason]
    assert "Patient/neighbour" in index.people()
    clock.move(minutes=10)  # numbers that are still missing are asked for again
    assert take().later == 0


def as_answer(sent: Sent) -> Mapping[str, Any]:
    try:
        found = json.loads(sent.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def as_stored(sent: Sent) -> RawNotification:
    return RawNotification(
        subscription="encounters",
        method=sent.method,
        path=sent.path.removeprefix("/"),
        content_type=sent.media_type,
        body=sent.body,
    )
