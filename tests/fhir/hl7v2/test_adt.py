"""ADT messages: what each says of a person and a stay, and what real senders may do to them on the way."""

from __future__ import annotations

from datetime import datetime

import pytest

from service.fhir.hl7v2.adt import read_adt
from service.fhir.hl7v2.header import Refused
from service.fhir.hl7v2.parsed import Unreadable
from service.fhir.messages.content import Message
from service.fhir.systems import ASSIGNER, REPORTED
from tests.builders import Json
from tests.fhir.r4 import check_r4
from tests.messages import CLINIC, DENVER, MRN, SENDER, SENDERS, VISIT, adt_file, an_adt

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
EXAMPLES = ("A01", "A02", "A03", "A04", "A08", "A11", "A13", "A40")


def read(data: bytes, *, senders=SENDERS) -> Message:
    [message] = read_adt(data, senders=senders, now=NOW)
    return message


def stay(data: bytes) -> Json:
    return dict(next(entry.resource for entry in read(data).entries if entry.kind == "Encounter"))


# --- the published examples


@pytest.mark.parametrize("event", EXAMPLES)
def test_every_published_example_is_taken_and_is_valid_r4(event):
    message = read(adt_file(event))

    assert message.event == f"ADT^{event}"
    for entry in (message.patient, *message.entries):
        check_r4({**entry.if_new, **entry.resource})


STATUSES = {
    "A01": "in-progress", "A02": "in-progress", "A03": "finished", "A04": "planned", "A08": "finished",
    "A11": "cancelled", "A13": "in-progress",
}  # fmt: skip


@pytest.mark.parametrize("event", STATUSES)
def test_the_events_of_the_published_examples_say_how_the_stay_stands(event):
    """MSH-9 is the trigger of record: EVN-1 says A01 in all of them. The A08 carries a discharge time."""
    found = stay(adt_file(event))

    assert found["status"] == STATUSES[event]
    assert ("end" in found["period"]) == (event in {"A03", "A08"})
    assert found["identifier"][0]["value"] == "40007716"


def test_the_published_merge_names_who_stays_and_who_is_replaced():
    message = read(adt_file("A40"))

    assert message.patient.keys == ((MRN, "12345"),)
    assert message.replaced == ((MRN, "56789"),)
    assert message.entries == ()


def test_access_restrictions_of_the_published_admission_become_labels():
    message = read(adt_file("A01"))

    def labels(entry):
        return [label["code"] for label in entry.resource.get("meta", {}).get("security", [])]

    assert labels(message.patient) == ["R", "DEM"]
    assert labels(message.entries[-1]) == ["R", "LOC"]


# --- what is survived


def doubled(data: bytes) -> bytes:
    return data.replace(b"\\", b"\\\\")


def without_segment(name: bytes):
    def cut(data: bytes) -> bytes:
        return b"\n".join(line for line in data.split(b"\n") if not line.startswith(name))

    return cut


def changed(name: bytes, number: int, value: bytes):
    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        for position, line in enumerate(lines):
            if line.startswith(name):
                fields = line.split(b"|")
                fields[number] = value
                lines[position] = b"|".join(fields)
        return b"\n".join(lines)

    return change


QUIRKS = {
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "CR": lambda data: data.replace(b"\n", b"\r"),
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "LF": lambda data: data,
    "blank lines": lambda data: b"\n\n" + data.replace(b"\n", b"\n\n") + b"\n\n",
    "backslashes doubled": doubled,
    "MSH-9 without structure": changed(b"MSH", 8, b"ADT^A03"),
    "no EVN": without_segment(b"EVN"),
    "PV1-1 empty": changed(b"PV1", 1, b""),
    "trailing spaces": lambda data: data.replace(b"\n", b"   \n"),
    "a quote left behind": lambda data: data + b'\r"\r',
    "ISO 8859-1": lambda data: data.replace(b"EVERYMAN", b"M\xfcLLER"),
}


