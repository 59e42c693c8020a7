"""R5 and R4 shapes of the same resource: what is written is valid R5, and what is read loses nothing on its way back."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.r5 import as_r4, as_r5
from service.fhir.r5.tables import LENSES
from tests.fhir.r4 import at
from tests.fhir.render.stories import STORIES

DATA = Path(__file__).parents[1] / "data/r5"
EXAMPLES = {path.stem: json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))}
# R5 required bindings (R5 5.0.0, Task, CarePlan, Communication, Provenance) that the models leave unchecked.
CODES = {
    "CarePlan": ("intent", {"proposal", "plan", "order", "option", "directive"}),
    "Provenance": ("entity.role", {"revision", "quotation", "source", "instantiates", "removal"}),
    "Encounter": ("status", {"planned", "in-progress", "on-hold", "discharged", "completed", "cancelled", "discontinued", "entered-in-error", "unknown"}),
}  # fmt: skip


def check_r5(resource) -> None:
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(deepcopy(resource))
    path, allowed = CODES.get(kind, ("", set()))
    assert set(at(resource, path) if path else ()) <= allowed


# --- what we write


@pytest.mark.parametrize("story", STORIES)
def test_everything_written_for_a_decision_is_valid_r5(story) -> None:
    for write in STORIES[story]():
        check_r5(as_r5(write.resource))


@pytest.mark.parametrize("story", STORIES)
def test_what_was_written_in_r5_is_read_as_it_was_meant(story) -> None:
    for write in STORIES[story]():
        assert as_r4(as_r5(write.resource)) == write.resource


def test_the_elements_that_changed_their_names_are_where_r5_has_them() -> None:
    task = as_r5(
        {
            "resourceType": "Task",
            "statusReason": {"text": "left early"},
            "reasonCode": {"text": "discharged"},
            "reasonReference": {"reference": "Encounter/1"},
            "performerType": [{"text": "Case manager"}],
        }
    )
    plan = as_r5(
        {
            "resourceType": "CarePlan",
            "author": {"reference": "Practitioner/1"},
            "addresses": [{"reference": "Condition/1"}],
            "activity": [{"reference": {"reference": "Task/1"}}],
        }
    )
    notice = as_r5(
        {
            "resourceType": "Communication",
            "reasonCode": [{"text": "overdue"}],
            "payload": [{"contentString": "Please ring."}],
        }
    )

    assert task == {
        "resourceType": "Task",
        "statusReason": {"concept": {"text": "left early"}},
        "reason": [{"concept": {"text": "discharged"}}, {"reference": {"reference": "Encounter/1"}}],
        "requestedPerformer": [{"concept": {"text": "Case manager"}}],
    }
    assert plan == {
        "resourceType": "CarePlan",
        "custodian": {"reference": "Practitioner/1"},
        "addresses": [{"reference": {"reference": "Condition/1"}}],
        "activity": [{"plannedActivityReference": {"reference": "Task/1"}}],
    }
    assert notice == {
        "resourceType": "Communication",
        "reason": [{"concept": {"text": "overdue"}}],
        "payload": [{"contentCodeableConcept": {"text": "Please ring."}}],
    }


def test_what_messages_of_hospitals_bring_is_where_r5_has_it() -> None:
    function = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    told: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "Coverage": (
            {
                "payor": [{"reference": "Organization/1"}],
                "subscriberId": "12345",
                "class": [{"type": {"text": "group"}, "value": "G1"}],
            },
            {
                "kind": "insurance",
                "insurer": {"reference": "Organization/1"},
                "subscriberId": [{"value": "12345"}],
                "class": [{"type": {"text": "group"}, "value": {"value": "G1"}}],
            },
        ),
        "Organization": (
            {
                "telecom": [{"value": "555"}],
                "address": [{"city": "Denver"}, {"city": "Boulder"}],
                "contact": [{"purpose": {"text": "bills"}, "name": {"text": "Office"}}],
            },
            {
                "contact": [
                    {"telecom": [{"value": "555"}], "address": {"city": "Denver"}},
                    {"address": {"city": "Boulder"}},
                    {"purpose": {"text": "bills"}, "name": [{"text": "Office"}]},
                ]
            },
        ),
        "Location": ({"telecom": [{"value": "555"}]}, {"contact": [{"telecom": [{"value": "555"}]}]}),
        "Practitioner": (
            {"communication": [{"text": "Spanish"}]},
            {"communication": [{"language": {"text": "Spanish"}}]},
        ),
        "Encounter": (
            {
                "hospitalization": {
                    "dischargeDisposition": {"text": "home"},
                    "specialCourtesy": [{"text": "VIP"}],
                }
            },
            {"admission": {"dischargeDisposition": {"text": "home"}}, "specialCourtesy": [{"text": "VIP"}]},
        ),
        "Condition": (
            {
                "recorder": {"reference": "Practitioner/1"},
                "evidence": [{"code": [{"text": "fever"}]}, {"detail": [{"reference": "Observation/1"}]}],
            },
            {
                "participant": [
                    {
                        "function": {"coding": [{"system": function, "code": "author"}]},
                        "actor": {"reference": "Practitioner/1"},
                    }
                ],
                "evidence": [
                    {"concept": {"text": "fever"}},
                    {"reference": {"reference": "Observation/1"}},
                ],
                "clinicalStatus": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                            "code": "unknown",
                        }
                    ]
                },
            },
        ),
    }
    for kind, (r4, r5) in told.items():
        assert as_r5({"resourceType": kind} | r4) == {"resourceType": kind} | r5
        assert as_r4({"resourceType": kind} | r5) == {"resourceType": kind} | r4


def test_somebody_who_pays_for_themselves_is_no_insurer_in_r5() -> None:
    own = {"resourceType": "Coverage", "payor": [{"reference": "Patient/1"}]}

    assert as_r5(own) == {
        "resourceType": "Coverage",
        "kind": "self-pay",
        "paymentBy": [{"party": {"reference": "Patient/1"}}],
    }
    assert as_r4(as_r5(own)) == own


def test_the_past_of_a_stay_has_no_place_in_an_r5_encounter() -> None:
    assert as_r5({"resourceType": "Encounter", "statusHistory": [{"status": "planned"}]}) == {
        "resourceType": "Encounter"
    }


# --- what we read


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_published_r5_example_comes_back_exactly_as_it_was(name) -> None:
    example = EXAMPLES[name]

    assert as_r5(as_r4(example), example) == example


def test_an_r5_stay_reads_as_an_r4_one() -> None:
    stay = as_r4(EXAMPLES["encounter-example-f203-20130311"])

    assert stay["status"] == "finished"
    assert stay["class"] == {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        "code": "IMP",
        "display": "inpatient encounter",
    }
    assert stay["period"] == {"start": "2013-03-11", "end": "2013-03-20"}
    assert [p["individual"]["reference"] for p in stay["participant"]] == ["Practitioner/f201"]
    assert stay["reasonCode"] == [
        {"text": "The patient seems to suffer from bilateral pneumonia and renal insufficiency, most likely due to chemotherapy."}
    ]  # fmt: skip
    assert stay["hospitalization"]["admitSource"]["coding"][0]["code"] == "309902002"
    assert stay["diagnosis"][0]["condition"] == {"reference": "Condition/stroke"}
    assert not {"actualPeriod", "admission", "reason"} & set(stay)


@pytest.mark.parametrize(
    ("r5", "r4"),
    [
        ("completed", "finished"),
        ("discharged", "finished"),
        ("discontinued", "finished"),
        ("on-hold", "onleave"),
        ("planned", "planned"),
        ("in-progress", "in-progress"),
        ("cancelled", "cancelled"),
        ("entered-in-error", "entered-in-error"),
    ],
)
def test_each_status_of_an_r5_encounter_has_its_r4_word_and_stays_as_it_was(r5, r4) -> None:
    stay = {"resourceType": "Encounter", "status": r5}

    assert as_r4(stay)["status"] == r4
    assert as_r5(as_r4(stay), stay)["status"] == r5


def test_an_act_code_is_preferred_among_several_classes() -> None:
    local = {"coding": [{"system": "https://local.example", "code": "X"}]}
    act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}

    assert as_r4({"resourceType": "Encounter", "class": [local, {"coding": [act]}]})["class"] == act
    assert as_r4({"resourceType": "Encounter", "class": [local]})["class"] == local["coding"][0]
    assert "class" not in as_r4({"resourceType": "Encounter"})


def test_changing_one_thing_leaves_what_only_r5_can_say() -> None:
    task = {
        "resourceType": "Task",
        "id": "1",
        "status": "requested",
        "statusReason": {"concept": {"text": "waiting"}, "reference": {"reference": "Observation/1"}},
        "reason": [
            {"concept": {"text": "one"}},
            {"concept": {"text": "two"}},
            {"reference": {"reference": "Condition/1"}},
        ],
        "performer": [{"actor": {"reference": "Practitioner/2"}}],
        "requestedPeriod": {"end": "2026-03-09"},
    }

    changed = as_r5({**as_r4(task), "status": "accepted"}, task)

    assert changed == {**task, "status": "accepted"}


def test_a_new_activity_leaves_the_others_as_they_were() -> None:
    before = {
        "resourceType": "CarePlan",
        "activity": [
            {
                "performedActivity": [
                    {"concept": {"text": "done"}, "reference": {"reference": "Procedure/1"}}
                ],
                "plannedActivityReference": {"reference": "Task/1"},
            }
        ],
    }
    seen = as_r4(before)
    seen["activity"].append({"reference": {"reference": "Task/2"}})

    assert as_r5(seen, before)["activity"] == [
        *before["activity"],
        {"plannedActivityReference": {"reference": "Task/2"}},
    ]


WORD = st.sampled_from(["a", "b", "c"])
CONCEPT = st.fixed_dictionaries({"text": WORD})
REFERENCE = st.fixed_dictionaries({"reference": WORD.map("Condition/{}".format)})
CODEABLE = st.fixed_dictionaries({}, optional={"concept": CONCEPT, "reference": REFERENCE}).filter(bool)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORD, inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from(sorted(LENSES)), st.data())
def test_whatever_an_r5_resource_holds_is_put_back_when_nothing_was_changed(kind, data) -> None:
    names = sorted({name for lens in LENSES[kind] for name in lens.r5} | {"status", "identifier"})
    members = data.draw(
        st.dictionaries(st.sampled_from(names), CODEABLE | st.lists(CODEABLE, max_size=3) | ANYTHING)
    )
    resource = {"resourceType": kind, **members}

    assert as_r5(as_r4(resource), resource) == resource
