"""What the staff's resources say is worked out once, and again as soon as one of them is read anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.fhir.read import read_person
from tests.builders import a_patient, a_practitioner, a_practitioner_role
from tests.fhir.decisions import NOW, PERSON
from tests.fhir.read.reading import COORDINATOR, SUPERVISOR, a_catalogue

TESS = a_practitioner("tess", "Tess", "Moreau")
TESS_COORDINATES = a_practitioner_role("coordinator", "Practitioner/tess", COORDINATOR)


@pytest.fixture
def catalogue():
    """One site's, which lives as long as its worker; TESS and her role have been read before."""
    made = a_catalogue()
    assert staff(made, TESS, TESS_COORDINATES) == [("Tess Moreau", {COORDINATOR})]
    return made


def staff(catalogue, *resources, now=NOW):
    read = read_person([a_patient(), *resources], person=PERSON, catalogue=catalogue, now=now)
    return [(holder.display, set(holder.roles)) for holder in read.roster.directory]


def test_the_same_resources_say_the_same_to_the_next_person_who_is_looked_at(catalogue):
    assert staff(catalogue, TESS, TESS_COORDINATES) == [("Tess Moreau", {COORDINATOR})]


def test_a_role_that_changed_counts_as_it_is_now(catalogue):
    supervises = a_practitioner_role("coordinator", "Practitioner/tess", SUPERVISOR)

    assert staff(catalogue, TESS, supervises) == [("Tess Moreau", {SUPERVISOR})]


def test_a_name_that_changed_is_the_one_that_is_told(catalogue):
    renamed = a_practitioner("tess", "Tess", "Okafor")

    assert staff(catalogue, renamed, TESS_COORDINATES) == [("Tess Okafor", {COORDINATOR})]


def test_whoever_has_left_is_not_asked_and_whoever_returns_is(catalogue):
    assert staff(catalogue, {**TESS, "active": False}, TESS_COORDINATES) == []
    assert staff(catalogue, TESS, TESS_COORDINATES) == [("Tess Moreau", {COORDINATOR})]


def test_a_practitioner_who_could_not_be_read_before_has_a_name_afterwards():
    catalogue = a_catalogue()
    assert staff(catalogue, TESS_COORDINATES) == [("PractitionerRole/coordinator", {COORDINATOR})]

    assert staff(catalogue, TESS, TESS_COORDINATES) == [("Tess Moreau", {COORDINATOR})]


def test_leave_is_asked_of_the_clock_each_time(catalogue):
    away = {"during": {"start": "2026-03-01", "end": NOW.date().isoformat()}}
    on_leave = {**TESS_COORDINATES, "notAvailable": [away]}

    assert staff(catalogue, TESS, on_leave) == []
    assert staff(catalogue, TESS, on_leave, now=NOW + timedelta(days=1)) == [("Tess Moreau", {COORDINATOR})]
