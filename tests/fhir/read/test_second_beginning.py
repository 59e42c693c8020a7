"""Identifiers of an enrolment that the same resource began a second time."""

from __future__ import annotations

import pytest

from service.fhir.read.identifiers import NotOurs, named


def test_the_second_beginning_belongs_to_an_enrolment_of_its_own():
    follow_up = named("follow-up", "post-discharge-coordination/Encounter/12~2/contact-person/1")

    assert follow_up.anchor == "Encounter/12"
    assert follow_up.enrolment == "post-discharge-coordination/Encounter/12~2"


def test_the_first_beginning_carries_no_number():
    assert named("enrolment", "p/Encounter/12").enrolment == "p/Encounter/12"


@pytest.mark.parametrize(
    "text", ["p/Encounter/12~0", "p/Encounter/12~", "p/Encounter/~2", "p/Encounter/12~2~3"]
)
def test_other_tildes_are_not_ours(text: str):
    with pytest.raises(NotOurs):
        named("enrolment", text)
