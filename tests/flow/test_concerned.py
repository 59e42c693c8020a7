"""Whom a deletion concerns: a resource that began a pathway takes the pathway with it, so its person is looked at."""

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.notifications import ResourceChange
from service.fhir.systems import ENROLMENT
from service.flow.concerned import Concerned, Skip
from service.ports import RecordUnavailable
from tests.fakes import FakeEchoes, ManualClock

PATHWAYS = [PathwayId("after-crisis"), PathwayId("after-discharge")]
STAY = Reference("Encounter/stay")


class CountedRecord(InMemoryRecord):
    """Counts requests; can be down."""

    asked = 0
    down = False

    def _asked(self):
        self.asked += 1
        if self.down:
            raise RecordUnavailable("The record is down.")

    def read(self, reference):
        self._asked()
        return super().read(reference)

    def search_all(self, searches):
        self._asked()
        return super().search_all(searches)


@pytest.fixture
def record():
    return CountedRecord(ManualClock())


@pytest.fixture
def concerned(record):
    return Concerned(record, FakeEchoes(), pathways=PATHWAYS, base_url="https://record.example/fhir")


def enrolled(record, anchor=STAY, person="ana", pathway="after-discharge", times="", **more):
    record.put(
        {
            "resourceType": "CarePlan",
            "status": "active",
            "subject": {"reference": f"Patient/{person}"},
            "identifier": [{"system": ENROLMENT, "value": f"{pathway}/{anchor}{times}"}],
            **more,
        }
    )


def deleted(reference=STAY, **more):
    return ResourceChange(reference=reference, deleted=True, **more)


def test_what_began_a_pathway_and_is_deleted_concerns_whose_pathway_it_is(record, concerned):
    enrolled(record)
    assert concerned.people(deleted()) == ("Patient/ana",)
    assert record.asked == 1


def test_a_focus_that_the_server_says_is_gone_concerns_them_too(record, concerned):
    record.put({"resourceType": "Encounter", "id": "stay", "subject": {"reference": "Patient/ana"}})
    record.delete(STAY)
    enrolled(record)
    assert concerned.people(ResourceChange(reference=STAY)) == ("Patient/ana",)


def test_every_pathway_that_it_began_is_found_and_each_person_named_once(record, concerned):
    for pathway in PATHWAYS:
        enrolled(record, pathway=pathway)
    assert concerned.people(deleted()) == ("Patient/ana",)


def test_a_pathway_that_the_same_resource_began_again_is_found_by_its_first_time(record, concerned):
    enrolled(record, status="completed")
    enrolled(record, times="~2")
    assert concerned.people(deleted()) == ("Patient/ana",)


def test_what_began_no_pathway_concerns_nobody(record, concerned):
    enrolled(record, anchor=Reference("Encounter/other"))
    assert concerned.people(deleted()) is Skip.DELETED


def test_a_deletion_that_names_its_person_asks_nothing(record, concerned):
    assert concerned.people(deleted(person=Reference("Patient/ben"))) == ("Patient/ben",)
    assert record.asked == 0


def test_many_deletions_of_one_round_are_asked_for_together(record, concerned):
    changes = [deleted(Reference(f"Encounter/e{n}")) for n in range(40)]
    for n in range(0, 40, 2):
        enrolled(record, anchor=Reference(f"Encounter/e{n}"), person=f"p{n}")

    concerned.prepare(changes)
    found = [concerned.people(change) for change in changes]

    assert found == [(f"Patient/p{n}",) if n % 2 == 0 else Skip.DELETED for n in range(40)]
    assert record.asked == 1


def test_while_the_record_is_down_deletions_wait_without_each_asking(record, concerned):
    record.down = True
    changes = [deleted(), deleted(Reference("Encounter/e2")), ResourceChange(reference=Reference("Task/1"))]
    concerned.prepare(changes)
    for change in changes:
        with pytest.raises(RecordUnavailable):
            concerned.people(change)
    assert record.asked == 1
