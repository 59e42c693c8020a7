"""Da Vinci notifications: what is taken of them, and why others are refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from service.fhir.messages.bundle import read_bundle
from service.fhir.messages.content import Message, MessageRefused
from service.fhir.outcome import operation_outcome
from service.fhir.systems import REPORTED
from tests.builders import a_condition, an_appointment
from tests.fhir.r4 import check_r4
from tests.messages import DAVINCI, DENVER, MRN, SENDER, VISIT, a_message, davinci

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)


def read(bundle, **sender) -> Message:
    from dataclasses import replace

    return read_bundle(bundle, sender=replace(SENDER, **sender), now=NOW)


def refusals(bundle, **sender) -> list[str]:
    """`code where: says` of every issue."""
    with pytest.raises(MessageRefused) as refused:
        read(bundle, **sender)
    check_r4(operation_outcome(refused.value.issues))
    return [f"{i.code.value} {', '.join(i.expression)}: {i.says}" for i in refused.value.issues]


# --- the published examples


@pytest.mark.parametrize("event", ["admit", "transfer", "discharge"])
def test_every_published_admit_discharge_and_transfer_is_taken(event):
    message = read(davinci(event))

    assert message.event == f"notification-{event}"
    assert message.patient.keys[0] == ("http://example.org/fhir/mrn", "06e1f0dd-5fbe-4480-9bb4-6b54ec02d31b")
    assert [entry.kind for entry in message.entries] == [
        "Encounter", "Location", "Practitioner", "Organization", "Condition", "Coverage", "Organization"
    ]  # fmt: skip
    assert message.notes == ()


def test_a_social_security_number_finds_nobody():
    systems = {system for system, _ in read(davinci("discharge")).patient.keys}

    assert systems == {"http://example.org/fhir/mrn", "http://example.org/fhir/pid"}


def test_a_sender_may_say_which_numbers_say_who_a_person_is():
    message = read(davinci("discharge"), match_on=("http://example.org/fhir/pid",))

    assert [system for system, _ in message.patient.keys] == ["http://example.org/fhir/pid"]


@pytest.mark.parametrize(
    "name", ["adt-notification-provenance-01", "adt-notification-provenance-02", "notification-200-oo"]
)
def test_what_goes_with_a_message_is_none_by_itself(name):
    alone = json.loads((DAVINCI / f"{name}.json").read_text(encoding="utf-8"))

    assert refusals(alone) == [
        "structure Bundle.type: A message is a Bundle of type message whose first entry is a MessageHeader; this is something else."
    ]


SUBSCRIPTIONS = sorted((DAVINCI.parent / "notifications").glob("*/*.json"))


@pytest.mark.parametrize("path", SUBSCRIPTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_published_notification_of_a_subscription_is_refused_here(path):
    found = refusals(json.loads(path.read_text(encoding="utf-8")))

    assert found[0].startswith(
        ("structure Bundle.type", "not-supported Bundle.entry[0].resource.eventCoding")
    )


OTHERS = {
    "r4b/message-request-link": "not-supported Bundle.entry[0].resource.eventCoding",
    "r4b/message-response-link": "business-rule Bundle.entry[0].resource.response",
    "r4b/messageheader-example": "structure Bundle.type",
    "r5/message-request-link": "not-supported Bundle.entry[0].resource.eventCoding",
    "r5/message-response-link": "business-rule Bundle.entry[0].resource.response",
    "r5/messageheader-example": "structure Bundle.type",
}


@pytest.mark.parametrize("name", OTHERS)
def test_messages_of_the_specification_about_other_things_are_refused_for_what_they_are(name):
    path = DAVINCI.parent / "fhir-messages" / f"{name}.json"

    assert refusals(json.loads(path.read_text(encoding="utf-8")))[0].startswith(OTHERS[name])


# --- what is taken


def test_references_are_local_and_lead_nowhere_else():
    foreign = "https://elsewhere.example/fhir/Organization/9"
    bundle = a_message(
        encounter={
            "serviceProvider": {"reference": foreign, "display": "General Hospital"},
            "partOf": {"reference": foreign},
            "participant": [{"individual": {"reference": "Practitioner/77"}}],
        }
    )
    message = read(bundle)
    [stay] = message.entries

    assert stay.resource["subject"] == {"reference": message.patient.full_url}
    assert stay.resource["serviceProvider"] == {"display": "General Hospital"}
    assert "partOf" not in stay.resource
    assert "participant" not in stay.resource
    assert foreign not in json.dumps(stay.resource)


def test_relative_and_versioned_references_find_their_entry():
    bundle = a_message(encounter={"subject": {"reference": "Patient/ada/_history/3"}}, patient={"id": "ada"})
    message = read(bundle)

    assert message.entries[0].resource["subject"] == {"reference": message.patient.full_url}


def test_ids_versions_and_narratives_of_strangers_stay_outside_and_their_labels_come_along():
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    bundle = a_message(
        patient={
            "id": "x",
            "meta": {"versionId": "7", "security": [label], "profile": ["http://example.org/p"]},
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml"><script/></div>',
            },
        }
    )
    patient = read(bundle).patient.resource

    assert patient["meta"] == {"security": [label]}
    assert {"id", "text"} & patient.keys() == set()


def test_what_has_no_identifier_is_known_by_what_its_sender_calls_it():
    sick = a_condition("c9", subject={"reference": "urn:uuid:ada"}, meta=None)
    condition = read(a_message(others=(sick,))).entries[-1]

    assert condition.keys == ((REPORTED, "general-hospital/Condition/c9"),)
    assert condition.resource["identifier"] == [
        {"system": REPORTED, "value": "general-hospital/Condition/c9"}
    ]


def test_the_identity_is_the_same_however_often_it_is_sent():
    assert read(a_message()).identity == read(a_message()).identity == "general-hospital b1 h1"
    by_identifier = a_message(identifier={"system": "urn:x", "value": "m-1"})
    assert read(by_identifier).identity == "general-hospital urn:x|m-1 h1"


def test_the_time_it_was_sent_decides_its_order_unless_it_lies_ahead():
    sent = datetime(2026, 3, 6, 14, 5, tzinfo=DENVER)
    assert read(a_message()).sent_at == sent
    assert read(a_message(sent="2026-03-06T16:34:00-07:00")).sent_at == NOW + timedelta(minutes=4)
    assert read(a_message(sent="2029-01-01T00:00:00Z")).sent_at == NOW


def test_other_types_of_resources_are_left_out_with_a_note():
    there = an_appointment(participant=[{"status": "accepted"}], meta=None)

    message = read(a_message(others=(there,)))

    assert [entry.kind for entry in message.entries] == ["Encounter"]
    assert message.notes == ("resources of type Appointment are not taken from messages",)


def test_missing_must_support_elements_and_data_absent_reasons_are_no_fault():
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    bundle = a_message(
        patient={"name": None, "_birthDate": absent},
        encounter={"period": None, "reasonCode": None, "type": [{"text": "stay"}]},
        header={"sender": None},
    )

    assert read(bundle).entries[0].keys == ((VISIT, "V1"),)


# --- what is refused

REFUSED = {
    "no type message": (
        a_message(type="collection"),
        ["structure Bundle.type: A message is a Bundle of type message whose first entry is a MessageHeader; this is something else."],
    ),
    "no header first": (
        a_message(entry=[{"resource": {"resourceType": "Patient"}}]),
        ["structure Bundle.entry[0].resource: The first entry of a message is its MessageHeader."],
    ),
    "an empty Bundle": (
        a_message(entry=None),
        ["structure Bundle.entry[0].resource: The first entry of a message is its MessageHeader."],
    ),
    "no ids": (
        a_message(bundle_id=None, header_id=None),
        [
            "required Bundle.id: The message needs an id of its own: send Bundle.id (or Bundle.identifier), another one for each message.",
            "required Bundle.entry[0].resource.id: The MessageHeader needs an id: by it a message that is sent again is known not to be a second one.",
        ],
    ),
    "no timestamp": (
        a_message(sent="2026-03-06"),
        ["required Bundle.timestamp: Bundle.timestamp is missing or not an instant with a time zone: it says which of two messages is the newer."],
    ),
    "a response": (
        a_message(header={"response": {"identifier": "h0", "code": "ok"}}),
        ["business-rule Bundle.entry[0].resource.response: This is a response to a message. Notifications are not answered by messages; nothing was asked."],
    ),
    "another event": (
        a_message(event="referral"),
        [
            ("not-supported Bundle.entry[0].resource.eventCoding: This event is not taken here. What is taken:"
            " notification-admit, notification-discharge, notification-transfer of the Da Vinci notification-event codes.")
        ],
    ),
    "no source": (
        a_message(header={"source": None}),
        ["required Bundle.entry[0].resource.source.endpoint: MessageHeader.source.endpoint is missing: it says which system sends this."],
    ),
    "no focus": (
        a_message(header={"focus": None}),
        ["required Bundle.entry[0].resource.focus: MessageHeader.focus is missing: it names the Encounter that the notification is about."],
    ),
    "a focus outside": (
        a_message(header={"focus": [{"reference": "https://elsewhere.example/fhir/Encounter/1"}]}),
        [
            ("not-found Bundle.entry[0].resource.focus[0]: The focus of an admit, discharge or transfer is an Encounter in the same"
            " Bundle: put it there and refer to its fullUrl.")
        ],
    ),
    "a stay that goes on": (
        a_message(encounter={"status": "in-progress"}),
        [
            ("business-rule Bundle.entry[1].resource.status: This is a discharge notification, but its Encounter is not finished."
            " Send status finished, or the event that it is about.")
        ],
    ),
    "no record number": (
        a_message(patient={"identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-99-9999"}]}),
        [
            ("required Bundle.entry[2].resource.identifier: The Patient has no identifier by which the person can be found: send the"
            " medical record number with its system. Social security and similar numbers are not used for that.")
        ],
    ),
    "somebody else's stay": (
        a_message(encounter={"subject": {"reference": "https://elsewhere.example/fhir/Patient/1"}}),
        ["business-rule Bundle.entry[1].resource.subject: This is about somebody else than the Patient of the notification, or about nobody in the Bundle."],
    ),
    "two patients": (
        a_message(others=({"resourceType": "Patient", "identifier": [{"system": MRN, "value": "2"}]},)),
        ["business-rule Bundle.entry: A notification is about exactly one Patient, who is in the Bundle. Send one message for each person."],
    ),
    "no status, a bad date and a code of nowhere": (
        a_message(encounter={"status": "gone", "period": {"start": "2026-02-30"}}, patient={"gender": 7}, event="admit"),
        [
            "structure Bundle.entry[1].resource.period.start: This is not what R4 allows here: an element it does not have, or a value of another form.",
            "value Bundle.entry[1].resource.status: This is not a code of the value set that R4 requires here.",
            "structure Bundle.entry[2].resource.gender: This is not what R4 allows here: an element it does not have, or a value of another form.",
            "value Bundle.entry[2].resource.gender: This is not a code of the value set that R4 requires here.",
        ],
    ),
    "no class": (
        a_message(encounter={"class": None}),
        ["required Bundle.entry[1].resource.class: R4 requires this element here; it is missing."],
    ),
    "a modifier that nobody knows": (
        a_message(patient={"contact": [{"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}]}),
        [
            ("not-supported Bundle.entry[2].resource.contact[0].modifierExtension: This carries a modifierExtension or implicitRules that is"
            " not known here, and whoever does not know it must not use the resource.")
        ],
    ),
    "two entries of one name": (
        a_message(
            entry=[
                *a_message()["entry"],
                {"fullUrl": "urn:uuid:ada", "resource": {"resourceType": "Location", "status": "active"}},
            ]
        ),
        ["structure Bundle.entry.fullUrl: Two entries have the same fullUrl, so that it is not clear which one a reference means."],
    ),
    "entries with requests": (
        a_message(entry=[*a_message()["entry"][:-1], {**a_message()["entry"][-1], "request": {"method": "POST", "url": "x"}}]),
        ["structure Bundle.entry[2].request: Entries of a message hold resources only: leave out search, request and response."],
    ),
    "a thousand entries": (
        a_message(others=tuple({"resourceType": "Location", "id": f"l{n}"} for n in range(1000))),
        ["too-costly Bundle.entry: A notification about one person needs no more than 200 entries; this one was not stored."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_that_cannot_be_worked_on_is_refused_with_every_reason_and_its_place(name):
    bundle, reasons = REFUSED[name]

    assert refusals(bundle) == reasons


def test_a_sender_that_speaks_for_another_source_is_refused():
    assert refusals(a_message(), endpoints=frozenset({"https://other.example"})) == [
        (
            "forbidden Bundle.entry[0].resource.source.endpoint: This sender may not speak for that source:"
            " MessageHeader.source.endpoint is not one of those agreed with it."
        )
    ]


def test_no_refusal_repeats_what_the_message_says_of_a_person():
    bundle = a_message(patient={"birthDate": "SECRET", "gender": "SECRET", "name": "SECRET"})

    assert "SECRET" not in " ".join(refusals(bundle))
