"""Records nobody here wrote: published examples of HL7 and a whole synthetic history."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from service.domain.vocabulary import Reference
from service.fhir.searches import person_of
from tests.fhir.decisions import NOW
from tests.fhir.read.reading import COORDINATOR, read

DATA = Path(__file__).parents[1] / "data"
SNOMED = "http://snomed.info/sct"
PRIMARY_CARE = "453231000124104"


def loaded(folder):
    return [json.loads(path.read_text("utf-8")) for path in sorted((DATA / folder).glob("*.json"))]


@pytest.mark.parametrize("folder", ["us-core", "r4"])
def test_every_published_example_becomes_a_fact_of_whomever_it_is_about(folder):
    shared = {"Practitioner", "PractitionerRole"}
    for each in loaded(folder):
        if each["resourceType"] in shared:
            continue
        person = person_of(each) or Reference("Patient/nobody")
        facts = read(each, person=person).facts
        assert [fact.kind for fact in facts] == [each["resourceType"]]


def test_the_us_core_care_team_gives_the_two_practitioners_and_not_the_niece():
    roles = {COORDINATOR: lambda system, code: (system, code) == (SNOMED, PRIMARY_CARE)}

    team = read(*loaded("us-core"), person=Reference("Patient/example"), roles=roles).roster.care_team

    assert [(each.reference, each.display, sorted(each.roles)) for each in team] == [
        ("Practitioner/practitioner-1", "Dr Ronald Bone", []),
        # The published Practitioner has given and family name the wrong way round; what is recorded is shown.
        ("Practitioner/practitioner-2", "Dr Fielding Kathy", [COORDINATOR]),
    ]


def synthea():
    """The bundle as a server stores it: references to entries become literal."""
    text = (DATA / "synthea" / "dcec440c.transaction.json").read_text("utf-8")
    entries = json.loads(text)["entry"]
    for entry in entries:
        place = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        text = text.replace(f'"{entry["fullUrl"]}"', f'"{place}"')
    return [entry["resource"] for entry in json.loads(text)["entry"]]


def test_a_whole_history_is_read_with_its_times_and_its_people():
    resources = synthea()
    person = next(
        Reference(f"Patient/{each['id']}") for each in resources if each["resourceType"] == "Patient"
    )

    record = read(*resources, person=person)

    counted = Counter(fact.kind for fact in record.facts)
    given = Counter(each["resourceType"] for each in resources)
    for kind in ("Encounter", "Condition", "Procedure", "MedicationRequest", "CarePlan", "CareTeam"):
        assert counted[kind] == given[kind]
    encounters = [fact for fact in record.facts if fact.kind == "Encounter"]
    assert [fact.happened_at for fact in encounters] == sorted(fact.happened_at for fact in encounters)
    assert not any(fact.time_assumed for fact in encounters)
    assert len(record.roster.care_team) == 1
    assert record.roster.accountable is not None
    assert record.enrolments == ()
    # The file has no meta.lastUpdated, so only what says nowhere when it happened is told.
    assert all(sentence.endswith("it counts as of now") for sentence in record.unreadable)


def test_whom_the_published_examples_are_about():
    about = {(each["resourceType"], each["id"]): person_of(each) for each in loaded("r4")}

    assert about["Encounter", "emerg"] == "Patient/example"
    assert about["Task", "example1"] == "Patient/example"
    assert about["Appointment", "example"] == "Patient/example"
    assert about["Practitioner", "example"] is None
    assert NOW.tzinfo is not None
