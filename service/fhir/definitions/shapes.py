"""Small R4 elements of definitions: ids, names, conditions with their words, data requirements, lengths of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from service.domain.due import Unit, Within
from service.domain.evidence import Condition
from service.domain.needs import InRecord, Needs, flat
from service.domain.pathway import Pathway
from service.domain.vocabulary import RoleId
from service.fhir import systems
from service.fhir.definitions.wording import Wording
from service.fhir.render.elements import Json, compact, concept
from service.fhir.render.narrative import narrative

FHIRPATH = "text/fhirpath"
UCUM = "http://unitsofmeasure.org"
_UCUM = {
    Unit.MINUTES: ("minutes", "min"),
    Unit.HOURS: ("hours", "h"),
    Unit.DAYS: ("days", "d"),
    Unit.WEEKS: ("weeks", "wk"),
}
LONGEST_ID = 64


def id_of(*parts: str) -> str:
    """A FHIR id made of slugs; a longer one is cut and ends with a mark of the whole."""
    whole = ".".join(parts)
    if len(whole) <= LONGEST_ID:
        return whole
    return f"{whole[: LONGEST_ID - 9].rstrip('.-')}-{sha256(whole.encode()).hexdigest()[:8]}"


def computable_name(*parts: str) -> str:
    """`PostDischargeCoordination` (invariant pdf-0, adf-0, que-0: a name that a program can use)."""
    return "".join(word.capitalize() for part in parts for word in part.split("-"))


def canonical(kind: str, logical_id: str, version: str) -> str:
    """url|version of one of our definitions."""
    return f"{systems.BASE}/{kind}/{logical_id}|{version}"


def head(kind: str, logical_id: str, pathway: Pathway, *, name: str, title: str, said: Iterable[str]) -> Json:
    """What every definition of a pathway begins with; `said` are the lines of its narrative."""
    approved = pathway.approved_on.isoformat() if pathway.approved_on else None
    return compact(
        {
            "resourceType": kind,
            "id": logical_id,
            "text": narrative(title, said),
            "url": f"{systems.BASE}/{kind}/{logical_id}",
            "version": pathway.version,
            "name": name,
            "title": title,
            "status": pathway.status if pathway.current else "retired",
            "experimental": False,
            "date": approved,
            "publisher": pathway.steward,
            "approvalDate": approved,
        }
    )


def patient() -> Json:
    return {"coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]}


def expression(path: str, words: str) -> Json:
    """FHIRPath with what it means beside it (exp-1)."""
    return {"description": words, "language": FHIRPATH, "expression": path}


def condition(kind: str, path: str, words: str) -> Json:
    """PlanDefinition.action.condition: `applicability`, `start` or `stop`."""
    return {"kind": kind, "expression": expression(path, words)}


def role(role: RoleId, pathway: Pathway) -> Json:
    """Who takes part, by the role that a named person is looked for in."""
    title = pathway.role_titles.get(role, role)
    return {"type": "practitioner", "role": concept(systems.ROLE, role, title, display=title)}


def duration(within: Within) -> Json | None:
    """A Duration; None for working hours and days, which UCUM does not have (drt-1)."""
    if within.unit not in _UCUM:
        return None
    unit, code = _UCUM[within.unit]
    return {"value": within.count, "unit": unit, "system": UCUM, "code": code}


def timing(within: Within, wording: Wording) -> Json:
    """timing[x] of an action: how long from its clock."""
    exact = duration(within)
    if exact is not None:
        return {"timingDuration": exact}
    return {"timingTiming": {"code": {"text": wording.length(within)}}}


def requirements(needs: Needs, wording: Wording) -> list[Json]:
    """What must be read to judge these needs, each once."""
    conditions = (need.condition for need in flat(needs) if isinstance(need, InRecord))
    found: list[Json] = []
    for each in conditions:
        found += [one for one in required(each, wording) if one not in found]
    return found


def required(condition: Condition, wording: Wording) -> Iterator[Json]:
    """A DataRequirement for a row, and for each other resource that it asks about."""
    yield requirement(condition, wording)
    for other in condition.asked.also:
        yield from required(other, wording)


def requirement(condition: Condition, wording: Wording) -> Json:
    """What a row asks about itself."""
    coded = condition.asked.coded.items()
    filters = [{"path": path, "valueSet": wording.value_sets[name]} for path, name in coded]
    return {"type": condition.kind, **({"codeFilter": filters} if filters else {})}


def value_sets_of(needs: Iterable[Needs], conditions: Iterable[Condition]) -> set[str]:
    """Ids of the value sets that these ask about."""
    asked = [need.condition for each in needs for need in flat(each) if isinstance(need, InRecord)]
    return {name for each in (*asked, *conditions) for name in _coded(each)}


def _coded(condition: Condition) -> Iterator[str]:
    yield from condition.asked.coded.values()
    for other in condition.asked.also:
        yield from _coded(other)


def cited(pathway: Pathway) -> list[Json]:
    """The sources of a pathway, as what it follows."""
    return [
        {"type": "citation", "label": name, "display": name, "citation": text}
        for name, text in pathway.sources.items()
    ]


def because(why: str, pathway: Pathway) -> list[Any]:
    """The source of one step."""
    text = pathway.sources.get(why)
    return [{"type": "citation", "label": why, "display": why, "citation": text}] if text else []