@pytest.mark.parametrize("quirk", QUIRKS)
@pytest.mark.parametrize("event", EXAMPLES)
def test_every_published_example_is_understood_alike_whatever_was_done_to_it_on_the_way(event, quirk):
    bent = QUIRKS[quirk](adt_file(event))
    if quirk == "MSH-9 without structure":
        bent = bent.replace(b"ADT^A03", f"ADT^{event}".encode(), 1)
    message, straight = read(bent), read(adt_file(event))

    assert message.event == straight.event
    assert message.patient.keys == straight.patient.keys
    assert message.replaced == straight.replaced
    assert [entry.keys for entry in message.entries] == [entry.keys for entry in straight.entries]
    if message.entries and quirk != "no EVN":
        assert message.entries[-1].resource == straight.entries[-1].resource


def test_characters_beyond_ascii_are_read_in_the_set_they_are_in():
    def family(data: bytes) -> str:
        return read(data).patient.resource["name"][0]["family"]

    for codec, said in (("utf-8", "UNICODE UTF-8"), ("latin-1", ""), ("iso8859_2", "8859/2")):
        data = an_adt(pid={5: "Müller^Ada"}, msh={18: said}).decode().encode(codec)
        assert family(data) == "Müller"


def test_a_site_s_own_patient_class_stays_and_none_is_unknown():
    assert stay(an_adt(pv1={2: "ff"}))["class"] == {
        "system": "http://terminology.hl7.org/CodeSystem/v2-0004",
        "code": "ff",
    }
    message = read(an_adt(pv1={2: ""}))
    assert "class" not in message.entries[-1].resource
    assert message.entries[-1].if_new["class"]["code"] == "UNK"


def test_a_disposition_that_is_free_text_is_kept_as_it_is():
    assert stay(an_adt(pv1={36: "Sent home, 2 days"}))["hospitalization"]["dischargeDisposition"] == {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0112", "code": "Sent home, 2 days"}]
    }


def test_times_that_lie_ahead_say_nothing_about_order():
    """In the published messages EVN-2 is of 2029: the time of MSH-7 counts."""
    assert read(adt_file("A03")).sent_at == datetime.fromisoformat("1989-08-18T11:26:00+02:15")
    assert read(an_adt(at="20990101")).sent_at == NOW


def test_times_without_an_offset_are_those_of_the_sender():
    assert stay(an_adt(pv1={44: "20260301090000"}))["period"]["start"] == "2026-03-01T09:00:00-07:00"
    assert stay(an_adt(pv1={44: "20260301"}))["period"]["start"] == "2026-03-01"


def test_escape_sequences_are_what_they_stand_for_and_cannot_grow():
    text = "A\\T\\B \\X41\\\\X4\\ \\.sp99999999\\C \\Zunknown\\D"

    assert read(an_adt(pid={5: text})).patient.resource["name"][0]["family"] == "A&B A C D"


def test_the_null_of_hl7_is_no_value():
    patient = read(an_adt(pid={8: '""', 11: '""'})).patient.resource

    assert {"gender", "address"} & patient.keys() == set()


# --- what the events mean


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("A01", "in-progress"),
        ("A02", "in-progress"),
        ("A03", "finished"),
        ("A04", "planned"),
        ("A05", "planned"),
        ("A06", "in-progress"),
        ("A07", "in-progress"),
        ("A08", None),
        ("A11", "cancelled"),
        ("A12", "in-progress"),
        ("A13", "in-progress"),
        ("A38", "cancelled"),
    ],
)
def test_an_event_says_how_the_stay_stands_or_nothing(event, status):
    assert stay(an_adt(event, pv1={2: "O"})).get("status") == status


def test_an_arrival_in_the_emergency_department_registered_as_an_outpatient_is_in_progress():
    assert stay(an_adt("A04", pv1={2: "E"}))["status"] == "in-progress"
    assert stay(an_adt("A04", pv1={2: "E", 44: ""}))["status"] == "planned"


def test_an_update_with_a_discharge_time_tells_of_the_discharge():
    found = stay(an_adt("A08", ended="20260306140000-0700"))

    assert (found["status"], found["period"]["end"]) == ("finished", "2026-03-06T14:00:00-07:00")


def test_a_discharge_without_a_time_ended_when_it_happened():
    assert stay(an_adt("A03"))["period"]["end"] == "2026-03-06T14:05:00-07:00"
    occurred = an_adt("A03").replace(
        b"EVN||20260306140500-0700", b"EVN||20260306140500-0700||||20260306133000-0700"
    )
    assert stay(occurred)["period"]["end"] == "2026-03-06T13:30:00-07:00"


