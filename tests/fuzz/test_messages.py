"""Whatever comes in as a message is answered in its own terms, harms no neighbour and ends: thousands of bent ones."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any, cast

import hl7
import httpx
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.adapters.memory_record import InMemoryRecord
from service.adapters.mllp_frames import END, START, Fault, framed
from service.adapters.mllp_server import Bounds, MllpServer, Reply
from service.app.web import Messages, create_app
from service.domain.vocabulary import Reference
from service.fhir.hl7v2.adt import read_adt
from service.fhir.hl7v2.header import Refused
from service.fhir.hl7v2.parsed import Unreadable
from service.fhir.messages.content import Message
from service.fhir.messages.raw import raw_bundle, raw_hl7v2
from service.fhir.messages.structure import resource_issues
from service.flow.receive import Limits
from service.flow.receive_hl7v2 import answer_frame, open_frame
from service.flow.receive_message import Trusted
from service.flow.take_in import take_in
from service.flow.upsert import Site, tell
from service.ports import FhirRecord, RawNotification
from tests.fakes import (
    FakeAsyncInbox,
    FakeDeadLetters,
    FakeEchoes,
    FakeInbox,
    FakeMessageInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)
from tests.fuzz.cases import share, tried
from tests.fuzz.mutations import bundles, hl7v2
from tests.messages import DENVER, SENDER, SENDERS, a_message, an_adt
from tests.processes import PATIENCE

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
GOOD = json.dumps(a_message(bundle_id="good", header_id="good")).encode()
HEADERS = {"authorization": "Bearer s3cret", "content-type": "application/fhir+json"}


def understood(data: bytes) -> tuple[Message, ...]:
    try:
        return read_adt(data, senders=SENDERS, now=NOW)
    except (Refused, Unreadable):
        return ()


@given(hl7v2())
@share(30)
def test_hl7_that_is_bent_is_understood_or_refused_and_nothing_else(data):
    tried["HL7 v2 read"] += 1
    for message in understood(data):
        assert message.patient.keys
        assert message.sent_at <= NOW or (message.sent_at - NOW).total_seconds() <= 300
        for entry in (message.patient, *message.entries):
            assert entry.keys
            assert entry.full_url.startswith("urn:uuid:")


@given(hl7v2())
@share(4)
def test_hl7_that_is_understood_becomes_valid_r4(data):
    tried["HL7 v2 as R4"] += 1
    for message in understood(data):
        for entry in (message.patient, *message.entries):
            resource = {**entry.if_new, **entry.resource}
            assert [issue.expression for issue in resource_issues(resource, entry.kind)] == []


@given(hl7v2())
@share(16)
def test_hl7_is_answered_by_an_acknowledgement_that_can_be_read(data):
    tried["HL7 v2 answered"] += 1
    inbox = FakeMessageInbox()
    answered = asyncio.run(answer_frame(open_frame(data, SENDERS, NOW), inbox, now=NOW, zone=DENVER))
    for frame in answered.frames:
        assert bytes([START]) not in frame
        assert bytes([END]) not in frame
        ack = hl7.parse(frame)
        assert str(ack.segment("MSA")[1]) in {"AA", "AE", "AR", "CA", "CE", "CR"}
        assert [str(segment[0]) for segment in ack] in (["MSH", "MSA"], ["MSH", "MSA", "ERR"])
    accepted = any(b"MSA|AA" in frame or b"MSA|CA" in frame for frame in answered.frames)
    assert accepted <= len(inbox.stored)  # accepted is stored


# --- the line


class Wire:
    """The writing half of a connection that goes nowhere."""

    def __init__(self) -> None:
        self.sent = b""

    def get_extra_info(self, _name: str) -> None:
        return

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        return


NOISE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"\x0b",
            b"\x1c",
            b"\r",
            b"\x1c\r",
            b"\x0bhalf",
            b"\x0b" + b"x" * 300,
            b"\x0b\x1c",
            b"GET / HTTP/1.1\r\n",
        ]
    ),
)
PIECES = st.lists(st.tuples(NOISE, st.booleans()), max_size=8)


@given(PIECES, st.integers(1, 50))
@share(40)
def test_on_a_line_full_of_noise_every_whole_message_is_answered_in_order(pieces, size):
    """A message is sent between pieces of noise; each ends what came before, as a sender's next frame does."""
    tried["MLLP lines"] += 1
    messages = [f"message {number}".encode() for number, (_, sends) in enumerate(pieces) if sends]
    waiting = iter(messages)
    data = b"".join(noise + (framed(next(waiting)) if sends else b"") for noise, sends in pieces)

    async def answer(frame: bytes | Fault, _shown: frozenset[str]) -> Reply:
        return Reply(frames=[b"!" if isinstance(frame, Fault) else b">" + frame])

    async def talk() -> bytes:
        server, wire = MllpServer(answer, Bounds(message_bytes=200)), Wire()
        reader = asyncio.StreamReader()
        for place in range(0, len(data), size):
            reader.feed_data(data[place : place + size])
        reader.feed_eof()
        async with asyncio.timeout(PATIENCE):
            await server._talk(reader, cast("asyncio.StreamWriter", wire))
        return wire.sent

    answers = [each for each in asyncio.run(talk()).split(b"\x1c\r") if each.startswith(b"\x0b>message")]
    assert [each[2:] for each in answers] == messages


