"""A sound file becomes the domain's pathway, and its conditions hold for the right facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.due import Unit, Within
from service.domain.evidence import Fact, Situation
from service.domain.needs import EscalationState, InRecord, OnEscalation, OnField, OnStage, OnTask, TaskState
from service.domain.pathway import IfUnmet
from service.domain.vocabulary import FieldId, Priority, Reference, StageId, TaskId
from service.pathways.library import load_library
from service.pathways.site_files import ROLE_SYSTEM
from tests.pathways.conftest import MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

NOW = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture(scope="module")
def library():
    return load_library(MAPPINGS, FakeCompiler(), today=TODAY)


@pytest.fixture(scope="module")
def pathway(library):
    return library.pathways[SAMPLE]


def a_fact(kind, *, id_="1", **content):
    return Fact(
        kind=kind,
        reference=Reference(f"{kind}/{id_}"),
        version="1",
        happened_at=NOW,
        content={"resourceType": kind, **content},
    )


def about(anchor="Encounter/1"):
    return Situation(now=NOW, anchor=Reference(anchor), started_at=NOW - timedelta(days=1))


def a_stay(class_code="IMP", system=ACT, **more):
    return a_fact(
        "Encounter", **{"status": "finished", "class": {"system": system, "code": class_code}} | more
    )


def test_a_sound_folder_has_no_problems(library):
    assert library.problems == ()


def test_stages_tasks_and_times_arrive_as_written(pathway):
    first, outreach, final = pathway.stages
    call = outreach.tasks[0]

    assert [stage.id for stage in pathway.stages] == ["discharged", "outreach", "engaged"]
    assert (first.enter, final.final) == ((), True)
    assert outreach.enter == (OnTask(task=TaskId("confirm-receipt"), state=TaskState.COMPLETED),)
    assert final.enter[1:] == (
        OnStage(stage=StageId("outreach")),
        OnEscalation(task=TaskId("contact-person"), state=EscalationState.ACKNOWLEDGED),
    )
    assert first.tasks[0].due_in.otherwise == Within(count=0, unit=Unit.WORKING_DAYS)
    assert call.due_in.by_level == {"high": Within(count=24, unit=Unit.HOURS)}
    assert (call.due_in.criterion, call.priority, call.attempts) == ("risk", Priority.URGENT, 3)
    assert call.opens_after == Within(count=30, unit=Unit.MINUTES)
    assert call.records == ("current-risk",)


def test_gates_ladders_measures_and_criteria_arrive_as_written(pathway):
    gate, measure = pathway.gates[0], pathway.measures[0]
    rungs = pathway.ladders["unconfirmed"].rungs

    assert (gate.before, gate.if_unmet, gate.waived_by) == ("outreach", IfUnmet.HOLD, ("supervisor",))
    assert gate.applies_when == (OnField(field=FieldId("discharge-date")),)
    assert [(r.notify, r.reassign) for r in rungs] == [("coordinator", False), ("supervisor", True)]
    assert rungs[0].plan == ("Call the unit",)
    assert pathway.unowned is pathway.ladders["unowned"]
    assert (measure.denominator, measure.same_day_counts) == ((), False)
    assert pathway.criteria["risk"].levels[0][1][0] == OnField(field=FieldId("current-risk"), says=("high",))
    assert pathway.resource_types == {"Encounter", "Condition", "Observation", "Communication"}


@pytest.mark.parametrize(
    ("stay", "starts"),
    [
        (a_stay(), True),
        (a_stay("AMB"), False),
        (a_stay("PSY", "https://hospital.example/class"), True),
        (a_stay(status="in-progress"), False),
        (a_stay("IMP", "https://elsewhere.example"), False),
        (a_stay("IMP", None), True),
    ],
    ids=[
        "inpatient",
        "ambulatory",
        "the site's own code",
        "still there",
        "same code elsewhere",
        "code without system",
    ],
)
def test_a_start_needs_its_expression_and_every_code(pathway, stay, starts):
    assert pathway.starts[0].condition.holds(stay, about()) is starts


def test_a_start_that_is_excepted_is_recognised(pathway):
    died = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/discharge-disposition", "code": "exp"}]
    }
    unless = pathway.starts[0].unless[0]

    assert unless.holds(a_stay(hospitalization={"dischargeDisposition": died}), about())
    assert not unless.holds(a_stay(), about())


def test_what_else_must_hold_is_linked_to_the_candidate(pathway):
    depression = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F32.1"}]}
    also = pathway.starts[0].also[0]
    condition = a_fact("Condition", code=depression, encounter={"reference": "Encounter/1"})

    assert also.holds(condition, about("Encounter/1"))
    assert not also.holds(condition, about("Encounter/2"))


@pytest.mark.parametrize(
    ("where", "starts"),
    [
        ({"serviceProvider": {"reference": "Organization/psychiatry"}}, True),
        (
            {
                "location": [
                    {"location": {"reference": "Location/9"}},
                    {"location": {"reference": "Location/ward-7"}},
                ]
            },
            True,
        ),
        ({"serviceProvider": {"reference": "Organization/surgery"}}, False),
        ({}, False),
    ],
)
def test_a_start_at_a_site_needs_one_of_its_places(pathway, where, starts):
    assert pathway.starts[1].condition.holds(a_stay(**where), about()) is starts


def test_a_start_at_a_site_that_lists_nothing_never_holds(mappings, pathway_file):
    pathway_file.write_text(pathway_file.read_text().replace("discharging-units", "nowhere-yet"))
    start = load_library(mappings, FakeCompiler(), today=TODAY).pathways[SAMPLE].starts[1]

    assert start.condition is not None
    assert not start.condition.holds(
        a_stay(serviceProvider={"reference": "Organization/psychiatry"}), about()
    )


def test_the_anchor_is_the_reference_the_file_names(pathway):
    assert pathway.starts[0].anchor_of is None
    assert pathway.starts[1].anchor_of(a_stay(partOf={"reference": "Encounter/9"})) == "Encounter/9"
    assert pathway.starts[1].anchor_of(a_stay()) is None


def test_linked_rows_count_ever_and_others_since_the_start(pathway):
    done = pathway.stages[1].tasks[0].done_when[0]
    excluded = pathway.measures[0].exclusion[0]
    own = pathway.required[0].needs[0]

    assert isinstance(done, InRecord)
    assert (done.ever, excluded.ever, own.ever) == (True, False, True)
    assert own.condition.holds(a_stay(period={"end": "2026-03-06"}), about("Encounter/1"))
    assert not own.condition.holds(a_stay(period={"end": "2026-03-06"}), about("Encounter/2"))


def test_a_condition_can_be_explained_in_the_words_of_its_file(pathway):
    assert pathway.starts[0].condition.text == "Encounter: status = 'finished'; class in inpatient"


def test_a_role_matches_its_own_code_and_its_value_set(library):
    role = library.roles["coordinator"]

    assert role.matches(ROLE_SYSTEM, "coordinator")
    assert role.matches("http://snomed.info/sct", "768820003")
    assert not role.matches(ROLE_SYSTEM, "clinician")
    assert not role.matches("https://elsewhere.example", "coordinator")


def test_a_role_can_be_named_by_the_record(library):
    named_by = library.roles["clinician"].named_by

    assert named_by.kind == "ServiceRequest"
    assert named_by.references({"performer": [{"reference": "Practitioner/tess"}]}) == ["Practitioner/tess"]


def test_an_empty_folder_says_what_is_missing(tmp_path):
    problems = load_library(tmp_path, FakeCompiler(), today=TODAY).problems

    assert [p.file.rsplit("/", 1)[1] for p in problems] == ["calendars.yaml", "roles.yaml", "site.yaml"]
    assert {p.code for p in problems} == {"unreadable-file"}


def test_what_the_candidate_points_to_itself_counts_as_well(mappings, pathway_file):
    row = "also: [{resource: Condition, coded: {code: mental-health}, "
    text = pathway_file.read_text().replace(
        f"{row}linked-by: encounter", f"{row}pointed-to-by: diagnosis.condition"
    )
    pathway_file.write_text(text)
    also = load_library(mappings, FakeCompiler(), today=TODAY).pathways[SAMPLE].starts[0].also[0]
    depression = a_fact(
        "Condition", code={"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}]}
    )
    stay = a_stay(diagnosis=[{"condition": {"reference": "Condition/1"}}])

    assert also.holds(depression, replace(about(), candidate=stay))
    assert not also.holds(depression, replace(about(), candidate=a_stay()))
    assert not also.holds(depression, about())
    assert also.text == "Condition: code in mental-health; pointed to by diagnosis.condition"
