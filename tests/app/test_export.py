"""Every pathway as FHIR definitions: valid, complete, and under the names that the record uses."""

import copy
import json

import pytest

from service.app.commands.exporting import wording_of
from service.app.exits import Exit
from service.domain.vocabulary import PathwayId
from service.fhir import systems
from service.fhir.definitions import as_bundle, definitions
from service.fhir.definitions.shapes import id_of
from service.fhir.paths import lexer
from service.pathways.value_set_files import value_set_resources
from tests.app.pasts import MAPPINGS, bundle_of, folder_with, fullest_case, library, played
from tests.app.test_cli import throughline
from tests.fhir.definition_rules import actions, check_definition, check_package, everything

PATHWAYS = sorted(library().pathways)
VALUE_SETS = value_set_resources(MAPPINGS)
CRISIS = PathwayId("crisis-to-outpatient")


@pytest.fixture(autouse=True)
def _long_expressions_are_read_too(monkeypatch):
    """An author's predicate is bounded; a whole criterion with all of its rows is written by no person."""
    monkeypatch.setattr(lexer, "MAX_TOKENS", 5_000)


def exported(name):
    pathway = library().pathways[name]
    return definitions(pathway, wording_of(pathway, library()), VALUE_SETS)


def of_kind(resources, kind):
    return [each for each in resources if each["resourceType"] == kind]


@pytest.fixture(scope="module", params=PATHWAYS)
def package(request):
    return library().pathways[request.param], exported(request.param)


def test_every_resource_is_valid_r4_with_its_invariants(package):
    for resource in package[1]:
        check_definition(resource)


def test_every_link_leads_to_a_resource_that_comes_along(package):
    check_package(package[1])


def test_it_goes_by_the_name_that_enrolments_carry(package):
    pathway, resources = package
    [plan] = of_kind(resources, "PlanDefinition")

    assert f"{plan['url']}|{plan['version']}" == systems.plan_definition(pathway.id, pathway.version)


def test_every_stage_task_gate_start_and_source_of_the_pathway_is_in_the_plan(package):
    pathway, resources = package
    [plan] = of_kind(resources, "PlanDefinition")
    found = {action["id"]: action for action in actions(plan)}

    assert {f"stage.{stage.id}" for stage in pathway.stages} == {
        name for name in found if name.startswith("stage.")
    }
    for stage in pathway.stages:
        for task in stage.tasks:
            action = found[f"task.{task.id}"]
            assert (action["title"], action["description"]) == (task.title, task.ask)
            assert (f"task.{task.id}.escalation" in found) == (task.escalation is not None)
    for gate in pathway.gates:
        said = [
            c["expression"]["description"]
            for c in found[f"stage.{gate.before}"]["condition"]
            if c["kind"] == "start"
        ]
        assert any(text.startswith(f"{gate.title}: ") for text in said), gate.id
    triggers = found[f"stage.{pathway.stages[0].id}"]["trigger"]
    for start in pathway.starts:
        assert any(t["condition"]["description"].startswith(f"{start.title}, at most ") for t in triggers)
    assert {each["label"] for each in plan["relatedArtifact"] if "label" in each} == set(pathway.sources)


def test_every_rung_names_who_is_told_and_when(package):
    pathway, resources = package
    [plan] = of_kind(resources, "PlanDefinition")
    found = {action["id"]: action for action in actions(plan)}
    for _, task in pathway.templates.values():
        ladder = pathway.ladders.get(task.escalation) if task.escalation else None
        for number, rung in enumerate(ladder.rungs if ladder else (), start=1):
            action = found[f"task.{task.id}.escalation.{number}"]
            assert action["participant"][0]["role"]["coding"][0]["code"] == rung.notify
            assert action["priority"] == rung.priority.value
            assert pathway.role_titles[rung.notify] in action["textEquivalent"]


def test_the_questionnaire_asks_for_every_required_field_under_its_own_id(package):
    pathway, resources = package
    [fields] = of_kind(resources, "Questionnaire")

    assert [item["linkId"] for item in fields["item"]] == [one.id for one in pathway.required]
    assert [item["required"] for item in fields["item"]] == [
        not one.where_available for one in pathway.required
    ]
    assert {item["code"][0]["system"] for item in fields["item"]} == {systems.REQUIRED_FIELD}


def test_every_follow_up_and_rung_has_a_definition_of_kind_task(package):
    pathway, resources = package
    rungs = {
        id_of(pathway.id, x.id, str(n)) for x in pathway.ladders.values() for n in range(1, len(x.rungs) + 1)
    }
    tasks = {id_of(pathway.id, task) for task in pathway.templates}

    assert {each["id"] for each in of_kind(resources, "ActivityDefinition")} == rungs | tasks


def test_value_sets_come_along_word_for_word_with_those_they_are_composed_of(package):
    for each in of_kind(package[1], "ValueSet"):
        assert each == json.loads((MAPPINGS / "valuesets" / f"{each['id']}.json").read_text("utf-8"))
    assert of_kind(package[1], "ValueSet")


def test_an_enrolment_on_the_record_leads_to_the_export():
    bundle = bundle_of(played(fullest_case(CRISIS)))
    carried = {
        canonical
        for entry in bundle["entry"]
        for canonical in entry["resource"].get("instantiatesCanonical", ())
        if entry["resource"]["resourceType"] == "CarePlan"
    }
    [plan] = of_kind(exported(CRISIS), "PlanDefinition")

    assert carried == {f"{plan['url']}|{plan['version']}"}


