"""Which pathways a person is on at once, what each of them asks, and who answers for the person. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.fhir import systems
from service.fhir.read.elements import extension_value
from service.fhir.references import identifier_values, mapping
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class OnPathway:
    """One enrolment, and the follow-ups that it asks for itself."""

    identifier: str
    title: str
    answers: str
    """Who answers for the person as a whole: the lead of this pathway, or of another that goes before it."""
    asks: tuple[str, ...]
    """Titles of its follow-ups; what another pathway asks for the same purpose is not among them."""


def pathways_of(resources: Iterable[Resource]) -> list[OnPathway]:
    """Of one person's tasks, plans and communications; the pathway that asks most first."""
    read = list(resources)
    found = [
        OnPathway(
            identifier=identifier,
            title=str(plan.get("title", "")),
            answers=_answers(plan),
            asks=tuple(_titles(read, identifier)),
        )
        for plan in read
        for identifier in identifier_values(plan, systems.ENROLMENT)
    ]
    return sorted(found, key=lambda each: (-len(each.asks), each.identifier))


def _answers(plan: Resource) -> str:
    named = extension_value(plan, systems.ACCOUNTABLE_LEAD, "valueReference") or plan.get("author")
    return str(mapping(named).get("display", ""))


def _titles(resources: Iterable[Resource], enrolment: str) -> Iterator[str]:
    below = len(f"{enrolment}/task/1".split("/"))
    for each in resources:
        for identifier in identifier_values(each, systems.FOLLOW_UP):
            if identifier.startswith(f"{enrolment}/") and len(identifier.split("/")) == below:
                yield str(mapping(each.get("code")).get("text", ""))
