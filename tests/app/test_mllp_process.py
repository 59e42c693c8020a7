"""`throughline mllp` and `throughline senders` as an operator meets them, wrong settings included."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from dataclasses import replace
from datetime import timedelta

import hl7
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from service.adapters.mllp_frames import Fault, framed
from service.adapters.mllp_server import Bounds, MllpServer
from service.adapters.mllp_tls import ServerTls
from service.adapters.tracing import Tracing
from service.app.heartbeat import Heartbeat
from service.app.mllp_process import Hl7v2Door, MllpMetrics, beat_until, inbox_answers
from service.app.operations_port import Operations
from service.app.senders import sender_token
from service.ports import InboxUnavailable
from tests.app.test_cli import throughline
from tests.certificates import authority_with
from tests.fakes import FakeInbox, FakeMessageInbox, ManualClock
from tests.messages import SENDERS, an_adt
from tests.processes import PATIENCE

YAML = """senders:
  a: {accepts: [fhir-messages, hl7v2], application: ADTApp, facility: GHHSFacility}
  b: {accepts: [fhir-messages]}
"""
KEY = "a long random text of a test"


@pytest.fixture
def mappings(tmp_path):
    (tmp_path / "senders.yaml").write_text(YAML, encoding="utf-8")
    return {"THROUGHLINE_MAPPINGS_DIR": str(tmp_path), "THROUGHLINE_REDIS_URL": "redis://127.0.0.1:1/0"}


# --- the door


class Door:
    def __init__(
        self, inbox: FakeInbox | None = None, tracing: Tracing | None = None, senders=SENDERS
    ) -> None:
        self.inbox = FakeMessageInbox(inbox or FakeInbox())
        self.registry = CollectorRegistry()
        self.door = Hl7v2Door(
            senders=senders,
            inbox=self.inbox,
            clock=ManualClock(),
            metrics=MllpMetrics(self.registry),
            tracing=tracing or Tracing(),
        )

    def answers(self, frame: bytes | Fault) -> list[str]:
        reply = asyncio.run(self.door.answer(frame))
        return [str(hl7.parse(each).segment("MSA")[1]) for each in reply.frames]


def test_what_comes_is_answered_stored_and_counted_without_a_word_about_anybody(caplog):
    door = Door()
    with caplog.at_level(logging.DEBUG):
        told = [door.answers(f) for f in (an_adt(), b"hello", Fault.TOO_LONG, Fault.BROKEN_OFF)]
    counted = generate_latest(door.registry).decode()

    assert told == [["AA"], ["AR"], ["AR"], ["AR"]]
    assert len(door.inbox.stored) == 1
    assert 'throughline_hl7v2_messages_total{outcome="stored",sender="general-hospital"} 1.0' in counted
    assert 'throughline_hl7v2_messages_total{outcome="too-large",sender="unknown"} 1.0' in counted
    for secret in ("Lovelace", "4711"):
        assert secret not in caplog.text + counted


def test_a_fault_of_ours_is_an_error_and_the_sender_keeps_its_message(monkeypatch, caplog):
    def breaks(*_: object, **__: object) -> None:
        raise ValueError("SECRET")

    monkeypatch.setattr("service.flow.receive_hl7v2.messages_of", breaks)
    door = Door()

    assert door.answers(an_adt()) == ["AE"]
    assert door.inbox.stored == []
    assert "SECRET" not in caplog.text


def test_work_on_what_came_continues_the_trace_of_its_taking():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    door = Door(tracing=Tracing(provider.get_tracer("test")))
    door.answers(an_adt())

    [span], [raw] = exporter.get_finished_spans(), door.inbox.stored
    assert dict(span.attributes or {}) == {
        "throughline.sender": "general-hospital",
        "throughline.outcome": "stored",
    }
    assert raw.headers["traceparent"].split("-")[1:3] == [
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
    ]


# --- its life


class Waiting:
    """An inbox, and how often it was asked before it answers."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    async def size(self) -> int:
        self.refusals -= 1
        if self.refusals >= 0:
            raise InboxUnavailable("the inbox does not answer")
        return 0


def test_it_beats_also_while_redis_is_away_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("service.app.mllp_process.BEAT_EVERY", timedelta(0))
    said: list[str] = []

    class Told(Heartbeat):
        def _say(self, state: str) -> None:
            said.append(state)
            super()._say(state)
            if len(said) == 3:
                stopped.set()

    stopped = asyncio.Event()
    asyncio.run(beat_until(stopped, Told(tmp_path / "beat"), Waiting(2)))

    assert said == ["waiting for Redis", "waiting for Redis", "ready"]
    assert (tmp_path / "beat").read_text() == "ready\n"


def test_it_is_ready_when_the_inbox_answers():
    async def asked(refusals: int) -> str:
        operations = Operations(
            registry=CollectorRegistry(),
            heartbeat=Heartbeat(),
            dependencies=(inbox_answers(Waiting(refusals)),),
        )
        status, _, _ = await asyncio.to_thread(operations.answer, "/readyz")
        return status

    assert asyncio.run(asked(0)).startswith("200")
    assert asyncio.run(asked(1)).startswith("503")