def test_where_a_criterion_decides_there_is_an_action_for_each_level():
    [plan] = of_kind(exported(CRISIS), "PlanDefinition")
    contact = next(a for a in actions(plan) if a["id"] == "task.first-contact")
    levels = [a for a in contact["action"] if "condition" in a and not a["id"].endswith("escalation")]

    assert contact["selectionBehavior"] == "exactly-one"
    assert levels[0]["condition"][0]["expression"]["description"] == "risk is high"
    assert {"value": 24, "unit": "hours", "system": "http://unitsofmeasure.org", "code": "h"} in [
        a.get("timingDuration") for a in levels
    ]


def test_what_a_rule_leaves_out_is_not_asked_to_change():
    """Several data of one trigger would all have to change; and an exception is nothing that begins anything."""
    for name in PATHWAYS:
        [plan] = of_kind(exported(name), "PlanDefinition")
        assert {len(t["data"]) for a in actions(plan) for t in a.get("trigger", [])} == {1}


def test_the_variables_that_expressions_ask_are_explained_in_the_plan():
    for name in PATHWAYS:
        [plan] = of_kind(exported(name), "PlanDefinition")
        asked = {
            word.split(" ")[0].strip("`%") for each in everything(plan) if "language" in each
            for word in each["expression"].replace("(", " ").split() if word.startswith("%")
        }  # fmt: skip
        assert {word.split(".")[0] for word in asked if word.split(".")[0] not in plan["usage"]} == set()


# --- the rules can fail


def _without(path, resource):
    broken = copy.deepcopy(resource)
    *way, last = path
    inside = broken
    for step in way:
        inside = inside[step]
    del inside[last]
    return broken


@pytest.mark.parametrize(
    "path",
    [
        ("name",),
        ("action", 0, "trigger", 0, "data"),
        ("action", 0, "trigger", 0, "condition", "description"),
        ("action", 0, "trigger", 0, "condition", "language"),
    ],
)
def test_a_plan_without_something_that_fhir_asks_for_is_refused(path):
    [plan] = of_kind(exported(CRISIS), "PlanDefinition")

    with pytest.raises((AssertionError, KeyError, ValueError)):
        check_definition(_without(path, plan))


def test_an_expression_that_is_no_fhirpath_is_refused():
    plan = copy.deepcopy(of_kind(exported(CRISIS), "PlanDefinition")[0])
    plan["action"][0]["trigger"][0]["condition"]["expression"] = "status = 'finished' and and"

    with pytest.raises(Exception, match="'and'"):
        check_definition(plan)


def test_a_link_that_leads_nowhere_is_refused():
    resources = exported(CRISIS)

    with pytest.raises(AssertionError, match="which is not here"):
        check_package([each for each in resources if each["resourceType"] != "Questionnaire"])


def test_two_items_of_one_name_are_refused():
    [fields] = copy.deepcopy(of_kind(exported(CRISIS), "Questionnaire"))
    fields["item"].append(fields["item"][0])

    with pytest.raises(AssertionError, match="que-2"):
        check_definition(fields)


# --- the command


def test_an_export_is_one_bundle_or_a_folder_of_files(tmp_path):
    mappings = folder_with(PathwayId("post-discharge-coordination"), tmp_path / "mappings")

    def run(*more):
        return throughline("pathways", "export", "post-discharge-coordination", *more, "--mappings", mappings)

    shown = run()
    bundle = json.loads(shown.stdout)
    run("--output", tmp_path / "bundle.json")
    told = run("--folder", tmp_path / "fhir")

    assert (bundle["resourceType"], bundle["type"], bundle["entry"][0]["resource"]["resourceType"]) == ("Bundle", "collection", "PlanDefinition")  # fmt: skip
    assert bundle == as_bundle([entry["resource"] for entry in bundle["entry"]])
    assert json.loads((tmp_path / "bundle.json").read_text("utf-8")) == bundle
    files = {path.name: json.loads(path.read_text("utf-8")) for path in (tmp_path / "fhir").iterdir()}
    assert files == {
        f"{e['resource']['resourceType']}-{e['resource']['id']}.json": e["resource"] for e in bundle["entry"]
    }
    assert told.stderr.startswith(f"{len(files)} definitions of post-discharge-coordination ")


def test_what_cannot_be_exported_says_why(tmp_path):
    (tmp_path / "file").touch()
    both = throughline("pathways", "export", CRISIS, "--output", "a", "--folder", "b")
    nowhere = throughline("pathways", "export", CRISIS, "--folder", tmp_path / "file" / "x")
    unknown = throughline("pathways", "export", "crisis-to-outpatiant")

    assert (both.exit_code, both.stderr) == (
        Exit.USAGE,
        "throughline: name one of --output and --folder, not both\n",
    )
    assert (nowhere.exit_code, "cannot be written (Not a directory)" in nowhere.stderr) == (
        Exit.NOT_FOUND,
        True,
    )
    assert (
        "there is no usable pathway 'crisis-to-outpatiant'; did you mean 'crisis-to-outpatient'?"
        in unknown.stderr
    )


def test_a_long_name_still_becomes_an_id_of_its_own():
    one, other = id_of("a" * 40, "b" * 40), id_of("a" * 40, "b" * 39 + "c")

    assert len(one) <= 64
    assert one != other
    assert id_of("short", "name") == "short.name"
