"""The mapping agrees with the HL7 v2-to-FHIR guide's own sheets, row by row; what is left out is left out on purpose."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from service.fhir.hl7v2 import tables
from service.fhir.hl7v2.adt import read_adt
from service.fhir.hl7v2.adt_events import EVENTS, status_of
from service.fhir.hl7v2.header import Refused
from tests.messages import DENVER, HL7V2, SENDERS, an_adt

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
LEFT_OUT = {
    "PV1": {
        38: "diet says nothing to follow-up",
        40: "the state of a bed is not about the person",
        53: "episodes of care are kept by the record",
        54: "episodes of care are kept by the record",
    },
    "PID": {
        6: "the mother's maiden name is a security question, not needed for follow-up",
        12: "county codes are deprecated in favour of PID-11.9, which is taken",
        17: "religion is not needed for follow-up",
        21: "makes a RelatedPerson, which messages do not bring",
        23: "birth place is not needed for follow-up",
        26: "citizenship is not needed for follow-up",
        27: "the guide has no element for it",
        28: "nationality is not needed for follow-up",
        31: "the guide has no element for it",
        35: "about animals",
        36: "about animals",
        39: "tribal citizenship is not needed for follow-up",
    },
    "DG1": {
        16: "who made a diagnosis is not who answers for follow-up",
        22: "the guide itself is not settled about parent diagnoses",
    },
}
VALUES = {
    "PV1": {
        2: "I", 3: "W^1^2", 4: "E", 5: "P1^^^GHH", 6: "W^1^3", 7: "1^A^B^^^^^^GHH", 8: "2^A^B^^^^^^GHH", 9: "3^A^B^^^^^^GHH",
        10: "SUR", 11: "W^1^4", 13: "R", 14: "7", 15: "A0", 16: "VIP", 17: "4^A^B^^^^^^GHH", 19: "V1^^^GHHVISIT", 36: "01",
        37: "HOME", 42: "W^1^5", 44: "20260301", 45: "20260306", 50: "A1^^^GHHVISIT", 52: "5^A^B^^^^^^GHH",
    },
    "PID": {
        2: "1^^^GHH", 3: "2^^^GHH^MR", 4: "3^^^GHH", 5: "Lovelace^Ada", 7: "19900101", 8: "F", 9: "Byron^Ada", 11: "1 Main St^^Denver",
        13: "555-1", 14: "555-2", 15: "en", 16: "S", 19: "999", 20: "D1", 24: "N", 25: "2", 29: "20260306", 30: "Y", 40: "555-3",
    },
    "DG1": {3: "F33.2^Depression^I10C", 4: "Depression", 5: "20260301", 6: "A", 15: "1", 19: "20260302", 20: "D1^X", 21: "D"},
}  # fmt: skip


def sheet(name: str) -> Iterator[tuple[int, str]]:
    """(field, FHIR attribute) of each row that has one."""
    rows = csv.reader((HL7V2 / "guide" / name).read_text(encoding="utf-8").splitlines())
    for row in rows:
        segment, _, number = row[1].partition("-")
        if number.isdigit() and segment in LEFT_OUT and row[9].strip():
            yield int(number), row[9]


def read(segment: str, fields: dict[int, str]) -> str:
    if segment == "DG1":
        line = "DG1|" + "|".join(fields.get(n, "") for n in range(1, max(fields, default=1) + 1))
        data = an_adt("A01", more=(line,))
    else:
        changes: dict[str, Any] = {segment.lower(): fields}
        data = an_adt("A03" if 45 in fields else "A01", **changes)
    try:
        [message] = read_adt(data, senders=SENDERS, now=NOW)
    except Refused as refusal:
        return refusal.says
    return repr((message.patient, message.entries))


@pytest.mark.parametrize(
    ("segment", "name"),
    [("PV1", "PV1-Encounter.csv"), ("PID", "PID-Patient.csv"), ("DG1", "DG1-Condition.csv")],
)
def test_every_field_that_the_guide_maps_has_an_effect_or_a_reason_why_not(segment, name):
    mapped = {number for number, _ in sheet(name)}
    known = {20} if segment == "PID" else set()  # driver's licence: see below
    assert mapped - known - LEFT_OUT[segment].keys() <= VALUES[segment].keys()
    base = {3: "F33.2"} if segment == "DG1" else {}
    for number in sorted(mapped - LEFT_OUT[segment].keys() - known):
        assert read(segment, base | {number: VALUES[segment][number]}) != read(
            segment, base | {number: ""}
        ), number
    for number in LEFT_OUT[segment]:
        assert read(segment, base | {number: "Y"}) == read(segment, base | {number: ""}), number


def test_a_driver_s_licence_is_no_number_of_a_patient():
    assert read("PID", {20: "D1^US"}) == read("PID", {20: ""})


def test_every_event_of_the_guide_s_table_says_what_the_table_says():
    found = tables.event_status()

    assert set(found) == {"A01", "A02", "A03", "A04", "A05", "A08", "A11", "A13"}
    assert set(found) <= EVENTS
    for event, target in found.items():
        assert status_of(event) == (None if target.code == "unknown" else target.code)


@pytest.mark.parametrize("code", list("EIOPRBCNU"))
def test_every_patient_class_of_the_guide_becomes_its_encounter_class(code):
    [message] = read_adt(an_adt("A01", pv1={2: code}), senders=SENDERS, now=NOW)
    target = tables.patient_class()[code]

    assert message.entries[-1].resource["class"] == {
        "system": target.system,
        "code": target.code,
        "display": target.display,
    }
    assert message.entries[-1].if_new["status"] == tables.patient_class_status()[code].code


def test_services_and_admission_types_of_the_guide_become_its_codes():
    assert tables.hospital_service()["MED"].code == "382"
    [message] = read_adt(an_adt("A01", pv1={10: "MED", 4: "E"}), senders=SENDERS, now=NOW)
    stay = message.entries[-1].resource

    assert stay["serviceType"]["coding"][0]["code"] == "382"
    assert stay["type"][0]["coding"][0] == {
        "system": "http://terminology.hl7.org/CodeSystem/v2-0007",
        "code": "E",
        "display": "Emergency",
    }
