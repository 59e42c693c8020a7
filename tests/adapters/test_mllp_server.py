"""The MLLP server over real sockets: spoken to by an HL7 library's own client, and by those that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import hl7
import hl7.mllp
import pytest

from service.adapters.mllp_frames import Fault, framed
from service.adapters.mllp_server import Bounds, MllpServer, Reply, names_in
from service.adapters.mllp_tls import ServerTls
from tests.certificates import authority_with
from tests.processes import PATIENCE

ACK = b"MSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|"


class Answers:
    """Answers each message with its own words; remembers what came."""

    def __init__(self) -> None:
        self.came: list[bytes | Fault] = []
        self.asked = 0
        self.held: asyncio.Event | None = None
        self.shown: frozenset[str] = frozenset()
        """Names in the certificate of whoever sent the last one."""

    async def __call__(self, frame: bytes | Fault, shown: frozenset[str]) -> Reply:
        self.asked += 1
        self.shown = shown
        if self.held is not None:
            await self.held.wait()
        self.came.append(frame)
        if isinstance(frame, Fault):
            return Reply(frames=[b"MSH|broken"])
        return Reply(frames=[ACK + frame], hang_up=frame == b"bye")


Story = Callable[[MllpServer, Answers], Awaitable[None]]


def played(story: Story, *, tls: ssl.SSLContext | None = None, **bounds) -> Answers:
    async def play() -> Answers:
        answers = Answers()
        server = MllpServer(answers, Bounds(**bounds))
        await server.start("127.0.0.1", 0, tls)
        try:
            async with asyncio.timeout(PATIENCE):
                await story(server, answers)
        finally:
            await server.stop()
        assert server.connections == 0
        return answers

    return asyncio.run(play())


async def connected(server: MllpServer, **more):
    return await asyncio.open_connection("127.0.0.1", server.port, **more)


async def until(claim: Callable[[], object]) -> None:
    """Until it holds; the story as a whole has a limit."""
    while not claim():  # noqa: ASYNC110  (what is waited for is no event of ours)
        await asyncio.sleep(0.01)


async def answer(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readuntil(b"\x1c\r"))[1:-2]


def test_a_library_that_speaks_mllp_is_understood_and_understands():
    message = "MSH|^~\\&|A|B|C|D|20260306||ADT^A01|1|P|2.5.1\rPID|1||4711\r"

    async def story(server, _):
        reader, writer = await hl7.mllp.open_hl7_connection("127.0.0.1", server.port, encoding="utf-8")
        for _ in range(3):
            writer.writemessage(hl7.parse(message))
            await writer.drain()
            ack = await reader.readmessage()
            assert str(ack.segment("MSA")[1]) == "AA"
        writer.close()

    assert len(played(story).came) == 3


def test_messages_of_one_connection_are_answered_in_order_and_each_before_the_next():
    async def story(server, _):
        reader, writer = await connected(server)
        writer.write(b"".join(framed(str(n).encode()) for n in range(20)))
        assert [await answer(reader) for _ in range(20)] == [ACK + str(n).encode() for n in range(20)]
        writer.close()

    played(story)


def test_a_broken_frame_costs_no_neighbour():
    async def story(server, _):
        reader, writer = await connected(server)
        writer.write(b"junk\x0bhalf" + framed(b"good") + b"\x0b" + b"x" * 200 + framed(b"better"))
        told = [await answer(reader) for _ in range(4)]
        assert told == [b"MSH|broken", ACK + b"good", b"MSH|broken", ACK + b"better"]
        writer.close()

    assert played(story, message_bytes=100).came == [Fault.BROKEN_OFF, b"good", Fault.TOO_LONG, b"better"]


def test_a_message_that_is_never_ended_ends_its_connection_and_no_other():
    async def story(server, _):
        reader, writer = await connected(server)
        other_reader, other = await connected(server)
        writer.write(b"\x0bhalf")
        assert await answer(reader) == b"MSH|broken"
        assert await reader.read() == b""
        other.write(framed(b"good"))
        assert await answer(other_reader) == ACK + b"good"
        writer.close()
        other.close()

    played(story, frame_within=timedelta(milliseconds=200))


def test_a_message_that_comes_byte_by_byte_has_no_more_time_than_another():
    async def story(server, _):
        reader, writer = await connected(server)
        writer.write(b"\x0b")

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        assert await answer(reader) == b"MSH|broken"
        dripping.cancel()
        writer.close()

    played(story, frame_within=timedelta(milliseconds=300))


def test_a_connection_may_rest_between_messages():
    """No patience at all with a message that has begun, and for ever between two."""

    async def story(server, _):
        reader, writer = await connected(server)
        for _ in range(3):
            writer.write(framed(b"good"))
            assert await answer(reader) == ACK + b"good"
        writer.close()

    played(story, frame_within=timedelta(0))


def test_a_connection_that_ends_inside_a_message_is_noted():
    async def story(server, answers):
        _, writer = await connected(server)
        writer.write(b"\x0bhalf")
        await writer.drain()
        writer.close()
        await until(lambda: answers.came)

    assert played(story).came == [Fault.BROKEN_OFF]


def test_a_sender_that_does_not_read_its_answers_is_let_go():
    big = b"x" * 100_000

    async def story(server, _):
        _, writer = await connected(server, limit=1)
        writer.transport.pause_reading()
        try:
            for _ in range(1000):
                writer.write(framed(big))
                await writer.drain()
        except ConnectionError:
            return
        await until(lambda: not server.connections)

    played(story, answer_within=timedelta(milliseconds=200))


def test_an_answer_that_hangs_up_ends_the_connection():
    async def story(server, _):
        reader, writer = await connected(server)
        writer.write(framed(b"bye") + framed(b"more"))
        assert await answer(reader) == ACK + b"bye"
        assert await reader.read() == b""
        writer.close()

    assert played(story).came == [b"bye"]


def test_stopping_finishes_the_message_in_hand():
    async def story(server, answers):
        answers.held = asyncio.Event()
        reader, writer = await connected(server)
        writer.write(framed(b"in hand"))
        await until(lambda: answers.asked)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        answers.held.set()
        assert await answer(reader) == ACK + b"in hand"
        await stopping
        writer.close()

    assert played(story).came == [b"in hand"]


def test_when_all_connections_are_taken_the_one_that_rested_longest_makes_room():
    """As dead ones do that a firewall has forgotten, or those of somebody who opens many and says nothing."""

    async def story(server, answers):
        idle = [await connected(server) for _ in range(3)]
        for at, (reader, writer) in enumerate(idle):
            writer.write(framed(b"%d" % at))
            await answer(reader)
        reader, writer = await connected(server)
        writer.write(framed(b"new"))
        assert await answer(reader) == ACK + b"new"
        assert await idle[0][0].read() == b""  # closed
        idle[1][1].write(framed(b"still here"))
        assert await answer(idle[1][0]) == ACK + b"still here"
        for _, each in (*idle, (reader, writer)):
            each.close()

    assert played(story, connections=3).came[-2:] == [b"new", b"still here"]


def test_a_message_under_way_is_never_cut_off_to_make_room():
    async def story(server, answers):
        answers.held = asyncio.Event()
        busy = [await connected(server) for _ in range(2)]
        busy[0][1].write(framed(b"being answered"))
        await until(lambda: answers.asked == 1)
        busy[1][1].write(framed(b"being sent")[:5])
        await asyncio.sleep(0.05)
        refused, unheard = await connected(server)
        with contextlib.suppress(ConnectionError):
            assert await refused.read() == b""
        unheard.close()
        answers.held.set()
        assert await answer(busy[0][0]) == ACK + b"being answered"
        busy[1][1].write(framed(b"being sent")[5:])
        assert await answer(busy[1][0]) == ACK + b"being sent"
        for _, each in busy:
            each.close()

    played(story, connections=2)


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """An authority, a server's certificate and a client's, made for this run."""
    return authority_with(tmp_path_factory.mktemp("tls"), "server", "client")


def client_tls(folder: Path, *, shows_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if shows_certificate:
        context.load_cert_chain(folder / "client.crt", folder / "client.key")
    return context


def server_tls(folder: Path, *, asks: bool) -> ssl.SSLContext:
    return ServerTls(
        folder / "server.crt", folder / "server.key", folder / "ca.crt" if asks else None
    ).context


def test_over_tls_the_server_shows_who_it_is(certificates):
    async def story(server, _):
        reader, writer = await connected(server, ssl=client_tls(certificates, shows_certificate=False))
        writer.write(framed(b"safe"))
        assert await answer(reader) == ACK + b"safe"
        writer.close()

    played(story, tls=server_tls(certificates, asks=False))


def test_where_clients_must_show_a_certificate_others_are_not_heard(certificates):
    async def story(server, _):
        reader, writer = await connected(server, ssl=client_tls(certificates, shows_certificate=True))
        writer.write(framed(b"known"))
        assert await answer(reader) == ACK + b"known"
        writer.close()
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await stranger(server)

    async def stranger(server):
        reader, writer = await connected(server, ssl=client_tls(certificates, shows_certificate=False))
        writer.write(framed(b"stranger"))
        try:
            await answer(reader)
        finally:
            writer.close()

    answers = played(story, tls=server_tls(certificates, asks=True))
    assert answers.came == [b"known"]
    assert answers.shown == {"CN:client", "DNS:client.example", "IP:127.0.0.1"}


def test_a_certificate_that_nobody_asked_for_and_nobody_checked_says_nothing(certificates):
    async def story(server, _):
        reader, writer = await connected(server, ssl=client_tls(certificates, shows_certificate=True))
        writer.write(framed(b"hello"))
        assert await answer(reader) == ACK + b"hello"
        writer.close()

    assert played(story, tls=server_tls(certificates, asks=False)).shown == frozenset()


def test_every_kind_of_name_in_a_certificate_is_told_as_it_is_listed():
    certificate = {
        "subject": ((("countryName", "US"),), (("commonName", "ADT Engine"),)),
        "subjectAltName": (
            ("DNS", "Engine.Hospital.Example"),
            ("URI", "urn:hospital:engine"),
            ("email", "it@hospital.example"),
            ("IP Address", "10.1.2.3"),
        ),
    }
    assert names_in(certificate) == {
        "CN:ADT Engine", "DNS:engine.hospital.example", "URI:urn:hospital:engine", "email:it@hospital.example", "IP:10.1.2.3",
    }  # fmt: skip
    assert names_in(None) == names_in({}) == frozenset()


def test_words_in_clear_to_a_server_with_tls_reach_nobody(certificates):
    async def story(server, _):
        reader, writer = await connected(server)
        writer.write(framed(b"clear"))
        with contextlib.suppress(ConnectionError):
            assert b"MSA" not in await reader.read()
        writer.close()

    assert played(story, tls=server_tls(certificates, asks=False)).came == []
