"""Is a rendered resource valid R4? Models for shape and types, and the codes of required bindings, which models skip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from fhir.resources.R4B import get_fhir_model_class

PRIORITY = {"routine", "urgent", "asap", "stat"}
REQUIRED_CODES: Mapping[str, Mapping[str, set[str]]] = {
    "Task": {
        "status": {
            "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold",
            "failed", "completed", "entered-in-error",
        },
        "intent": {
            "unknown", "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order",
            "option",
        },
        "priority": PRIORITY,
    },
    "CarePlan": {
        "status": {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"},
        "intent": {"proposal", "plan", "order", "option"},
        "activity.detail.status": {
            "not-started", "scheduled", "in-progress", "on-hold", "completed", "cancelled", "stopped", "unknown",
            "entered-in-error",
        },
    },
    "Communication": {
        "status": {
            "preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown",
        },
        "priority": PRIORITY,
    },
    "Provenance": {"entity.role": {"derivation", "revision", "quotation", "source", "removal"}},
    "OperationOutcome": {
        "issue.severity": {"fatal", "error", "warning", "information"},
        "issue.code": {
            "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
            "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
            "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient",
            "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational",
        },
    },
}  # fmt: skip
PEOPLE = ("Practitioner/", "PractitionerRole/")
NARRATIVE_TAGS = {"div", "p", "b", "ul", "li"}


def check_r4(resource: Mapping[str, Any]) -> None:
    """AssertionError or the model's own error when the resource is not valid R4 as we write it."""
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(dict(resource))
    for path, allowed in REQUIRED_CODES.get(kind, {}).items():
        for code in at(resource, path):
            assert code in allowed, f"{kind}.{path} '{code}' is not in its required value set"
    for path, value in leaves(resource):
        assert value not in ("", None, [], {}), f"{kind}.{path} is empty"
    if "text" in resource:
        check_narrative(resource["text"])
    if kind == "Task":
        assert resource["owner"]["reference"].startswith(PEOPLE), "a role alone is not an owner"
        assert resource["owner"]["display"]


def check_narrative(text: Mapping[str, Any]) -> None:
    assert text["status"] in {"generated", "extensions", "additional", "empty"}
    for element in ET.fromstring(text["div"]).iter():
        namespace, _, name = element.tag[1:].partition("}")
        assert namespace == "http://www.w3.org/1999/xhtml"
        assert name in NARRATIVE_TAGS
        assert not element.attrib


def words(resource: Mapping[str, Any]) -> str:
    """The narrative as a person reads it: one line per element."""
    root = ET.fromstring(resource["text"]["div"])
    return "\n".join(element.text for element in root.iter() if element.text)


def at(value: Any, path: str) -> Iterator[Any]:
    name, _, rest = path.partition(".")
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping) and name in each:
            yield from at(each[name], rest) if rest else iter([each[name]])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in items:
        yield f"{path}.{name}", inner
        yield from leaves(inner, f"{path}.{name}")
