"""Messages share the inbox with notifications: they tell the record, wake whom they concern, and hold up nobody."""

from __future__ import annotations

import json
from functools import partial
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.adapters.memory_record import Faults, InMemoryRecord
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.messages.raw import raw_bundle, raw_hl7v2
from service.fhir.parked import unpacked
from service.flow.take_in import TakenIn, take_in
from service.flow.upsert import Site, tell
from service.ports import FhirRecord, RawNotification, RecordRefused, RecordUnavailable
from tests.fakes import (
    FakeDeadLetters,
    FakeEchoes,
    FakeInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)
from tests.messages import CLINIC, DENVER, MRN, SENDER, a_message, adt_file, an_adt, davinci

BASE = "https://record.example/fhir"


class House:
    """Everything that taking in touches."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.record = InMemoryRecord(self.clock)
        self.inbox, self.index, self.letters = FakeInbox(), FakeWorkIndex(), FakeDeadLetters()
        self.marks = FakeWatermarks()
        self.senders = {each.name: each for each in (SENDER, CLINIC)}

    def posts(self, bundle) -> None:
        self.inbox.append(raw_bundle(json.dumps(bundle).encode(), SENDER))

    def sends(self, body: bytes, sender=SENDER) -> None:
        self.inbox.append(raw_hl7v2(body, sender))

    def notifies(self, person: str) -> None:
        body = json.dumps({"resourceType": "Encounter", "id": "x", "subject": {"reference": person}}).encode()
        self.inbox.append(
            RawNotification(
                subscription="encounters", method="PUT", path="Encounter/x", content_type="", body=body
            )
        )

    def take_in(self, limit: int = 100) -> TakenIn:
        site = Site(record=self.record, base_url=BASE, zone=DENVER)
        return take_in(
            self.inbox, self.index, cast("FhirRecord", self.record), self.letters, self.clock,
            watermarks=self.marks, echoes=FakeEchoes(), catch_up=lambda _: None,
            tell=lambda raw: tell(raw, self.senders, site, self.clock.now()),
            pathways=[PathwayId("after-discharge")], base_url=BASE, limit=limit,
        )  # fmt: skip

    def all(self, kind: str) -> list[dict]:
        return [dict(r) for r in self.record.everything() if r["resourceType"] == kind]


@pytest.fixture
def house() -> House:
    return House()


def test_a_discharge_message_tells_the_record_and_wakes_the_person(house):
    house.posts(davinci("discharge"))
    done = house.take_in()

    [patient] = house.all("Patient")
    assert (done.taken, done.woken, done.parked, done.later) == (1, 1, 0, 0)
    assert house.index.people() == {Reference(f"Patient/{patient['id']}")}
    assert house.all("Encounter")[0]["status"] == "finished"
    assert house.inbox.size() == 0
    assert house.marks.get("heard:sender general-hospital") == house.clock.now().isoformat()


STAY = [("A04", "planned"), ("A01", "in-progress"), ("A02", "in-progress"), ("A03", "finished"), ("A13", "in-progress"),
        ("A08", "finished"), ("A11", "cancelled")]  # fmt: skip


def test_the_published_messages_tell_the_story_of_one_stay(house):
    stay: dict = {}
    for event, status in STAY:
        house.sends(adt_file(event))
        assert house.take_in().parked == 0
        [stay] = house.all("Encounter")
        assert stay["status"] == status, event
    assert len(house.all("Patient")) == 1
    assert [past["status"] for past in stay["statusHistory"]] == [
        "planned", "in-progress", "finished", "in-progress", "finished"
    ]  # fmt: skip


def test_the_published_merge_links_two_patients_and_wakes_both(house):
    for number in ("12345", "56789"):
        house.record.put(
            {"resourceType": "Patient", "id": number, "identifier": [{"system": MRN, "value": number}]}
        )
    house.sends(adt_file("A40"), CLINIC)
    house.take_in()

    assert house.index.people() == {Reference("Patient/12345"), Reference("Patient/56789")}
    old = house.record.read(Reference("Patient/56789"))
    assert (old["active"], old["link"][0]["other"]["reference"]) == (False, "Patient/12345")


def test_messages_are_looked_at_in_order_and_each_changes_what_the_one_before_said(house):
    for number, event in enumerate(["A01", "A03", "A13"]):
        house.sends(an_adt(event, control_id=str(number), at=f"2026030614{number:02}00-0700"))
    house.take_in()

    [stay] = house.all("Encounter")
    assert (stay["status"], "end" in stay["period"]) == ("in-progress", False)


SERIES = [
    ("A01", ""),
    ("A02", ""),
    ("A03", "20260306100000-0700"),
    ("A13", ""),
    ("A03", "20260306120000-0700"),
    ("A11", ""),
]
LATEST = ["in-progress", "in-progress", "finished", "in-progress", "finished", "cancelled"]


@given(st.lists(st.integers(0, len(SERIES) - 1), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_whatever_order_and_however_often_messages_come_the_last_one_said_counts(numbers):
    """By when they were sent; those in between may be missing."""
    house = House()
    for number in numbers:
        event, ended = SERIES[number]
        house.sends(an_adt(event, control_id=str(number), at=f"202603061{number}3000-0700", ended=ended))
        house.take_in()

    [stay] = house.all("Encounter")
    last = max(numbers)
    assert stay["status"] == LATEST[last]
    if LATEST[last] == "finished":
        assert stay["period"]["end"] == f"2026-03-06T{10 if last == 2 else 12}:00:00-07:00"
    elif LATEST[last] == "in-progress":
        assert "end" not in stay["period"]
    assert len(house.all("Patient")) == 1


def test_a_message_that_cannot_be_understood_any_more_is_parked_and_its_neighbours_go_on(house):
    house.senders.pop("clinic")
    house.sends(adt_file("A40"), CLINIC)
    house.posts(a_message())
    house.notifies("Patient/somebody")
    done = house.take_in()

    assert (done.parked, done.woken) == (1, 2)
    [letter] = house.letters
    assert letter.reason == (
        "The sender of this message is no longer listed in senders.yaml. List it again, then retry."
    )
    assert unpacked(letter.body).body == adt_file("A40")
    assert house.inbox.size() == 0


def test_a_message_about_nobody_certain_is_parked_with_what_to_do(house):
    for number in ("4711", "815"):
        house.record.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": number}]})
    house.sends(an_adt(mrn="4711^^^GHH^MR~815^^^GHH^MR"))

    assert house.take_in().parked == 1
    assert house.letters.reasons()[0].startswith(
        "The identifiers of the Patient in this message belong to several Patients of the record."
    )


def test_while_the_record_is_down_messages_wait_and_notifications_that_need_nothing_go_on(house):
    def down(_):
        raise RecordUnavailable("down")

    house.record.faults = Faults(before=down)
    house.posts(a_message())
    house.sends(an_adt())
    house.notifies("Patient/somebody")
    done = house.take_in()

    assert (done.later, done.parked, done.woken) == (2, 0, 1)
    assert house.inbox.size() == 2
    house.record.faults = Faults()
    house.inbox.leave_behind()
    assert house.take_in().woken == 1
    assert len(house.all("Patient")) == 1


def test_what_the_record_refuses_is_parked_with_its_status(house):
    def refuses(_):
        raise RecordRefused("POST Patient: no (422).", status=422)

    house.record.faults = Faults(before=refuses)
    house.posts(a_message())

    assert house.take_in().parked == 1
    assert house.letters.reasons() == [
        (
            "The record server refused what this message tells (HTTP 422). Check what Throughline's account may write and"
            " which profiles the server enforces, then retry."
        )
    ]


def test_a_fault_of_ours_parks_one_message_with_its_kind_and_never_its_text(house, monkeypatch):
    def breaks(*_):
        raise ValueError("SECRET")

    monkeypatch.setattr("service.flow.upsert.read_raw", breaks)
    house.posts(a_message())
    house.notifies("Patient/somebody")

    assert house.take_in().parked == 1
    assert house.letters.reasons() == [
        "Throughline itself failed on this notification (ValueError). Report it with this letter's id, then retry."
    ]
    assert house.index.people() == {Reference("Patient/somebody")}


def test_where_nobody_may_send_messages_what_came_all_the_same_is_parked(house):
    house.posts(a_message())
    nobody = partial(
        take_in, house.inbox, house.index, cast("FhirRecord", house.record), house.letters, house.clock,
        watermarks=house.marks, echoes=FakeEchoes(), catch_up=lambda _: None, pathways=[], base_url=BASE, limit=9,
    )  # fmt: skip

    assert nobody().parked == 1
