"""The sweep: who is due is claimed and rung for, once."""

from datetime import timedelta

import pytest

from service.domain.vocabulary import Reference
from service.flow.sweep import sweep
from tests.fakes import HOUSE_NOW, FakeDoorbell, FakeWorkIndex

ANA, BEN, CAM = Reference("Patient/ana"), Reference("Patient/ben"), Reference("Patient/cam")


@pytest.fixture
def index():
    index = FakeWorkIndex()
    index.wake([ANA, BEN], HOUSE_NOW)
    index.wake([CAM], HOUSE_NOW + timedelta(hours=1))
    return index


def rung_for(bell):
    return sorted(claim.person for claim in bell.people)


def test_everybody_due_is_rung_for_once_and_nobody_else(index):
    bell = FakeDoorbell()
    assert sweep(index, bell, HOUSE_NOW, 10) == 2
    assert sweep(index, bell, HOUSE_NOW, 10) == 0
    assert rung_for(bell) == [ANA, BEN]


def test_time_brings_the_rest(index):
    bell = FakeDoorbell()
    sweep(index, bell, HOUSE_NOW + timedelta(hours=1), 10)
    assert rung_for(bell) == [ANA, BEN, CAM]


def test_no_more_than_the_limit_are_claimed(index):
    assert sweep(index, FakeDoorbell(), HOUSE_NOW, 1) == 1


def test_a_bell_that_fails_is_told_and_nobody_is_lost(index):
    with pytest.raises(ConnectionError):
        sweep(index, FakeDoorbell(fails=True), HOUSE_NOW, 10)
    index.lose_claims()
    bell = FakeDoorbell()
    sweep(index, bell, HOUSE_NOW, 10)
    assert rung_for(bell) == [ANA, BEN]
