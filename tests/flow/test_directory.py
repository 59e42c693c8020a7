"""The site's staff: read once in a while, never kept from a failure."""

from datetime import timedelta

import pytest

from service.domain.vocabulary import Reference
from service.flow.directory import KeptDirectory
from service.ports import RecordUnavailable


class Record:
    def __init__(self):
        self.asked = []
        self.is_down = False

    def search_all(self, searches):
        if self.is_down:
            raise RecordUnavailable("no answer")
        self.asked.append(searches)
        return [[{"resourceType": search.kind, "id": str(len(self.asked))}] for search in searches]


class Time:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def directory(record, time):
    return KeptDirectory(
        record,
        [("s", "coordinator")],
        also=[Reference("Practitioner/boss")],
        keep=timedelta(seconds=15),
        monotonic=time,
    )


def test_staff_and_single_people_are_read_together(directory):
    assert [r["resourceType"] for r in directory.people()] == ["PractitionerRole", "Practitioner"]


def test_they_are_read_again_when_they_have_been_kept_long_enough(directory, record, time):
    directory.people()
    time.now = 14.9
    directory.people()
    assert len(record.asked) == 1
    time.now = 15.0
    assert directory.people()[0]["id"] == "2"


def test_a_failure_goes_up_and_is_not_kept(directory, record):
    record.is_down = True
    with pytest.raises(RecordUnavailable):
        directory.people()
    record.is_down = False
    assert directory.people()
