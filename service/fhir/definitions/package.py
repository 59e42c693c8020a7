"""Everything that one version of a pathway is in FHIR, and how it is handed on: one Bundle, or a file each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.domain.pathway import Pathway, needs_of_pathway
from service.fhir.definitions.activity import activities
from service.fhir.definitions.plan import plan_definition
from service.fhir.definitions.questionnaire import questionnaire, questionnaire_url
from service.fhir.definitions.shapes import value_sets_of
from service.fhir.definitions.wording import Wording
from service.fhir.references import mappings
from service.fhir.render.elements import Json
from service.ports import Resource


def definitions(pathway: Pathway, wording: Wording, value_sets: Mapping[str, Resource]) -> list[Resource]:
    """The PlanDefinition first. `value_sets`: every ValueSet file by its id; those that the pathway asks about come along."""
    fields = questionnaire_url(pathway)
    found: list[Resource] = [plan_definition(pathway, wording)]
    found += activities(pathway, wording, fields)
    found += [questionnaire(pathway, wording)] if fields else []
    return [*found, *_value_sets(pathway, value_sets)]


def as_bundle(resources: Iterable[Resource]) -> Json:
    """A collection, each under its canonical url."""
    entries = [{"fullUrl": each["url"], "resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _value_sets(pathway: Pathway, known: Mapping[str, Resource]) -> list[Resource]:
    """Those that are asked about, and those that they are composed of."""
    conditions = [c for start in pathway.starts for c in (start.condition, *start.also, *start.unless) if c]
    wanted = sorted(value_sets_of(needs_of_pathway(pathway), conditions))
    by_url = {each["url"]: name for name, each in known.items()}
    found: dict[str, Resource] = {}
    while wanted:
        name = wanted.pop(0)
        if name not in found:
            found[name] = known[name]
            wanted += [by_url[url] for url in _composed_of(known[name]) if url in by_url]
    return [found[name] for name in sorted(found)]


def _composed_of(value_set: Resource) -> list[str]:
    compose = value_set.get("compose") or {}
    chosen = [*mappings(compose.get("include")), *mappings(compose.get("exclude"))]
    return [url for each in chosen for url in each.get("valueSet", [])]
