"""The record as it was: answers like a record, and cannot be written."""

import pytest

from service.adapters.past_record import PastRecord
from service.domain.vocabulary import Reference
from service.ports import NotInRecord, RecordRefused, Search
from tests.plans import new

STAY = {
    "resourceType": "Encounter",
    "id": "stay",
    "meta": {"versionId": "4", "lastUpdated": "2026-03-06T10:00:00Z"},
    "status": "finished",
    "subject": {"reference": "Patient/ana"},
}
RECORD = PastRecord([STAY], gone=[Reference("Encounter/gone")])


def test_a_resource_is_read_as_it_was_with_its_version():
    assert RECORD.read(Reference("Encounter/stay")) == STAY


@pytest.mark.parametrize(("reference", "deleted"), [("Encounter/gone", True), ("Encounter/never", False)])
def test_what_was_not_there_says_whether_it_had_been_deleted(reference, deleted):
    with pytest.raises(NotInRecord) as told:
        RECORD.read(Reference(reference))

    assert told.value.deleted is deleted


def test_searches_choose_as_a_server_does():
    mine, others = (
        Search(kind="Encounter", params=(("patient", f"Patient/{who}"),)) for who in ("ana", "ben")
    )

    assert RECORD.search_all([mine, others]) == [[STAY], []]


def test_the_past_cannot_be_written():
    write = new("follow-up", "Task", "a", status="requested")
    for act in (RECORD.create, RECORD.update, lambda each: RECORD.transact([each])):
        with pytest.raises(RecordRefused, match="Task: the past cannot be written"):
            act(write)