def test_a_cancelled_discharge_takes_back_the_end_and_where_to():
    entry = read(an_adt("A13")).entries[-1]

    assert entry.removes == {
        "period.end",
        "hospitalization.dischargeDisposition",
        "hospitalization.destination",
    }


def test_person_information_is_about_no_stay():
    assert read(an_adt("A31")).entries == ()
    assert read(an_adt("A08", without=("PV1",))).entries == ()


def test_a_death_is_told_and_taken_back():
    assert read(an_adt(pid={29: "20260306"})).patient.resource["deceasedDateTime"] == "2026-03-06"
    assert read(an_adt(pid={30: "Y"})).patient.resource["deceasedBoolean"] is True
    assert read(an_adt(pid={30: "N"})).patient.resource["deceasedBoolean"] is False
    assert "deceasedDateTime" in read(an_adt(pid={29: '""'})).patient.removes


def test_a_merge_of_several_people_is_one_message_each():
    second = ("MRG|815^^^GHH^MR", "PID|2||4712^^^GHH^MR||Byron^Anne", "MRG|816^^^GHH^MR")
    messages = read_adt(an_adt("A40", more=second), senders=SENDERS, now=NOW)

    assert [(m.patient.keys, m.replaced) for m in messages] == [
        (((MRN, "4711"),), ((MRN, "815"),)),
        (((MRN, "4712"),), ((MRN, "816"),)),
    ]
    assert len({m.identity for m in messages}) == 2


# --- what the parts mean


def test_identifiers_have_the_systems_that_the_site_knows():
    message = read(an_adt(mrn="4711^^^GHH^MR~9^^^OTHER&1.2.3&ISO^PI~8^^^LAB^PI"))

    assert message.patient.keys == (
        (MRN, "4711"),
        ("urn:oid:1.2.3", "9"),
        (f"{ASSIGNER}/general-hospital/LAB", "8"),
    )
    assert message.entries[-1].keys == ((VISIT, "V1"),)


def test_a_stay_without_number_is_known_by_its_alternate_number_or_its_beginning():
    assert read(an_adt(visit="", pv1={50: "X9^^^GHHVISIT"})).entries[-1].keys == ((VISIT, "X9"),)
    [(system, value)] = read(an_adt(visit="")).entries[-1].keys
    assert (system, value.startswith("general-hospital/Encounter/4711 2026-03-01T09:00:00-07:00")) == (
        REPORTED,
        True,
    )


