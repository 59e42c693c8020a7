"""The door for HL7 v2: an acknowledgement says "accepted" only when the message is stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import hl7
import pytest

from service.fhir.notification_answers import Outcome
from service.flow.receive_hl7v2 import Answered, answer_frame, broken_off, failed, open_frame, too_long
from tests.fakes import FakeInbox, FakeMessageInbox
from tests.messages import DENVER, SENDERS, adt_file, an_adt

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)


ENGINE = frozenset({"CN:engine", "DNS:engine.example"})
BOUND = [replace(each, certificates=frozenset({"DNS:engine.example"})) for each in SENDERS[:1]]


def shows(shown: frozenset[str], body: bytes, senders) -> tuple[list[str], list[bytes]]:
    """What is answered to somebody who shows a certificate with these names, and what is stored."""
    inbox = FakeMessageInbox()
    answered = asyncio.run(answer_frame(open_frame(body, senders, NOW, shown), inbox, now=NOW, zone=DENVER))
    return told(answered), [each.body for each in inbox.stored]


def test_a_certificate_that_is_listed_speaks_for_its_sender():
    said, stored = shows(ENGINE, an_adt(), BOUND)
    assert (said, stored) == (["AA 1"], [an_adt()])


@pytest.mark.parametrize("shown", [frozenset(), frozenset({"CN:engine"}), frozenset({"DNS:other.example"})])
def test_without_a_certificate_that_is_listed_nobody_takes_a_senders_name(shown):
    said, stored = shows(shown, an_adt(), BOUND)
    assert (said[0].split()[0], stored) == ("AR", [])
    assert "does not speak for this sending application and facility" in said[0]


def test_a_certificate_that_is_listed_for_somebody_speaks_for_nobody_else():
    others = [
        replace(BOUND[0], name="other", application="Other"),
        replace(SENDERS[0], certificates=frozenset()),
    ]
    said, stored = shows(ENGINE, an_adt(), others)
    assert (said[0].split()[0], stored) == ("AR", [])


def test_a_sender_that_wants_no_answer_gets_nothing_stored_under_a_name_that_is_not_its_own():
    never = adt_file("A40")  # asks for no answer
    assert shows(frozenset({"CN:other"}), never, BOUND) == ([], [])


def sent(body: bytes, inbox: FakeMessageInbox | None = None) -> Answered:
    opened = open_frame(body, SENDERS, NOW)
    return asyncio.run(answer_frame(opened, inbox or FakeMessageInbox(), now=NOW, zone=DENVER))


def told(answered: Answered) -> list[str]:
    """MSA-1, MSA-2 and MSA-3 of each answer."""
    found = (hl7.parse(each).segment("MSA") for each in answered.frames)
    return [" ".join(str(field) for field in msa[1:]) for msa in found]


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A04", "A08", "A11", "A13"])
def test_every_published_example_is_stored_as_it_came_and_acknowledged(event):
    inbox = FakeMessageInbox()
    answered = sent(adt_file(event), inbox)

    assert (told(answered), answered.outcome, answered.sender) == (
        ["AA MSG00001"],
        Outcome.STORED,
        "general-hospital",
    )
    [stored] = inbox.stored
    assert (stored.path, stored.content_type) == ("$mllp", "x-application/hl7-v2+er7")
    assert stored.body == adt_file(event)


def test_the_published_merge_is_stored_and_as_it_asks_not_answered():
    inbox = FakeMessageInbox()

    assert told(sent(adt_file("A40"), inbox)) == []
    assert len(inbox.stored) == 1


def test_sent_again_it_is_acknowledged_alike_and_stored_once():
    inbox = FakeMessageInbox()
    first, second = sent(an_adt(), inbox), sent(an_adt(), inbox)

    assert first.frames == second.frames
    assert second.outcome is Outcome.KNOWN
    assert len(inbox.stored) == 1


def test_a_control_id_that_is_used_again_for_something_else_loses_nothing():
    """As in the published examples, which all carry MSG00001."""
    inbox = FakeMessageInbox()
    for event in ("A01", "A02", "A03"):
        assert told(sent(adt_file(event), inbox)) == ["AA MSG00001"]
    assert len(inbox.stored) == 3


def test_what_cannot_be_stored_is_an_error_and_the_sender_keeps_it():
    answered = sent(an_adt(), FakeMessageInbox(FakeInbox(fails=True)))

    assert told(answered) == ["AE 1 The message could not be stored. Keep it and send it again."]
    assert not answered.hang_up


def test_a_sender_that_wants_no_answer_loses_its_connection_when_its_message_could_not_be_stored():
    silent = an_adt(msh={15: "NE", 16: "NE"})

    assert sent(silent, FakeMessageInbox(FakeInbox(fails=True))).hang_up
    assert not sent(silent).hang_up


def test_a_refused_message_is_not_stored_unless_nobody_would_hear_of_it():
    inbox = FakeMessageInbox()
    assert told(sent(an_adt(without=("PV1",)), inbox)) == [
        "AE 1 There is no PV1 segment: this event is about a stay."
    ]
    assert inbox.stored == []

    sent(an_adt(without=("PV1",), msh={15: "NE", 16: "NE"}), inbox)
    assert len(inbox.stored) == 1


def test_a_stranger_is_rejected_and_nothing_of_theirs_is_stored():
    inbox = FakeMessageInbox()
    answered = sent(an_adt(msh={3: "X", 15: "NE", 16: "NE"}), inbox)

    assert (answered.sender, answered.outcome, inbox.stored) == ("unknown", Outcome.REFUSED, [])
    assert told(sent(an_adt(msh={3: "X"}), inbox))[0].startswith("AR 1 This sending application and facility")


def test_an_acknowledgement_is_never_acknowledged():
    [ack] = sent(an_adt()).frames

    assert sent(ack).frames == ()


def test_what_is_no_message_is_rejected():
    assert told(sent(b"hello")) == [
        "AR  This is no HL7 v2 message: it does not begin with MSH. Send each message by itself, without batch segments."
    ]


def test_frames_without_end_and_faults_of_ours_are_told():
    here: dict[str, Any] = {"now": NOW, "zone": DENVER}

    assert told(too_long(1_000_000, **here)) == ["AR  The message is longer than 1 MB; it was not stored."]
    assert told(broken_off(**here)) == [
        "AR  The frame has no end (0x1C 0x0D), or another one began inside it; it was not stored."
    ]
    opened = open_frame(an_adt(), SENDERS, NOW)
    assert told(failed(opened, **here)) == [
        "AE 1 Throughline failed on this message; it was not stored. Keep it, send it again, and report it if it stays so."
    ]