# --- FHIR messages


class Door:
    """The web application on fakes."""

    def __init__(self) -> None:
        self.inbox = FakeMessageInbox()
        self.app = create_app(
            watches={},
            inbox=FakeAsyncInbox(),
            messages=Messages(
                trusted=[Trusted(sender=SENDER, tokens=("s3cret",))], inbox=self.inbox, clock=ManualClock()
            ),
            limits=Limits(),
            registry=CollectorRegistry(),
        )

    async def post(self, body: bytes) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://throughline.test") as client:
            return await client.post("/fhir/$process-message", content=body, headers=HEADERS)


@given(bundles())
@share(6)
def test_a_bent_message_is_never_our_fault_and_its_neighbour_is_stored(body):
    tried["FHIR messages posted"] += 1
    door = Door()

    async def story() -> tuple[httpx.Response, httpx.Response]:
        return await door.post(body), await door.post(GOOD)

    bent, good = asyncio.run(story())
    assert bent.status_code in {200, 400, 403, 409, 415, 422}
    assert bent.json()["resourceType"] == "OperationOutcome"
    assert bent.json()["issue"]
    assert good.status_code == 200
    assert GOOD in [stored.body for stored in door.inbox.stored]
    assert len(door.inbox.stored) == (2 if bent.status_code == 200 and body != GOOD else 1)


# --- taken in


RAW = st.one_of(
    hl7v2().map(lambda body: raw_hl7v2(body, SENDER)), bundles().map(lambda body: raw_bundle(body, SENDER))
)


@given(st.lists(RAW, max_size=3), st.lists(RAW, max_size=2))
@share(4)
def test_whatever_lies_in_the_inbox_is_told_to_the_record_or_parked_and_its_neighbours_go_on(before, after):
    tried["inboxes taken in"] += 1
    clock = ManualClock()
    record, inbox, index, letters = InMemoryRecord(clock), FakeInbox(), FakeWorkIndex(), FakeDeadLetters()
    good = raw_hl7v2(an_adt("A03", mrn="neighbour^^^GHH^MR", visit="N1^^^GHHVISIT"), SENDER)
    entries: list[RawNotification] = [*before, good, *after]
    for raw in entries:
        inbox.append(raw)
    site = Site(record=record, base_url="https://record.example/fhir", zone=DENVER)
    senders = {each.name: each for each in SENDERS}
    done = take_in(
        inbox, index, cast("FhirRecord", record), letters, clock, watermarks=FakeWatermarks(), echoes=FakeEchoes(),
        catch_up=lambda _: None, tell=lambda raw: tell(raw, senders, site, clock.now()), pathways=[],
        base_url="https://record.example/fhir", limit=100,
    )  # fmt: skip

    assert (done.taken, done.later, inbox.size()) == (len(entries), 0, 0)
    assert not [reason for reason in letters.reasons() if "Throughline itself failed" in reason]
    assert _patient_of(record, "neighbour") in index.people()


def _patient_of(record: InMemoryRecord, number: str) -> Reference:
    numbers: dict[Any, Any] = {
        identifier["value"]: resource["id"]
        for resource in record.everything()
        if resource["resourceType"] == "Patient"
        for identifier in resource["identifier"]
    }
    return Reference(f"Patient/{numbers[number]}")
