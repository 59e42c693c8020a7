"""Small R4 elements that several renderers share: codings, references to people and Tasks, extensions, identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.domain.evidence import Holder
from service.domain.vocabulary import Reference, Timeliness
from service.fhir import systems
from service.fhir.references import mappings

Json = dict[str, Any]

TIMELINESS_WORDS: Mapping[str, str] = {
    Timeliness.AWAITING_ACCEPTANCE: "Waiting to be accepted",
    Timeliness.ACCEPTANCE_OVERDUE: "Not accepted yet, past the accept-by time",
    Timeliness.ON_TRACK: "On track",
    Timeliness.ON_HOLD: "On hold",
    Timeliness.OVERDUE: "Not completed yet, past the complete-by time",
}


def coding(system: str, code: str, display: str = "") -> Json:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def concept(system: str, code: str, text: str = "", *, display: str = "") -> Json:
    """A CodeableConcept of one coding, with the words people see."""
    return {"coding": [coding(system, code, display)], **({"text": text} if text else {})}


def identifier(system: str, value: str) -> Json:
    return {"system": system, "value": value}


def person(holder: Holder) -> Json:
    """A Reference to a named person."""
    return {"reference": holder.reference, "display": holder.display}


def plan_category(code: str, display: str) -> list[Json]:
    """Ours, and the one US Core asks of every CarePlan."""
    return [
        concept(systems.PLAN_CATEGORY, code, display=display),
        concept(systems.US_CORE_PLAN_CATEGORY, "assess-plan"),
    ]


def encounter_of(anchor: Reference) -> Json:
    """`encounter`, when that is what the enrolment is anchored on."""
    return {"encounter": {"reference": anchor}} if systems.kind_of(anchor) == "Encounter" else {}


def role_type(role: str, title: str) -> list[Json]:
    """Task.performerType: the role that was looked for, in words."""
    return [concept(systems.ROLE, role, title, display=title)]


def timeliness(code: str) -> Json:
    return concept(systems.TIMELINESS, code, TIMELINESS_WORDS.get(code, code))


def with_extensions(resource: Mapping[str, Any], ours: Sequence[Json], urls: Iterable[str]) -> Json:
    """A copy in which our extensions `urls` are replaced by `ours`; everybody else's stay, in their order."""
    replaced = set(urls)
    kept = [each for each in mappings(resource.get("extension")) if each.get("url") not in replaced]
    both = [*ours, *kept]
    rest = {name: value for name, value in resource.items() if name != "extension"}
    return {**rest, "extension": both} if both else rest


def compact(resource: Mapping[str, Any]) -> Json:
    """Without elements that are None or empty: FHIR JSON forbids them (R4 JSON, 2.6.2)."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}


def updated(before: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    """A copy with our elements as they should be; one that is None or empty now is taken out, all others stay."""
    return {**{name: value for name, value in before.items() if name not in ours}, **compact(ours)}
