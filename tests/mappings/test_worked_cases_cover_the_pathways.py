"""The worked cases of each shipped pathway live through all of it: each gate, each ladder to its last rung, each measure."""

from functools import cache

import pytest
import yaml

from tests.mappings.shipped import MAPPINGS

NAMES = sorted(path.parent.name for path in (MAPPINGS / "pathways").glob("*/pathway.yaml"))


def read(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


@cache
def pathway(name):
    return read(MAPPINGS / "pathways" / name / "pathway.yaml")


@cache
def cases(name):
    """For each case, what it expects, in order of time."""
    files = sorted((MAPPINGS / "pathways" / name / "cases").glob("*.yaml"))
    return [[step["expect"] for step in read(file)["timeline"] if "expect" in step] for file in files]


def of_each(part):
    asked = [(name, each["id"]) for name in NAMES for each in pathway(name).get(part, [])]
    return pytest.mark.parametrize(("name", "wanted"), asked, ids=[" ".join(each) for each in asked])


def is_past(name, expected, gate):
    """The stage that the gate stands before has been reached."""
    stages = [stage["id"] for stage in pathway(name)["stages"]]
    return "stage" in expected and stages.index(expected["stage"]) >= stages.index(gate["before"])


def is_released(name, expected, gate):
    return gate["id"] not in expected["unmet"] if "unmet" in expected else is_past(name, expected, gate)


@of_each("gates")
def test_each_gate_is_seen_unmet_and_later_released(name, wanted):
    gate = next(each for each in pathway(name)["gates"] if each["id"] == wanted)
    seen = False
    for expectations in cases(name):
        unmet = [place for place, each in enumerate(expectations) if wanted in each.get("unmet", [])]
        later = expectations[unmet[0] + 1 :] if unmet else []
        seen = seen or any(is_released(name, each, gate) for each in later)
    assert seen


@of_each("measures")
def test_each_measure_is_counted(name, wanted):
    assert any(wanted in each.get("measures", {}) for expectations in cases(name) for each in expectations)


UNOWNED = "unowned"
"""Of a role that nobody holds, not of a follow-up."""
LADDERS = [(name, ladder) for name in NAMES for ladder in pathway(name)["escalations"] if ladder != UNOWNED]


@pytest.mark.parametrize("name", NAMES)
def test_a_role_that_nobody_holds_is_noticed(name):
    assert any(UNOWNED in each.get("variances", []) for expectations in cases(name) for each in expectations)


@pytest.mark.parametrize(("name", "ladder"), LADDERS, ids=[" ".join(each) for each in LADDERS])
def test_each_ladder_is_climbed_to_its_last_rung(name, ladder):
    climbers = {
        task["id"]
        for stage in pathway(name)["stages"]
        for task in stage.get("tasks", [])
        if task.get("escalation") == ladder
    }
    reached = [
        int(rung)
        for expectations in cases(name)
        for each in expectations
        for task, rung in each.get("escalated", {}).items()
        if task in climbers and rung.isdigit()
    ]
    # More than its rungs where two clocks of one follow-up had run out.
    assert max(reached, default=0) >= len(pathway(name)["escalations"][ladder]["rungs"])


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_never_told_to_whoever_is_silent(name):
    """To fix: a ladder of its own, which begins with whoever stands above the owner."""
    ladders = pathway(name)["escalations"]
    told_themselves = [
        task["id"]
        for stage in pathway(name)["stages"]
        for task in stage.get("tasks", [])
        if (ladder := task.get("escalation")) and not _told(ladders[ladder]).isdisjoint(_owners(task))
    ]

    assert told_themselves == []


def _told(ladder):
    return {rung.get("notify") or rung["reassign-to"] for rung in ladder["rungs"]}


def _owners(task):
    owner = task.get("owner", "")
    return {role for key, role in owner.items() if key != "by"} if isinstance(owner, dict) else {owner}
