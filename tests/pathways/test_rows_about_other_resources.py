"""Rows that look at the anchor, past it, or at another resource beside the one in question."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.evidence import Fact, Situation
from service.domain.vocabulary import Reference
from service.pathways.describe import describe
from service.pathways.library import load_library
from tests.pathways.conftest import SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

NOW = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ROW = "{resource: Encounter, coded: {class: inpatient}, counts: since-start}"
DEPRESSION = {"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}]}
INPATIENT = {"system": ACT, "code": "IMP"}


@pytest.fixture
def read(mappings, pathway_file):
    def the_row(text):
        pathway_file.write_text(pathway_file.read_text().replace(ROW, text))
        library = load_library(mappings, FakeCompiler(), today=TODAY)
        assert library.problems == ()
        return library.pathways[SAMPLE].measures[0].exclusion[0], library

    return the_row


def a_fact(reference, **content):
    kind = reference.partition("/")[0]
    return Fact(
        kind=kind, reference=Reference(reference), version="1", happened_at=NOW,
        content={"resourceType": kind, **content},
    )  # fmt: skip


def seen(*facts, anchor="Encounter/1"):
    kinds = {fact.kind for fact in facts}
    others = {kind: tuple(fact for fact in facts if fact.kind == kind) for kind in kinds}
    return Situation(now=NOW, anchor=Reference(anchor), started_at=NOW - timedelta(days=1), others=others)


STAY = a_fact("Encounter/2", **{"class": INPATIENT})
ANCHOR = a_fact("Encounter/1", **{"class": INPATIENT})


def test_another_resource_than_the_anchor_counts_since_the_start(read):
    need, _ = read("{resource: Encounter, coded: {class: inpatient}, linked-by: other}")

    assert need.ever is False
    assert need.condition.holds(STAY, seen())
    assert not need.condition.holds(ANCHOR, seen())


def test_also_needs_another_resource_that_refers_to_this_one(read):
    need, library = read(
        "{resource: Encounter, coded: {class: inpatient}, also: "
        "[{resource: Condition, coded: {code: mental-health}, linked-by: encounter}]}"
    )
    about_it = a_fact("Condition/1", code=DEPRESSION, encounter={"reference": "Encounter/2"})
    about_another = a_fact("Condition/1", code=DEPRESSION, encounter={"reference": "Encounter/1"})
    physical = a_fact("Condition/1", code={"coding": []}, encounter={"reference": "Encounter/2"})

    assert need.condition.holds(STAY, seen(about_it))
    assert not need.condition.holds(STAY, seen())
    assert not need.condition.holds(STAY, seen(about_another))
    assert not need.condition.holds(STAY, seen(physical))
    assert not need.condition.holds(STAY, seen(replace(about_it, void=True)))
    assert not need.condition.holds(
        a_fact("Encounter/2", **{"class": {"system": ACT, "code": "AMB"}}), seen(about_it)
    )
    assert "Condition" in library.pathways[SAMPLE].resource_types
    assert need.condition.looks_at == {"Condition"}
    assert need.condition.text == (
        "Encounter: class in inpatient; together with Condition: code in mental-health; linked by encounter"
    )


def test_also_may_be_something_that_this_resource_refers_to(read):
    need, _ = read(
        "{resource: Encounter, coded: {class: inpatient}, linked-by: other, also: "
        "[{resource: Condition, coded: {code: mental-health}, linked-by: encounter}, "
        "{resource: Condition, coded: {code: mental-health}, pointed-to-by: diagnosis.condition}]}"
    )
    depression = a_fact("Condition/1", code=DEPRESSION)
    pointing = replace(
        STAY, content={**STAY.content, "diagnosis": [{"condition": {"reference": "Condition/1"}}]}
    )
    itself = replace(pointing, reference=Reference("Encounter/1"))

    assert need.condition.holds(pointing, seen(depression))
    assert not need.condition.holds(STAY, seen(depression))
    assert not need.condition.holds(itself, seen(depression)), "the anchor is no other"


def test_a_row_may_be_about_what_the_anchor_refers_to(read):
    need, _ = read("{resource: Condition, coded: {code: mental-health}, pointed-to-by: diagnosis.condition}")
    depression = a_fact("Condition/1", code=DEPRESSION)
    anchor = replace(
        ANCHOR, content={**ANCHOR.content, "diagnosis": [{"condition": {"reference": "Condition/1"}}]}
    )

    assert need.ever is True
    assert need.condition.holds(depression, seen(anchor))
    assert not need.condition.holds(depression, seen(ANCHOR))
    assert not need.condition.holds(depression, seen())
    assert not need.condition.holds(depression, seen(anchor, anchor="Encounter/9"))
    elsewhere = replace(anchor, kind="Appointment", reference=Reference("Appointment/1"))
    assert not need.condition.holds(depression, seen(elsewhere, anchor="Appointment/1"))


def test_a_row_may_be_about_a_place_of_the_site(read):
    need, _ = read("{resource: Encounter, at-site: discharging-units, linked-by: other}")
    there = a_fact("Encounter/2", serviceProvider={"reference": "Organization/psychiatry"})

    assert need.condition.holds(there, seen())
    assert not need.condition.holds(STAY, seen())


def test_a_row_may_say_which_time_of_the_resource_counts(read):
    need, _ = read("{resource: Encounter, coded: {class: inpatient}, happened-at: period.start}")
    began = a_fact("Encounter/2", **{"class": INPATIENT, "period": {"start": "2026-03-01T10:00:00+00:00"}})

    assert need.condition.at(began) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert need.condition.at(STAY) is None
    assert need.condition.text == "Encounter: class in inpatient; which happened at its period.start"


def test_a_clinician_can_read_such_a_row(read):
    _, library = read(
        "{resource: Encounter, coded: {class: inpatient}, linked-by: other, happened-at: period.start, also: "
        "[{resource: Condition, coded: {code: mental-health}, linked-by: encounter}]}"
    )
    page = describe(library.pathways[SAMPLE], library)

    assert "together with Condition: code is " in page
    assert "another one than began this pathway" in page


def test_a_referral_takes_its_clock_from_the_encounter_it_is_anchored_on(mappings, pathway_file):
    text = pathway_file.read_text()
    start = "  - title: Discharge from a unit that the site names\n    resource: Encounter\n    when: status = 'finished'\n    at-site: discharging-units\n    within: 30 days\n    anchor: partOf\n"
    assert start in text
    referral = start.replace("resource: Encounter", "resource: ServiceRequest").replace("finished", "active")
    referral = referral.replace("    at-site: discharging-units\n", "").replace("partOf", "encounter")
    pathway_file.write_text(text.replace(start, start + referral))
    of_the_site, of_a_referral = (
        load_library(mappings, FakeCompiler(), today=TODAY).pathways[SAMPLE].starts[1:]
    )

    assert of_the_site.clock_of is None, "an Encounter has its own"
    assert of_a_referral.clock_of is not None
    assert of_a_referral.clock_of.kind == "Encounter"
    assert of_a_referral.clock_of.holds(a_fact("Encounter/1", status="finished"), seen())
    assert not of_a_referral.clock_of.holds(a_fact("Encounter/1", status="in-progress"), seen())
