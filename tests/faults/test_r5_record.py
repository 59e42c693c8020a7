"""A record server that speaks R5: the same stories end in the same follow-ups, and every resource written is valid R5."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class

from service.adapters.fhir_versions import VersionNeutralRecord
from service.domain.vocabulary import Reference
from service.fhir.r5 import as_r4, as_r5
from service.pathways.cases import Step
from service.ports import Resource
from tests.faults.standing import differences, told_of, wrong_with
from tests.faults.town import RewindableRecord, Town, case, play

STORIES = [
    ("post-discharge-coordination", "missed-contact-every-rung"),
    ("post-discharge-coordination", "rejected-goes-to-somebody-else"),
    ("crisis-to-outpatient", "handed-over-and-engaged"),
]


class R5Town(Town):
    """A town whose record holds R5; workers see it through the version-neutral record."""

    def __init__(self) -> None:
        super().__init__(seen_through=lambda record: VersionNeutralRecord(record, lambda: "5.0.0"))

    def happens(self, step: Step) -> None:
        for resource in step.arrives:
            self.record.put(as_r5(resource))
        super().happens(replace(step, arrives=()))


def invalid(resource: Resource) -> str | None:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(deepcopy(dict(resource)))
    except ValueError as problem:
        return f"{resource['resourceType']}: {problem}"
    return None


def everything_ever(record: RewindableRecord) -> list[Any]:
    return [
        v for r in record.everything() for v in record.versions(Reference(f"{r['resourceType']}/{r['id']}"))
    ]


@pytest.mark.parametrize(("pathway", "name"), STORIES, ids=[name for _, name in STORIES])
def test_a_story_on_an_r5_server_ends_as_on_an_r4_server(pathway, name):
    r4, r5 = Town(), R5Town()
    for town in (r4, r5):
        play(town, case(pathway, name), town.settle)

    found = [as_r4(resource) for resource in r5.record.everything()]
    assert r5.letters.list() == []
    assert wrong_with(found) == []
    assert differences(told_of(found), told_of(r4.record.everything())) == []
    kept = everything_ever(r5.record)
    assert {"Encounter", "CarePlan", "Task", "Communication", "Provenance"} <= {
        r["resourceType"] for r in kept
    }
    assert [problem for resource in kept if (problem := invalid(resource))] == []