def test_diagnoses_are_conditions_of_the_stay_and_a_withdrawn_one_was_an_error():
    more = ("DG1|1||F33.2^Major depression^I10C||20260302|A", "DG1|2||X^^L||||||||||||||||||D", "DG1|3")
    message = read(an_adt(more=more))
    first, second = (entry.resource for entry in message.entries if entry.kind == "Condition")

    assert first["code"]["coding"] == [
        {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2", "display": "Major depression"}
    ]
    assert first["encounter"]["reference"] == message.entries[-1].full_url
    assert second["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in second
    assert [use["use"]["coding"][0]["code"] for use in message.entries[-1].resource["diagnosis"][:1]] == ["A"]


def test_the_reason_of_the_admission_comes_along():
    found = stay(an_adt(more=("PV2|||F32.9^Depression^I10C",)))

    assert found["reasonCode"][0]["coding"][0]["code"] == "F32.9"


def test_staff_without_a_number_are_named_and_nobody_is_made_up():
    message = read(an_adt(pv1={7: "^Hill^Ann", 17: "77^Moss^Kim^^^^^^GHH"}))
    attending, admitting = message.entries[-1].resource["participant"]

    assert attending["individual"] == {"display": "Ann Hill"}
    assert admitting["individual"]["display"] == "Kim Moss"
    assert [entry.keys for entry in message.entries if entry.kind == "Practitioner"] == [((MRN, "77"),)]


def test_the_service_of_a_psychiatric_ward_is_there_for_a_site_to_map():
    assert stay(an_adt(pv1={10: "PSY"}))["serviceType"]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0069", "code": "PSY"}
    ]


# --- what is refused


def refusal(data: bytes, **more) -> str:
    with pytest.raises(Refused) as refused:
        read(data, **more)
    problem = refused.value
    return (
        f"{'AR' if problem.for_good else 'AE'} {problem.condition.value[0]} {problem.where}: {problem.says}"
    )


TAKEN = "A01, A02, A03, A04, A05, A06, A07, A08, A11, A12, A13, A28, A31, A38, A40"
REFUSED = {
    "another sender": (
        an_adt(msh={4: "ELSEWHERE"}),
        "AR 204 MSH^1^3: This sending application and facility (MSH-3, MSH-4) may not send here. Ask the site to list them in senders.yaml.",
    ),
    "no control id": (
        an_adt(control_id=""),
        "AE 101 MSH^1^10: MSH-10 is missing: by it a message that is sent again is known not to be a second one.",
    ),
    "an order": (an_adt(msh={9: "ORM^O01"}), "AR 200 MSH^1^9: Only ADT messages are taken here."),
    "another event": (an_adt("A17"), f"AR 201 MSH^1^9: This event is not taken here. What is taken: {TAKEN}."),
    "a deletion": (an_adt("A23"), f"AR 201 MSH^1^9: This event is not taken here. What is taken: {TAKEN}."),
    "a test": (
        an_adt(msh={11: "T"}),
        "AR 202 MSH^1^11: This processing id (MSH-11) is not taken from this sender: tests and training must not reach the record of care.",
    ),
    "version 3": (
        an_adt(msh={12: "3.0"}),
        "AR 203 MSH^1^12: This version (MSH-12) is not taken here: send HL7 v2.1 to v2.9.",
    ),
    "nobody": (an_adt(without=("PID",)), "AE 100 PID: There is no PID segment: an ADT message is about a person."),
    "no record number": (
        an_adt(mrn="999-99-9999^^^USSSA^SS"),
        ("AE 101 PID^1^3: PID-3 has no number by which the person can be found: send the medical record number with its assigning"
        " authority. Social security and similar numbers are not used for that."),
    ),
    "no stay": (
        an_adt("A03", without=("PV1",)),
        "AE 100 PV1: There is no PV1 segment: this event is about a stay.",
    ),
    "a stay that cannot be told from others": (
        an_adt("A03", visit="", pv1={44: ""}),
        "AE 101 PV1^1^19: PV1-19 is missing, and so is the admit time (PV1-44): the stay cannot be told from others. Send the visit number.",
    ),
    "a merge of nobody": (
        an_adt("A40"),
        "AE 101 MRG^1^1: MRG-1 is missing or names nobody: it says which record was merged into the one of PID-3.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_that_cannot_be_taken_is_refused_with_reason_and_place(name):
    data, says = REFUSED[name]

    assert refusal(data) == says


def test_a_feed_that_is_meant_for_tests_may_be_taken():
    from dataclasses import replace

    trial = replace(SENDER, processing=frozenset({"P", "T"}))
    assert read(an_adt(msh={11: "T"}), senders=(trial, CLINIC)).event == "ADT^A03"


UNREADABLE = {
    "empty": (b"", "it does not begin with MSH"),
    "JSON": (b'{"resourceType": "Bundle"}', "it does not begin with MSH"),
    "a batch": (b"BHS|^~\\&|\r" + an_adt(), "it does not begin with MSH"),
    "two messages": (an_adt() + b"\r" + an_adt(control_id="2"), "several MSH segments"),
    "MSH alone": (b"MSH", "do not name the delimiters"),
    "the same sign twice": (b"MSH|^^\\&|a|b", "do not name the delimiters"),
    "letters as signs": (b"MSHxabcdx", "do not name the delimiters"),
    "a million bars": (an_adt() + b"\rPV2" + b"|" * 1_000_000, "more than 50000 fields"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_bytes_that_are_no_message_are_told_as_such(name):
    data, says = UNREADABLE[name]

    with pytest.raises(Unreadable, match=says):
        read(data)


def test_no_reason_repeats_the_message():
    for data, _ in REFUSED.values():
        assert "Lovelace" not in refusal(data)
