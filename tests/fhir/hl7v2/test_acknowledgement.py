"""What a sender of HL7 v2 hears: read back with an HL7 library, as its interface engine would."""

from __future__ import annotations

from datetime import datetime

import hl7
import pytest

from service.fhir.hl7v2.acknowledgement import acknowledgements, unreadable, wants_refusals
from service.fhir.hl7v2.header import Condition, Refused, is_acknowledgement, read_header
from service.fhir.hl7v2.parsed import parsed
from tests.messages import DENVER, adt_file, an_adt

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
MISSING = Refused(Condition.REQUIRED_FIELD, "PID-3 | is missing.", where="PID^1^3")
UNSUPPORTED = Refused(Condition.UNSUPPORTED_EVENT, "Not this one.", where="MSH^1^9", for_good=True)


def answers(data: bytes, refusal: Refused | None = None) -> list[hl7.Message]:
    message = parsed(data)
    told = acknowledgements(message, read_header(message), refusal, now=NOW, zone=DENVER)
    return [hl7.parse(each) for each in told]


def test_an_accepted_message_is_acknowledged_to_whom_it_came_from():
    [ack] = answers(adt_file("A03"))

    assert str(ack.segment("MSH")[3]) == "EHRApp^1.Edu^ISO"
    assert str(ack.segment("MSH")[4]) == "GHHRFacility^2.16.840.1.1122848.1.32^ISO"
    assert str(ack.segment("MSH")[5]) == "ADTApp"
    assert str(ack.segment("MSH")[6]) == "GHHSFacility^2.16.840.1.122848.1.30^ISO"
    assert str(ack.segment("MSH")[7]) == "20260306163000-0700"
    assert str(ack.segment("MSH")[9]) == "ACK^A03^ACK"
    assert (str(ack.segment("MSH")[11]), str(ack.segment("MSH")[12])) == ("P", "2.8")
    assert [str(field) for field in ack.segment("MSA")][1:] == ["AA", "MSG00001"]
    assert len(ack) == 2


def test_the_same_message_is_acknowledged_alike_by_the_same_id():
    [first], [second] = answers(an_adt(control_id="7")), answers(an_adt(control_id="7"))

    assert str(first) == str(second)
    assert str(first.segment("MSH")[10]) == "AA7"


def test_a_refusal_says_what_where_and_whether_it_is_for_good():
    [error] = answers(an_adt(), MISSING)
    assert str(error.segment("MSA")[1]) == "AE"
    assert [str(field) for field in error.segment("ERR")][1:] == [
        "", "PID^1^3", "101^Required field missing^HL70357", "E", "", "", "", "PID-3 \\F\\ is missing."
    ]  # fmt: skip

    [reject] = answers(an_adt(), UNSUPPORTED)
    assert str(reject.segment("MSA")[1]) == "AR"
    assert str(reject.segment("ERR")[3]) == "201^Unsupported event code^HL70357"


def test_what_cannot_be_read_is_rejected_without_repeating_it():
    [told] = acknowledgements(None, None, unreadable("This is no HL7 v2 message."), now=NOW, zone=DENVER)
    ack = hl7.parse(told)

    assert str(ack.segment("MSA")[1]) == "AR"
    assert str(ack.segment("MSH")[12]) == "2.5.1"


@pytest.mark.parametrize(
    ("accept", "apply", "accepted", "refused"),
    [
        ("", "", ["AA"], ["AE"]),
        ("AL", "NE", ["CA"], ["CE"]),
        ("AL", "AL", ["CA", "AA"], ["CE", "AE"]),
        ("NE", "AL", ["AA"], ["AE"]),
        ("ER", "NE", [], ["CE"]),
        ("SU", "", ["CA"], []),
        ("NE", "NE", [], []),
    ],
)
def test_enhanced_mode_is_answered_as_it_asks(accept, apply, accepted, refused):
    data = an_adt(msh={15: accept, 16: apply})

    assert [str(ack.segment("MSA")[1]) for ack in answers(data)] == accepted
    assert [str(ack.segment("MSA")[1]) for ack in answers(data, MISSING)] == refused
    assert wants_refusals(read_header(parsed(data))) == bool(refused)


def test_the_published_merge_asks_for_no_answer():
    assert answers(adt_file("A40")) == []


def test_an_acknowledgement_is_known_as_one():
    [ack] = answers(an_adt())

    assert is_acknowledgement(read_header(parsed(str(ack).encode())))
    assert not is_acknowledgement(read_header(parsed(an_adt())))


def test_words_of_the_message_cannot_add_segments_to_the_answer():
    data = an_adt(control_id="1\\X0D\\MSA\\F\\AA\\F\\2", msh={5: "A\\X0D\\B"})
    [ack] = answers(data)

    assert [str(segment[0]) for segment in ack] == ["MSH", "MSA"]