# --- the commands


def test_without_a_sender_of_hl7_nothing_is_started(tmp_path):
    shown = throughline(
        "mllp", THROUGHLINE_MAPPINGS_DIR=str(tmp_path), THROUGHLINE_REDIS_URL="redis://127.0.0.1:1/0"
    )

    assert shown.exit_code == 6
    assert "Nobody may send HL7 v2: list a sender with `accepts: [hl7v2]` in senders.yaml" in shown.output


def test_half_of_tls_is_told(mappings):
    shown = throughline("mllp", THROUGHLINE_MLLP_TLS_KEY="/nowhere", **mappings)

    assert shown.exit_code == 3
    assert (
        "TLS needs THROUGHLINE_MLLP_TLS_CERTIFICATE and THROUGHLINE_MLLP_TLS_KEY: set both, or neither."
        in shown.output
    )


def test_files_for_tls_that_cannot_be_used_are_told(mappings, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    empty = str(tmp_path / "empty.pem")
    shown = throughline(
        "mllp", THROUGHLINE_MLLP_TLS_KEY=empty, THROUGHLINE_MLLP_TLS_CERTIFICATE=empty, **mappings
    )

    assert shown.exit_code == 3
    assert "The files for TLS cannot be used" in shown.output


def test_certificates_that_nobody_would_check_keep_it_from_starting(mappings, tmp_path):
    bound = YAML.replace("facility: GHHSFacility", "facility: GHHSFacility, certificates: ['CN:engine']")
    (tmp_path / "senders.yaml").write_text(bound, encoding="utf-8")
    shown = throughline("mllp", **mappings)

    assert shown.exit_code == 3
    assert "THROUGHLINE_MLLP_TLS_CLIENT_CA is not set: nobody's certificate would be looked at" in " ".join(
        shown.output.split()
    )
    assert "CN:engine" in throughline("senders", **mappings).output


def test_over_a_real_line_each_certificate_speaks_for_its_own_sender_only(tmp_path):
    """Two clients of one authority, both trusted with the line; one takes the name of the other."""
    folder = authority_with(tmp_path, "server", "engine", "clinic")
    door = Door(senders=[replace(SENDERS[0], certificates=frozenset({"DNS:engine.example"}))])

    async def says(server: MllpServer, who: str) -> str:
        tls = ssl.create_default_context(cafile=folder / "ca.crt")
        tls.load_cert_chain(folder / f"{who}.crt", folder / f"{who}.key")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
        writer.write(framed(an_adt()))
        answer = await reader.readuntil(b"\x1c\r")
        writer.close()
        return str(hl7.parse(answer[1:-2]).segment("MSA")[1])

    async def story() -> list[str]:
        server = MllpServer(door.door.answer, Bounds())
        tls = ServerTls(folder / "server.crt", folder / "server.key", folder / "ca.crt")
        await server.start("127.0.0.1", 0, tls.context)
        async with asyncio.timeout(PATIENCE):
            found = [await says(server, who) for who in ("clinic", "engine")]
        await server.stop()
        return found

    assert asyncio.run(story()) == ["AR", "AA"]
    assert len(door.inbox.stored) == 1


def test_mistakes_in_the_list_of_senders_are_told_with_their_place(tmp_path):
    (tmp_path / "senders.yaml").write_text("senders:\n  a: {accepts: telex}\n", encoding="utf-8")
    shown = throughline("senders", THROUGHLINE_MAPPINGS_DIR=str(tmp_path))

    assert shown.exit_code == 6
    assert "senders.yaml:2:16" in shown.output


def test_senders_are_listed_and_their_tokens_only_when_asked_for(mappings):
    shown = throughline("senders", **mappings)
    assert "ADTApp | GHHSFacility" in shown.output
    assert sender_token(KEY.encode(), "a") not in shown.output

    narrow = throughline("senders", "--tokens", THROUGHLINE_SECRET_KEY=KEY, **mappings | {"COLUMNS": "40"})
    assert f"a: {sender_token(KEY.encode(), 'a')}" in narrow.output.splitlines()

    told = throughline("senders", "--tokens", "--json", THROUGHLINE_SECRET_KEY=KEY, **mappings)
    rows = json.loads(told.output)
    assert [(row["name"], row["accepts"]) for row in rows] == [
        ("a", ["fhir-messages", "hl7v2"]),
        ("b", ["fhir-messages"]),
    ]
    assert rows[0]["token"] == sender_token(KEY.encode(), "a")


def test_tokens_need_the_key_and_no_senders_is_no_mistake(mappings, tmp_path):
    shown = throughline("senders", "--tokens", **mappings)
    assert (shown.exit_code, "THROUGHLINE_SECRET_KEY is missing" in shown.output) == (3, True)

    (tmp_path / "senders.yaml").unlink()
    empty = throughline("senders", **mappings)
    assert empty.exit_code == 0
    assert "Nobody may send messages: list them in senders.yaml" in empty.output
