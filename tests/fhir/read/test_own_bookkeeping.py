"""Our enrolments, follow-ups and escalations, after other systems, people and crashes have been at them."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.vocabulary import FollowUpStatus, PlanStatus, Priority, Reference
from tests.builders import GATE, a_care_team, a_patient, a_task_answer, coded
from tests.fhir.decisions import CONTACT, ESCALATION, LATER, NOW, SAM
from tests.fhir.read.reading import COORDINATOR, SUPERVISOR, read
from tests.fhir.render.stories import escalated

TASK, RESPONSE = Reference("Task/1"), Reference("Task/2")
PLAN, ESCALATION_PLAN = Reference("CarePlan/1"), Reference("CarePlan/2")
NOTICE = Reference("Communication/1")


def after(edit):
    """The record after `edit` has worked on the resources by reference."""
    shelf = escalated()
    edit(shelf.by_reference)
    return read(*shelf.by_reference.values(), now=LATER)


def without(*references):
    def edit(resources):
        for reference in references:
            del resources[reference]

    return after(edit)


def changed(reference, **elements):
    def edit(resources):
        both = {**resources[reference], **elements}
        resources[reference] = {name: value for name, value in both.items() if value is not None}

    return after(edit)


def without_extension(reference, name):
    def edit(resources):
        extensions = resources[reference]["extension"]
        resources[reference]["extension"] = [
            each for each in extensions if not each["url"].endswith(f"/{name}")
        ]

    return after(edit)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (
            changed(PLAN, status="paused"),
            "CarePlan/1: its status is not a code that is known here; please correct it, nothing is done about it until then",
        ),
        (
            without_extension(PLAN, "stage"),
            "CarePlan/1: its stage extension is missing; please correct it, nothing is done about it until then",
        ),
        (
            changed(PLAN, period=None),
            "CarePlan/1: its period.start is missing or not a time; please correct it, nothing is done about it until then",
        ),
        (
            changed(PLAN, subject={"reference": "Patient/grace"}),
            "CarePlan/1: it is Throughline's but about somebody else; it was left out",
        ),
    ],
)
def test_an_enrolment_that_cannot_be_understood_is_told_by_reference(record, told):
    assert record.enrolments == ()
    assert told in record.unreadable


def test_an_enrolment_without_its_pathway_version_is_read_and_told():
    record = changed(PLAN, instantiatesCanonical=["https://other.example/PlanDefinition/x|1"])

    assert record.enrolments[0].pathway_version == ""
    assert record.unreadable == ("CarePlan/1: it no longer says which version of the pathway it follows",)


def test_a_paused_enrolment_is_read_as_paused():
    assert changed(PLAN, status="on-hold").enrolments[0].status is PlanStatus.ON_HOLD


def test_two_tasks_with_the_same_identifier_are_told_and_the_one_in_error_gives_way():
    def edit(resources):
        copied = {**copy.deepcopy(resources[TASK]), "id": "0"}
        resources[TASK]["status"] = "entered-in-error"
        resources[Reference("Task/0")] = copied

    record = after(edit)

    assert [follow_up.reference for follow_up in record.follow_ups] == ["Task/0"]
    assert record.unreadable == (
        "Task/1: another resource carries the same Throughline identifier; that one is used",
    )


def test_a_follow_up_somebody_unassigned_is_read_without_an_owner():
    assert changed(TASK, owner=None).follow_ups[0].owner is None
    assert changed(TASK, owner={"display": "the night shift"}).follow_ups[0].owner is None


def test_a_follow_up_without_its_times_is_still_read():
    record = changed(
        TASK, restriction=None, authoredOn=None, lastModified=None, extension=None, priority=None
    )
    follow_up = record.follow_ups[0]

    assert (follow_up.accept_by, follow_up.complete_by, follow_up.priority) == (None, None, Priority.ROUTINE)
    assert follow_up.opened_at == LATER, "the server's time stands in"


def test_a_due_time_that_is_no_time_is_told():
    record = changed(TASK, restriction={"period": {"end": "soon"}})

    assert record.follow_ups[0].complete_by is None
    assert record.unreadable == ("Task/1: its restriction.period.end is not a time",)


def test_a_priority_that_is_none_counts_as_routine_and_is_told():
    record = changed(TASK, priority="high")

    assert record.follow_ups[0].priority is Priority.ROUTINE
    assert record.unreadable == (
        "Task/1: its priority is not a code that is known here; it counts as routine",
    )


@pytest.mark.parametrize("status", FollowUpStatus)
def test_every_status_of_the_task_state_machine_is_read(status):
    assert changed(TASK, status=status.value).follow_ups[0].status is status


def test_the_reason_a_status_was_given_is_read_from_its_text_or_its_code():
    coding = [{"system": "https://ehr.example/why", "code": "leave", "display": "On leave"}]

    assert changed(TASK, statusReason={"text": "No capacity"}).follow_ups[0].reason == "No capacity"
    assert changed(TASK, statusReason={"coding": coding}).follow_ups[0].reason == "On leave"
    assert changed(TASK, statusReason={"coding": ["?"]}).follow_ups[0].reason is None


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ({"valueString": "high"}, "high"),
        ({"valueCode": "high"}, "high"),
        ({"valueBoolean": True}, "true"),
        ({"valueInteger": 0}, "0"),
        ({"valueDateTime": "2026-03-09"}, "2026-03-09"),
        ({"valueCodeableConcept": {"coding": [{"code": "high"}], "text": "High risk"}}, "high"),
        ({"valueCodeableConcept": {"text": "High risk"}}, "High risk"),
        ({"valueCoding": {"system": "s", "code": "high", "display": "High"}}, "high"),
        ({"valueQuantity": {"value": 2, "unit": "attempts"}}, "2 attempts"),
        ({"valueReference": {"reference": "DocumentReference/1"}}, ""),
        ({"valuePeriod": {"start": "2026-03-09", "end": "2026-03-10"}}, "2026-03-09/2026-03-10"),
        ({"valueHumanName": {"given": ["Tess"], "family": "Moreau"}}, "Tess Moreau"),
        ({"valueAnnotation": {"text": "twice"}}, "twice"),
        ({"valueContactPoint": {"system": "phone", "value": "555"}}, "555"),
    ],
)
def test_any_kind_of_value_answers_a_required_field(value, read_as):
    def edit(resources):
        resources[TASK] = a_task_answer(resources[TASK], records={"contact-attempts": value})

    recorded = after(edit).follow_ups[0].recorded

    assert [(each.field, each.value, each.source) for each in recorded] == [
        ("contact-attempts", read_as, TASK)
    ]
    assert recorded[0].at.isoformat() == "2026-03-06T18:00:00-07:00"


def test_an_answer_without_a_value_is_told():
    def edit(resources):
        resources[TASK] = a_task_answer(resources[TASK], records={"contact-attempts": {}})

    record = after(edit)

    assert record.follow_ups[0].recorded == ()
    assert record.unreadable == ("Task/1: its output for 'contact-attempts' has no value; please record one",)


def test_a_waiver_carries_the_roles_its_owner_holds():
    team = a_care_team((SAM.reference, SUPERVISOR), (SAM.reference, COORDINATOR))

    def edit(resources):
        resources[Reference("CareTeam/team")] = team
        task = a_task_answer(resources[TASK], waives={"receipt-confirmed": "Told by phone"})
        resources[TASK] = {**task, "owner": {"reference": SAM.reference}}

    waived = after(edit).follow_ups[0].waived[0]

    assert (waived.gate, waived.reason, waived.by) == ("receipt-confirmed", "Told by phone", SAM.reference)
    assert waived.roles == {SUPERVISOR, COORDINATOR}


def test_a_waiver_by_somebody_unknown_to_the_roster_carries_no_role():
    def edit(resources):
        resources[TASK] = a_task_answer(resources[TASK], waives={"receipt-confirmed": "Because"})

    assert after(edit).follow_ups[0].waived[0].roles == frozenset()


def test_a_waiver_without_a_reason_is_told():
    record = changed(TASK, output=[{"type": coded(GATE, "receipt-confirmed")}])

    assert record.unreadable == ("Task/1: it waives 'receipt-confirmed' without a reason; please give one",)


def test_what_is_recorded_on_the_answer_to_an_escalation_counts_too():
    def edit(resources):
        resources[RESPONSE] = a_task_answer(resources[RESPONSE], records={"safety-plan-status": "in place"})

    rung = after(edit).escalations[0].rungs[0]

    assert rung.status is FollowUpStatus.COMPLETED
    assert [each.value for each in rung.recorded] == ["in place"]


def test_a_crash_before_the_notice_shows_as_a_missing_notice():
    assert not without(NOTICE).escalations[0].rungs[0].notice_exists


def test_a_crash_before_the_plan_still_shows_the_rung_and_its_clock():
    seen = without(ESCALATION_PLAN).escalations[0]

    assert (seen.reference, seen.version, seen.status) == (None, "", PlanStatus.ACTIVE)
    assert seen.missed_at.isoformat() == "2026-03-09T14:00:00-06:00"
    assert [rung.number for rung in seen.rungs] == [1]
    assert seen.listed == 0


def test_a_plan_that_does_not_list_its_response_yet_says_so():
    assert changed(ESCALATION_PLAN, activity=None).escalations[0].listed == 0
    assert without(RESPONSE).escalations[0].rungs == ()


def test_an_escalation_without_any_time_is_told():
    def edit(resources):
        del resources[RESPONSE]
        plan = resources[ESCALATION_PLAN]
        del plan["period"]
        plan["extension"] = []

    record = after(edit)

    assert record.escalations == ()
    assert record.unreadable == (
        "CarePlan/2: it says nowhere when the time was missed; please add period.start",
    )


@pytest.mark.parametrize(
    "value", ["", "nonsense", f"{CONTACT}/x", f"{ESCALATION}/one", f"{CONTACT}/boredom/1", "a//b/c/d"]
)
def test_an_identifier_that_is_not_of_our_making_is_told(value):
    system = "https://throughline.example/fhir/identifier/follow-up"
    record = changed(RESPONSE, identifier=[{"system": system, "value": value}])

    assert any(sentence.startswith("Task/2: its identifier") for sentence in record.unreadable)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_edit_of_our_resources_makes_reading_raise_or_lose_them_silently(data):
    shelf = escalated()
    reference = data.draw(st.sampled_from([TASK, RESPONSE, PLAN, ESCALATION_PLAN, NOTICE]))
    target = json.loads(json.dumps(shelf.by_reference[reference]))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(set(target) - {"resourceType", "id", "identifier"})))
        target[name] = data.draw(
            st.sampled_from([None, 7, "odd", [], {}, [None], ["odd"], {"odd": [1]}, [{"coding": 1}]])
        )
    others = [
        each
        for each in shelf.by_reference.values()
        if each["id"] != target["id"] or each["resourceType"] != target["resourceType"]
    ]

    record = read(*others, target, a_patient(), now=LATER)

    known = {
        TASK: [each.reference for each in record.follow_ups],
        RESPONSE: [rung.reference for each in record.escalations for rung in each.rungs],
        PLAN: [each.reference for each in record.enrolments],
        ESCALATION_PLAN: [each.reference for each in record.escalations],
        NOTICE: [NOTICE for each in record.escalations for rung in each.rungs if rung.notice_exists],
    }[reference]
    told = [sentence for sentence in record.unreadable if sentence.startswith(f"{reference}:")]
    assert reference in known or told


def test_reading_at_another_instant_reads_the_same_bookkeeping():
    shelf = escalated()

    early, late = shelf.read(NOW), shelf.read(LATER)

    assert (early.enrolments, early.follow_ups, early.escalations) == (
        late.enrolments,
        late.follow_ups,
        late.escalations,
    )
