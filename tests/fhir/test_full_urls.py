"""References to resources that do not exist yet, resolved or left out."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from service.fhir.full_urls import full_urls, resolved, without

A, B = "urn:uuid:a", "urn:uuid:b"
PLAN = {
    "resourceType": "CarePlan",
    "subject": {"reference": "Patient/ana"},
    "author": {"reference": A, "display": "Lee"},
    "activity": [
        {"reference": {"reference": A}},
        {"detail": {"status": "not-started"}},
        {"reference": {"reference": B}},
    ],
    "basedOn": [{"reference": B}],
    "extension": [
        {"url": "x", "extension": [{"url": "y", "valueReference": {"reference": B}}, {"url": "z"}]}
    ],
    "note": [],
}


def test_every_reference_to_something_new_is_seen_however_deep():
    assert full_urls(PLAN) == {A, B}
    assert full_urls({"resourceType": "Task", "description": A, "identifier": [{"value": B}]}) == frozenset()


def test_known_ones_are_resolved_and_everything_else_stays():
    before = copy.deepcopy(PLAN)
    done = resolved(PLAN, {A: "Task/1", B: "Task/2"})
    assert done["author"] == {"reference": "Task/1", "display": "Lee"}
    assert [a.get("reference") for a in done["activity"]] == [
        {"reference": "Task/1"},
        None,
        {"reference": "Task/2"},
    ]
    assert full_urls(done) == frozenset()
    assert before == PLAN


def test_unknown_ones_are_left_out_with_the_list_item_that_holds_them():
    assert without(PLAN, {B}) == {
        "resourceType": "CarePlan",
        "subject": {"reference": "Patient/ana"},
        "author": {"reference": A, "display": "Lee"},
        "activity": [{"reference": {"reference": A}}, {"detail": {"status": "not-started"}}],
        "extension": [{"url": "x", "extension": [{"url": "z"}]}],
        "note": [],
    }


def test_a_reference_that_stands_alone_is_left_out_by_itself():
    assert "author" not in without(PLAN, {A})
    stay = {"dischargeDisposition": {"text": "home"}, "destination": {"reference": A}}
    assert without({"hospitalization": stay}, {A}) == {
        "hospitalization": {"dischargeDisposition": {"text": "home"}}
    }
    assert without(PLAN, {A})["activity"] == [
        {"detail": {"status": "not-started"}},
        {"reference": {"reference": B}},
    ]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([A, B, "Task/1"])
    | st.builds(lambda to: {"reference": to}, st.sampled_from([A, B, "Task/1"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from("xyz"), TREES, max_size=3))
def test_whatever_the_resource_nothing_unknown_is_left_and_nothing_else_is_touched(resource):
    assert full_urls(without(resource, {A})) == full_urls(without(resource, {A})) - {A}
    assert without(resource, set()) == resource
    assert resolved(resource, {}) == resource
