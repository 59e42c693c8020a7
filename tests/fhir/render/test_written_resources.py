"""What is written for a decision: valid R4, in a safe order, with identifiers that let it exist once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.domain.intents import Decision
from service.domain.vocabulary import Reference
from service.fhir.render import NotRead
from tests.fhir.decisions import (
    ENROLMENT,
    ESCALATION,
    LATER,
    a_change,
    a_first_decision,
    a_rung,
    an_enrolment,
    an_escalating_decision,
    an_opening,
)
from tests.fhir.r4 import at, check_r4
from tests.fhir.render.stories import (
    GOLDEN,
    PART_2,
    RESTRICTED,
    STORIES,
    as_json,
    discharged,
    enrolled,
    escalated,
    first_decision,
    missed_contact,
    second_rung,
    writes_of,
)


def kinds(writes):
    return [write.resource["resourceType"] for write in writes]


@pytest.mark.parametrize("story", STORIES)
def test_every_written_resource_is_valid_r4_with_codes_of_the_required_value_sets(story):
    for write in STORIES[story]():
        check_r4(write.resource)


@pytest.mark.parametrize("story", STORIES)
def test_what_is_written_is_as_reviewed(story):
    assert json.loads(as_json(STORIES[story]())) == json.loads((GOLDEN / f"{story}.json").read_text("utf-8"))


@pytest.mark.parametrize("story", STORIES)
def test_deciding_the_same_again_writes_the_same(story):
    assert as_json(STORIES[story]()) == as_json(STORIES[story]())


def test_a_new_enrolment_is_written_first_and_the_trail_last():
    assert kinds(first_decision()) == ["CarePlan", "Task", "Provenance"]


def test_an_enrolment_that_exists_is_written_last_as_the_fence():
    writes = missed_contact()

    assert kinds(writes) == ["Task", "CarePlan", "Task", "Communication", "Provenance", "CarePlan"]
    assert writes[-1].full_url == "CarePlan/1"
    assert writes[-1].if_match == "1"


def test_every_new_resource_carries_exactly_the_identifier_it_is_created_by():
    for write in [*first_decision(), *missed_contact()]:
        if write.create_if_none and write.create_if_none.startswith("identifier="):
            identifiers = write.resource["identifier"]
            assert [f"identifier={each['system']}|{each['value']}" for each in identifiers] == [
                write.create_if_none
            ]


def test_references_to_what_does_not_exist_yet_are_full_urls_of_the_same_writes():
    writes = missed_contact()
    known = {write.full_url for write in writes}
    plan, response, notice = writes[1], writes[2], writes[3]

    assert response.resource["basedOn"] == [{"reference": plan.full_url}]
    assert response.resource["focus"]["reference"] == "Task/1"
    assert [each["reference"] for each in notice.resource["about"]] == ["Task/1", plan.full_url]
    assert set(at(dict(plan.resource), "activity.reference.reference")) == {response.full_url}
    urns = [
        value
        for write in writes
        for value in json.dumps(write.resource).split('"')
        if value.startswith("urn:uuid:")
    ]
    assert set(urns) <= known


def test_an_escalation_of_a_follow_up_opened_by_the_same_decision_refers_to_it():
    decision = replace(an_escalating_decision(), changes=(), open=(an_opening(),))
    writes = writes_of(decision, discharged_with_plan(), recorded_at=LATER)
    task = next(write for write in writes if write.full_url.startswith("urn:") and "input" in write.resource)
    response = next(write for write in writes if "groupIdentifier" in write.resource)

    assert response.resource["focus"]["reference"] == task.full_url


def discharged_with_plan():
    shelf = enrolled()
    del shelf.by_reference[Reference("Task/1")]
    return shelf


def test_a_missing_notice_alone_is_written_without_a_second_task():
    decision = Decision(
        enrolment=an_enrolment(reference=Reference("CarePlan/1"), version="2"),
        write_enrolment=False,
        rungs=(a_rung(write_task=False),),
    )

    writes = writes_of(decision, escalated())

    assert kinds(writes) == ["Communication", "Provenance"]
    assert writes[0].resource["basedOn"] == [{"reference": "CarePlan/2"}]


def test_a_settled_decision_writes_nothing_not_even_a_trail():
    settled = Decision(
        enrolment=an_enrolment(reference=Reference("CarePlan/1"), version="1"), write_enrolment=False
    )

    assert writes_of(settled, enrolled()) == []


def test_the_trail_names_every_written_resource_and_every_version_seen():
    writes = missed_contact()
    provenance = next(write for write in writes if write.resource["resourceType"] == "Provenance")

    others = [write.full_url for write in writes if write is not provenance]
    assert sorted(at(dict(provenance.resource), "target.reference")) == sorted(others)
    assert list(at(dict(provenance.resource), "entity.what.reference")) == [
        "Encounter/12/_history/3",
        "Task/1/_history/1",
    ]
    assert provenance.create_if_none == "_tag=" + "|".join(
        provenance.resource["meta"]["tag"][0][part] for part in ("system", "code")
    )


def test_the_trail_of_a_decision_that_had_less_left_to_write_is_another_one():
    whole = first_decision()[-1]
    rest = writes_of(replace(a_first_decision(), open=()), discharged())[-1]

    assert whole.create_if_none != rest.create_if_none


def test_labels_of_what_was_read_are_on_everything_that_is_written():
    for write in first_decision():
        assert write.resource["meta"]["security"] == [RESTRICTED, PART_2] or write.resource["meta"][
            "security"
        ] == [
            PART_2,
            RESTRICTED,
        ]


def test_the_response_task_belongs_to_its_escalation_and_knows_when_the_time_was_missed():
    response = missed_contact()[2].resource

    assert response["groupIdentifier"]["value"] == ESCALATION
    assert response["identifier"][0]["value"] == f"{ESCALATION}/1"
    assert response["extension"][0]["valueDateTime"] == "2026-03-09T14:00:00-06:00"


def test_a_second_rung_keeps_the_first_ones_support_and_task_in_the_plan():
    plan = second_rung()[0].resource

    assert list(at(dict(plan), "activity.detail.description")) == [
        "Try the emergency contact",
        "Ask the pharmacy whether the medication was collected",
        "Send the mobile team",
    ]
    assert list(at(dict(plan), "activity.reference.identifier.value")) == [
        f"{ESCALATION}/1",
        f"{ESCALATION}/2",
    ]


def test_an_update_without_the_resource_as_read_is_refused_with_what_to_do():
    decision = Decision(
        enrolment=an_enrolment(reference=Reference("CarePlan/1"), version="1"),
        write_enrolment=False,
        changes=(a_change(),),
    )

    with pytest.raises(NotRead, match="Task/1 is to be updated but is not among the resources as read"):
        writes_of(decision, enrolled(), existing={})


def test_due_times_stand_in_the_clinics_own_time():
    task = first_decision()[1].resource

    assert task["restriction"]["period"]["end"] == "2026-03-09T14:00:00-06:00"
    assert task["authoredOn"] == "2026-03-06T16:30:00-07:00"


def test_an_enrolment_without_an_encounter_has_no_encounter_element():
    request = Reference("ServiceRequest/7")
    identifier = ENROLMENT.replace("Encounter/12", request)
    enrolment = an_enrolment(anchor=request, identifier=identifier, activities=())

    writes = writes_of(a_first_decision(enrolment=enrolment, open=()), discharged())

    check_r4(writes[0].resource)
    assert "encounter" not in writes[0].resource


def test_a_follow_up_whose_time_had_passed_when_it_was_opened_is_still_valid():
    late = an_opening(complete_by=LATER, opened_at=LATER.replace(day=10))
    task = writes_of(a_first_decision(open=(late,)), discharged())[1].resource

    check_r4(task)
    assert task["restriction"]["period"] == {"end": "2026-03-09T15:00:00-06:00"}
