"""Whichever version the record server speaks, everything inside sees R4 shapes, and R5 servers get valid R5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_versions import VersionNeutralRecord, history_in_r4, server_version
from service.adapters.memory_record import InMemoryRecord
from service.domain.vocabulary import Reference
from service.ports import RecordUnavailable, Search, VersionConflict, Write
from tests.fakes import ManualClock

TASK = {"resourceType": "Task", "status": "requested", "intent": "order", "statusReason": {"text": "why"}}


@pytest.fixture
def raw():
    return InMemoryRecord(ManualClock())


@pytest.fixture
def record(raw):
    return VersionNeutralRecord(raw, lambda: "5.0.0")


def test_an_r5_server_gets_r5_and_is_read_as_r4(raw, record):
    written = record.create(Write(resource=TASK, full_url="urn:uuid:1"))

    assert raw.read(written.reference)["statusReason"] == {"concept": {"text": "why"}}
    assert record.read(written.reference)["statusReason"] == {"text": "why"}
    [found] = record.search(Search(kind="Task", params=()))
    assert found["statusReason"] == {"text": "why"}
    assert record.search_all([Search(kind="Task", params=())])[0] == [found]


@pytest.mark.parametrize("how", ["update", "transact"])
def test_an_update_keeps_what_only_r5_can_say(raw, record, how):
    reference = raw.put(
        {**TASK, "id": "1", "statusReason": {"concept": {"text": "a"}, "reference": {"reference": "X/1"}}}
    )
    seen = record.read(reference)
    write = Write(
        resource={**seen, "status": "accepted"}, full_url=reference, if_match=seen["meta"]["versionId"]
    )

    record.update(write) if how == "update" else record.transact([write])

    assert raw.read(reference)["status"] == "accepted"
    assert raw.read(reference)["statusReason"] == {
        "concept": {"text": "a"},
        "reference": {"reference": "X/1"},
    }


def test_an_update_of_what_has_moved_on_is_a_conflict_and_writes_nothing(raw, record):
    reference = raw.put({**TASK, "id": "1", "statusReason": {"concept": {"text": "a"}}})
    seen = record.read(reference)
    raw.put({**TASK, "id": "1", "statusReason": {"concept": {"text": "b"}}})

    with pytest.raises(VersionConflict):
        record.update(Write(resource=seen, full_url=reference, if_match=seen["meta"]["versionId"]))
    assert raw.read(reference)["statusReason"] == {"concept": {"text": "b"}}


@pytest.mark.parametrize("version", ["4.0.1", "4.3.0"])
def test_r4_and_r4b_pass_through_untouched(raw, version):
    record = VersionNeutralRecord(raw, lambda: version)
    written = record.create(Write(resource=TASK, full_url="urn:uuid:1"))
    seen = record.read(written.reference)
    record.update(replace(Write(resource=seen, full_url=written.reference), if_match=written.version))

    assert raw.read(written.reference)["statusReason"] == {"text": "why"}
    assert record.capabilities == raw.capabilities


def asked(*answers):
    given = iter(answers)
    return FhirClient(
        "https://record.example/fhir",
        transport=httpx.MockTransport(lambda _request: next(given)),
        backoff=Backoff(tries=1),
    )


def test_the_version_is_asked_once():
    version = server_version(asked(httpx.Response(200, json={"fhirVersion": "5.0.0"})))

    assert (version(), version()) == ("5.0.0", "5.0.0")


def test_a_server_that_hides_what_it_is_counts_as_r4():
    assert server_version(asked(httpx.Response(403)))() == "4.0.1"
    assert server_version(asked(httpx.Response(200, json={})))() == "4.0.1"


def test_a_server_that_does_not_answer_is_asked_again_later():
    version = server_version(asked(httpx.Response(503), httpx.Response(200, json={"fhirVersion": "5.0.0"})))

    with pytest.raises(RecordUnavailable):
        version()
    assert version() == "5.0.0"


def test_a_history_is_told_in_r4_shapes_whatever_the_server_speaks():
    r5 = {
        "resourceType": "Task",
        "id": "1",
        "status": "rejected",
        "statusReason": {"concept": {"text": "why"}},
    }
    gone = {"request": {"method": "DELETE", "url": "Task/1"}}
    pages: list[dict[str, Any]] = [
        {"resourceType": "Bundle", "type": "history", "entry": [gone, {"resource": r5}]},
        {"resourceType": "Bundle"},
    ]
    told = history_in_r4(lambda _: iter(pages), lambda: "5.0.0")
    first, second = told(Reference("Task/1"))

    assert first["entry"][0] == gone
    assert first["entry"][1]["resource"]["statusReason"] == {"text": "why"}
    assert second["entry"] == []
    assert list(history_in_r4(lambda _: iter(pages), lambda: "4.0.1")(Reference("Task/1"))) == pages
