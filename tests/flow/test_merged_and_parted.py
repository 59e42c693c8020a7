"""People are merged and parted in every order, and stays carried about: work stands once, under whom it is about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.references import identifier_values
from tests.flow.two_records import NEW, NEWEST, OLD, Hospital, loaded_library

STAY = "Encounter/stay"


@pytest.fixture(scope="module")
def library():
    return loaded_library()


PEOPLE = (OLD, NEW, NEWEST)
PAIRS = st.sampled_from([(a, b) for a in PEOPLE for b in PEOPLE if a != b])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), PAIRS, st.sampled_from(["both", "old", "new"])),
        st.tuples(st.just("part"), PAIRS, st.just("")),
        st.tuples(st.just("carry"), PAIRS, st.just("")),
        st.tuples(st.just("look"), PAIRS, st.just("")),
        st.tuples(st.just("look"), PAIRS, st.just("")),
        st.tuples(st.just("hours"), PAIRS, st.just("")),
    ),
    max_size=8,
)


def _happens(hospital: Hospital, what: str, one: Reference, other: Reference, said_by: str) -> None:
    if what == "merge" and not _has_link(hospital, one, "replaced-by"):
        hospital.links(one, other, said_by=said_by)
    elif what == "part":
        _unlink(hospital, one, other)
    elif what == "carry":
        hospital.put_under(one, STAY)
    elif what == "look":
        hospital.settles(one)
    elif what == "hours":
        hospital.clock.move(hours=1)


def _has_link(hospital: Hospital, person: Reference, kind: str) -> bool:
    return any(link["type"] == kind for link in hospital.record.read(person).get("link", []))


def _unlink(hospital: Hospital, one: Reference, other: Reference) -> None:
    """As a registrar takes a merge back: neither record points to the other any more."""
    for person, gone in ((one, other), (other, one)):
        before: dict[str, Any] = dict(hospital.record.read(person))
        before["link"] = [each for each in before.pop("link", []) if each["other"]["reference"] != gone]
        hospital.record.put({**before, "active": True} if before["link"] else _without_links(before))


def _without_links(patient: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in patient.items() if name != "link"} | {"active": True}


def _people_by_now(hospital: Hospital, person: Reference) -> set[Reference]:
    """Where the links lead from here, whichever side says so; none when they lead round in a circle."""
    patients = {each: hospital.record.read(each) for each in PEOPLE}
    leads: dict[Reference, set[Reference]] = {each: set() for each in PEOPLE}
    for each, patient in patients.items():
        for link in patient.get("link", []):
            other = Reference(link["other"]["reference"])
            old, new = (each, other) if link["type"] == "replaced-by" else (other, each)
            leads[old].add(new)

    def behind(one: Reference) -> set[Reference]:
        known: set[Reference] = set()
        waiting = [one]
        while waiting:
            found = leads[waiting.pop()] - known
            known |= found
            waiting += found
        return known

    known = {person} | behind(person)
    if any(each in behind(each) for each in known):
        return set()
    return {each for each in known if not leads[each]}


@given(STEPS)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_however_people_are_merged_and_parted_work_stands_once_under_whom_it_is_about(library, steps):
    """Whatever was heard of in between, and however much of it was missed."""
    hospital = Hospital(library)
    note(str(steps))
    for what, (one, other), said_by in steps:
        _happens(hospital, what, one, other, said_by)
        if any(len(_people_by_now(hospital, each)) != 1 for each in PEOPLE):
            _unlink(
                hospital, one, other
            )  # a circle, or a person who is two: the record has to be put right first
    hospital.settles(*PEOPLE)
    hospital.settles(*PEOPLE)

    whose = hospital.record.read(Reference(STAY))["subject"]["reference"]
    assert hospital.whose() == _people_by_now(hospital, Reference(whose))
    names = [identifier_values(task, systems.FOLLOW_UP)[0] for task in hospital.tasks()]
    assert len(names) == len(set(names))
    assert all(task["owner"]["reference"] for task in hospital.tasks())
    assert [hospital.look(person).writes for person in PEOPLE] == [0, 0, 0]
