"""Whose something is, is put right in the record: the notifications name one of two people, and both are looked after."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.references import identifier_values
from tests.faults.town import Town, shipped

RIGHT, WRONG = Reference("Patient/right"), Reference("Patient/wrong")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture
def town() -> Town:
    """A stay that ended, told of and settled under the wrong person."""
    found = Town(library=shipped)
    for person in (RIGHT, WRONG):
        found.record.put({"resourceType": "Patient", "id": person.partition("/")[2]})
    end = found.clock.now()
    found.record.put(
        {
            "resourceType": "Encounter",
            "id": "stay",
            "status": "finished",
            "class": {"system": ACT, "code": "IMP"},
            "subject": {"reference": WRONG},
            "period": {"start": (end - timedelta(days=5)).isoformat(), "end": end.isoformat()},
            "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2"}]}],
        }
    )
    found.settle()
    assert whose(found.record) == {WRONG}
    return found


def whose(record: InMemoryRecord) -> set[str]:
    """Whose our plans and Tasks are."""
    ours = (systems.ENROLMENT, systems.ESCALATION, systems.FOLLOW_UP)
    return {
        (each.get("subject") or each["for"])["reference"]
        for each in record.everything()
        if each["resourceType"] in {"CarePlan", "Task"} and any(identifier_values(each, s) for s in ours)
    }


def test_a_stay_of_the_wrong_person_is_corrected_and_only_the_right_one_is_escalated_for(town) -> None:
    stay = town.record.read(Reference("Encounter/stay"))
    town.record.put({**stay, "subject": {"reference": RIGHT}})
    town.settle()

    assert whose(town.record) == {RIGHT}
    assert (RIGHT in town.index.due, WRONG in town.index.due) == (True, False)
    assert town.letters.list() == []
    due = town.next_due()
    assert due is not None
    town.clock.at = due
    town.settle()
    assert whose(town.record) == {RIGHT}


def test_a_merge_and_its_end_are_heard_of_one_patient_at_a_time(town) -> None:
    """As a registrar saves one record and then the other; the worker looks after each."""
    wrong, right = (dict(town.record.read(each)) for each in (WRONG, RIGHT))
    town.record.put({**wrong, "link": [{"type": "replaced-by", "other": {"reference": RIGHT}}]})
    town.settle()
    town.record.put({**right, "link": [{"type": "replaces", "other": {"reference": WRONG}}]})
    town.settle()
    assert whose(town.record) == {RIGHT}

    town.record.put(right)
    town.settle()
    town.record.put(wrong)
    town.settle()
    assert whose(town.record) == {WRONG}
    assert (RIGHT in town.index.due, WRONG in town.index.due) == (False, True)
    assert town.letters.list() == []
