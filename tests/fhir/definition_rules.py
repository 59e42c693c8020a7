"""What FHIR R4 asks of definitions beyond their shape: invariants by their names, required codes, and links that lead somewhere.

Each rule raises AssertionError with the place; models for shape and types are asked first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from service.fhir.paths.parser import parse
from tests.fhir.r4 import PRIORITY, at, check_narrative, leaves

NAME = re.compile(r"[A-Z]([A-Za-z0-9_]){0,254}")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REQUIRED: Mapping[str, Mapping[str, set[str]]] = {
    "PlanDefinition": {
        "status": {"draft", "active", "retired", "unknown"},
        "relatedArtifact.type": {
            "documentation", "justification", "citation", "predecessor", "successor", "derived-from", "depends-on", "composed-of",
        },
    },
    "ActivityDefinition": {
        "status": {"draft", "active", "retired", "unknown"},
        "kind": {"Task"},
        "intent": {"proposal", "plan", "directive", "order", "option"},
        "priority": PRIORITY,
        "participant.type": {"patient", "practitioner", "related-person", "device"},
    },
    "Questionnaire": {
        "status": {"draft", "active", "retired", "unknown"},
        "item.type": {"string", "open-choice", "choice", "group", "display", "text", "boolean", "date"},
    },
    "ValueSet": {"status": {"draft", "active", "retired", "unknown"}},
}  # fmt: skip
ACTION: Mapping[str, set[str]] = {
    "priority": PRIORITY,
    "groupingBehavior": {"visual-group", "logical-group", "sentence-group"},
    "selectionBehavior": {"any", "all", "all-or-none", "exactly-one", "at-most-one", "one-or-more"},
    "requiredBehavior": {"must", "could", "must-unless-documented"},
    "cardinalityBehavior": {"single", "multiple"},
    "condition.kind": {"applicability", "start", "stop"},
    "participant.type": {"patient", "practitioner", "related-person", "device"},
    "relatedAction.relationship": {
        "before-start", "before", "before-end", "concurrent-with-start", "concurrent", "concurrent-with-end", "after-start",
        "after", "after-end",
    },
    "trigger.type": {
        "named-event", "periodic", "data-changed", "data-added", "data-modified", "data-accessed", "data-access-ended",
    },
}  # fmt: skip
DATA_EVENTS = {"data-changed", "data-added", "data-modified", "data-accessed", "data-access-ended"}
UCUM_TIMES = {"s", "min", "h", "d", "wk", "mo", "a"}


def check_definition(resource: Mapping[str, Any]) -> None:
    """One resource by itself."""
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(dict(resource))
    assert ID.fullmatch(resource["id"]), f"{resource['id']} is not a FHIR id"
    assert resource["url"].endswith(f"/{kind}/{resource['id']}"), "a url that does not end in type and id"
    assert NAME.fullmatch(resource["name"]), f"pdf-0/adf-0/que-0/vsd-0: {resource['name']}"
    for path, allowed in REQUIRED[kind].items():
        assert set(at(resource, path)) <= allowed, f"{kind}.{path}: {set(at(resource, path)) - allowed}"
    for path, value in leaves(resource):
        assert value not in ("", None, [], {}), f"{kind}{path} is empty"
    if "text" in resource:
        check_narrative(resource["text"])
    for each in everything(resource):
        _check_element(each)
    _OWN.get(kind, lambda _: None)(resource)


def check_package(resources: list[Mapping[str, Any]]) -> None:
    """All of them together: every canonical among our own leads to one of them, and each is there once."""
    canonicals = {f"{r['url']}|{r.get('version', '')}" for r in resources} | {r["url"] for r in resources}
    counted = Counter(r["url"] for r in resources)
    assert not [url for url, times in counted.items() if times > 1]
    for resource in resources:
        for link in _links(resource):
            assert link in canonicals, (
                f"{resource['resourceType']}/{resource['id']} refers to {link}, which is not here"
            )


def _links(resource: Mapping[str, Any]) -> Iterator[str]:
    for each in everything(resource):
        for name in ("definitionCanonical", "resource"):
            if isinstance(each.get(name), str):
                yield each[name]
        value_sets = each.get("valueSet")
        yield from [value_sets] if isinstance(value_sets, str) else value_sets or []
        if "expression" in each and isinstance(each["expression"], str):
            yield from re.findall(r"memberOf\('([^']+)'\)", each["expression"])


def everything(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every element of a resource, itself first."""
    if isinstance(value, Mapping):
        yield value
        for inside in value.values():
            yield from everything(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from everything(inside)


def _check_element(each: Mapping[str, Any]) -> None:
    if "language" in each:
        _check_expression(each)
    if (
        "url" in each
        and "resourceType" not in each
        and ("extension" in each or any(k.startswith("value") for k in each))
    ):
        values = [key for key in each if key.startswith("value")]
        assert ("extension" in each) != bool(values), f"ext-1: {each['url']}"
        assert len(values) <= 1, f"{each['url']} has two values"
    if {"unit", "value"} <= set(each):
        assert each["system"] == "http://unitsofmeasure.org", "drt-1, qty-3"
        assert each["code"] in UCUM_TIMES, "drt-1"
    if set(each) == {"system", "code"} or {"system", "code", "display"} == set(each):
        assert each["system"].startswith("http"), f"a coding of no system: {each}"


def _check_expression(each: Mapping[str, Any]) -> None:
    assert each["language"] == "text/fhirpath"
    assert each.get("expression") or each.get("reference"), "exp-1"
    assert each["description"].strip(), "an expression without words beside it"
    parse(each["expression"])


# --- PlanDefinition


def actions(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for action in resource.get("action", []):
        yield action
        yield from actions(action)


def _check_plan(plan: Mapping[str, Any]) -> None:
    found = list(actions(plan))
    ids = Counter(action["id"] for action in found)
    assert not [name for name, times in ids.items() if times > 1], (
        f"action ids that come twice: {ids.most_common(3)}"
    )
    for action in found:
        place = f"action {action['id']}"
        assert action.get("title") or action.get("textEquivalent"), f"{place} says nothing to people"
        for path, allowed in ACTION.items():
            assert set(at(action, path)) <= allowed, f"{place}.{path}: {set(at(action, path)) - allowed}"
        assert {each["actionId"] for each in action.get("relatedAction", [])} <= set(ids), (
            f"{place} is related to nothing"
        )
        for trigger in action.get("trigger", []):
            _check_trigger(trigger, place)
        triggered = [data for trigger in action.get("trigger", []) for data in trigger.get("data", [])]
        for requirement in (*action.get("input", []), *action.get("output", []), *triggered):
            _check_requirement(requirement, place)
        assert sum(key.startswith("timing") for key in action) <= 1, f"{place}: timing[x] twice"
        if "definitionCanonical" not in action:
            assert action.get("action") or action["id"].startswith("stage."), f"{place} does nothing"


def _check_trigger(trigger: Mapping[str, Any], place: str) -> None:
    timings = [key for key in trigger if key.startswith("timing")]
    assert not (timings and trigger.get("data")), f"trd-1: {place}"
    assert "condition" not in trigger or trigger.get("data"), f"trd-2: {place}"
    if trigger["type"] in DATA_EVENTS:
        assert trigger.get("data"), f"trd-3: {place}"
    if trigger["type"] == "named-event":
        assert trigger.get("name"), f"trd-3: {place}"


def _check_requirement(requirement: Mapping[str, Any], place: str) -> None:
    for each in requirement.get("codeFilter", []):
        assert ("path" in each) != ("searchParam" in each), f"drq-1: {place}"
        assert "valueSet" in each or "code" in each, f"a filter by nothing: {place}"


# --- Questionnaire


def _check_questionnaire(resource: Mapping[str, Any]) -> None:
    items = [each for each in everything(resource.get("item", [])) if "linkId" in each]
    ids = Counter(each["linkId"] for each in items)
    assert not [name for name, times in ids.items() if times > 1], "que-2"
    for item in items:
        place = item["linkId"]
        if item["type"] == "group":
            assert item.get("item"), f"que-1: {place}"
        if item["type"] == "display":
            assert not {"item", "code", "required"} & set(item), f"que-1, 3, 6: {place}"
        assert not ("answerOption" in item and "answerValueSet" in item), f"que-4: {place}"
        if "answerOption" in item or "answerValueSet" in item:
            assert item["type"] in {
                "choice",
                "open-choice",
                "decimal",
                "integer",
                "date",
                "dateTime",
                "time",
                "string",
                "quantity",
            }, f"que-5: {place}"
        assert "answerOption" not in item or not item.get("initial"), f"que-11: {place}"
        if "maxLength" in item:
            assert item["type"] in {
                "boolean",
                "decimal",
                "integer",
                "string",
                "text",
                "url",
                "open-choice",
            }, f"que-10: {place}"
        for option in item.get("answerOption", []):
            assert sum(key.startswith("value") for key in option) == 1


# --- ValueSet


def _check_value_set(resource: Mapping[str, Any]) -> None:
    compose = resource["compose"]
    assert compose["include"]
    for each in (*compose["include"], *compose.get("exclude", [])):
        assert each.get("valueSet") or each.get("system"), "vsd-1"
        assert not (each.get("concept") or each.get("filter")) or each.get("system"), "vsd-2"
        assert not (each.get("concept") and each.get("filter")), "vsd-3"


_OWN = {"PlanDefinition": _check_plan, "Questionnaire": _check_questionnaire, "ValueSet": _check_value_set}
