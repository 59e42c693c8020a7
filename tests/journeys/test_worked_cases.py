"""A worked case of each pathway, lived through on a real FHIR server: the record there holds what the case says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.journeys import cast
from tests.journeys.practice_folder import SHIPPED, folder_with
from tests.journeys.worked_cases import cases_of, play
from tests.journeys.world import open_world

TOGETHER: tuple[Mapping[str, str], ...] = (
    {
        "crisis-to-outpatient": "completed-late",
        "post-discharge-coordination": "each-gate-holds-then-opens",
        "coordination-ownership": "therapist-leads",
        "multidisciplinary-review": "decided-and-evaluated",
        "co-occurring-needs": "one-plan-one-coordinator",
        "smi-continuity": "owned-and-steady",
        "step-down": "warning-sign-and-back",
    },
    {
        "crisis-step-down": "missed-taper-contact-every-rung",
        "moderate-coordination": "agreed-sign-met",
        "deterioration-step-up": "safeguarding-trigger",
        "single-front-door": "not-accepted",
        "protected-middle-step": "waiting-then-allocated",
        "step-up": "stepped-up-and-stabilized",
    },
    {
        "post-ed-warm-handoff": "touchpoint-missed",
        "crisis-stabilization-follow-up": "first-appointment-missed",
    },
)
"""Pathway -> its case. Those of one group share a world: what happens in one of them begins no other of them."""


@pytest.mark.parametrize("chosen", TOGETHER, ids="+".join)
def test_the_record_on_a_real_server_ends_as_each_case_says(
    chosen: Mapping[str, str], tmp_path: Path
) -> None:
    mappings = folder_with(tmp_path, *chosen)
    cases = cases_of(mappings, chosen.items())
    env = {"THROUGHLINE_MAPPINGS_DIR": str(mappings)}
    with open_world(tmp_path, at=cases.begins_at, absent=frozenset(cast.STAFF), env=env) as world:
        assert play(world, cases) == []
        found = {told.name: world.record.pathways(told.person) for told in cases.told}
    assert found == {told.name: {told.pathway.id} for told in cases.told}


def test_every_shipped_pathway_is_lived_through() -> None:
    assert sorted(name for chosen in TOGETHER for name in chosen) == sorted(
        path.parent.name for path in SHIPPED.glob("pathways/*/pathway.yaml")
    )
