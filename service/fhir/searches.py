"""Which searches bring a person's record, in parameters that R4 servers commonly support; and whom a resource is about.

Builds searches and reads references; sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.references import (
    identifier_values,
    mapping,
    mappings,
    reference_to,
    referred,
    relative_reference,
)
from service.fhir.systems import ENROLMENT, PATHWAY_PLAN, PLAN_CATEGORY
from service.ports import Resource, Search

ALWAYS = frozenset({"CarePlan", "Task", "Communication"})
"""Our own bookkeeping lives in these, so every read covers them."""
SHARED = frozenset(
    {
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "HealthcareService",
        "Endpoint",
        "Device",
    }
)
"""Types that are about the site, not about one person."""
ROLES_PER_SEARCH = 40
"""Keeps the URL of a role search below what proxies cut (about 8,000 characters)."""
ENROLMENTS_PER_SEARCH = 30
"""The same for a search of enrolments by their identifiers."""

PEOPLE_PER_SEARCH = 30
"""The same for what changed about several people."""

_PARAMETER = {
    "AdverseEvent": "subject",
    "Appointment": "actor",  # `patient` needs resolve() on the server; `actor` is a plain reference
    "Group": "member",
    "Schedule": "actor",
    "Slot": "schedule.actor",
    "SupplyRequest": "subject",
}
"""Search parameter for "about this person" where it is not `patient` (R4 search parameter registry)."""


def enrolment_search(person: Reference) -> Search:
    """Every enrolment of the person, whatever its age: their beginnings say how far back the rest must be read."""
    return _enrolments_of(person)


def _enrolments_of(people: str) -> Search:
    return Search(
        kind="CarePlan", params=(("patient", people), ("category", f"{PLAN_CATEGORY}|{PATHWAY_PLAN}"))
    )


def anchored_searches(anchors: Iterable[Reference], pathways: Iterable[PathwayId]) -> list[Search]:
    """Enrolments that any of these resources began on any of these pathways, whatever their status.

    One that is over counts too: where the same resource began the pathway again, it is about the same person.
    """
    known = sorted(pathways)
    return enrolments_named(f"{pathway}/{anchor}" for anchor in anchors for pathway in known)


def enrolments_named(identifiers: Iterable[str]) -> list[Search]:
    """Enrolments of these names, whoever they are about and whatever their status."""
    tokens = iter([_token(ENROLMENT, each) for each in identifiers])
    searches = []
    while batch := list(islice(tokens, ENROLMENTS_PER_SEARCH)):
        searches.append(Search(kind="CarePlan", params=(("identifier", ",".join(batch)),)))
    return searches


def ours_under(person: Reference) -> list[Search]:
    """Everything of the types in which we write about a person, of any age."""
    return [Search(kind=kind, params=((_PARAMETER.get(kind, "patient"), person),)) for kind in sorted(ALWAYS)]


def anchors_of(enrolment: Resource) -> list[Reference]:
    """What an enrolment CarePlan says in its identifier, `<pathway>/<Type>/<id>`, that it began with."""
    named = (value.partition("/")[2] for value in identifier_values(enrolment, ENROLMENT))
    return [reference for text in named if (reference := relative_reference(text))]


def person_searches(
    person: Reference,
    types: frozenset[str],
    since: datetime,
    role_codes: Iterable[tuple[str | None, str]] = (),
    *,
    ever: frozenset[str] = frozenset(),
    also: Iterable[Reference] = (),
) -> list[Search]:
    """The person, what changed about them since `since`, their care teams, and who holds the roles.

    `since` must not lie after the start of an open enrolment: its follow-ups would go unseen. Types in `ever` are
    read whole. `also` are single resources to read, e.g. the accountable person of the site.
    """
    window = ("_lastUpdated", f"ge{_instant(since)}")
    searches = [_by_id(person)]
    for kind in sorted((types | ALWAYS | ever) - SHARED - {"Patient", "CareTeam"}):
        about = (_PARAMETER.get(kind, "patient"), person)
        searches.append(Search(kind=kind, params=(about,) if kind in ever else (about, window)))
    searches.append(care_team_search(person))
    searches += directory_searches(role_codes)
    searches += [_by_id(reference) for reference in sorted(set(also))]
    return searches


def searches_of_several(people: Iterable[Reference], types: frozenset[str], since: datetime) -> list[Search]:
    """What changed since `since` about many people at once, themselves, and every enrolment; not their care teams."""
    window = ("_lastUpdated", f"ge{_instant(since)}")
    everybody = iter(sorted(set(people)))
    searches = []
    while batch := list(islice(everybody, PEOPLE_PER_SEARCH)):
        ids = ",".join(person.partition("/")[2] for person in batch)
        together = ",".join(batch)
        searches.append(Search(kind="Patient", params=(("_id", ids),)))
        searches.append(_enrolments_of(together))
        for kind in sorted(types - SHARED - {"Patient"}):
            about = (_PARAMETER.get(kind, "patient"), together)
            searches.append(Search(kind=kind, params=(about, window)))
    return searches


def care_team_search(person: Reference) -> Search:
    """The person's care teams of any age with their members' names; whether a team is current is judged when read."""
    return Search(kind="CareTeam", params=(("patient", person), ("_include", "CareTeam:participant")))


def directory_searches(role_codes: Iterable[tuple[str | None, str]]) -> list[Search]:
    """Who works here in which role, with names. The same for every person: a caller may keep the answer for a while."""
    tokens = iter(sorted({_token(system, code) for system, code in role_codes}))
    searches = []
    while batch := list(islice(tokens, ROLES_PER_SEARCH)):
        params = (("role", ",".join(batch)), ("_include", "PractitionerRole:practitioner"))
        searches.append(Search(kind="PractitionerRole", params=params))
    return searches


def person_of(resource: Resource, base: str = "") -> Reference | None:
    """The Patient a resource is about; None when it is about none. The first one where there are several."""
    return next(iter(people_of(resource, base)), None)


def people_of(resource: Resource, base: str = "") -> tuple[Reference, ...]:
    """Every Patient a resource is about (a group appointment has several), in the order of the resource."""
    if resource.get("resourceType") == "Patient":
        own = reference_to(resource)
        return (own,) if own else ()
    elements = _ABOUT.get(str(resource.get("resourceType")), _subject)(resource)
    found: list[Reference] = []
    for element in elements:
        each = referred(element, base) if element is not None else None
        if each and each.startswith("Patient/") and each not in found:
            found.append(each)
    return tuple(found)


def _subject(resource: Resource) -> Iterator[Any]:
    """R4 names the person `subject` or `patient`; no resource type uses both for different people."""
    yield resource.get("subject")
    yield resource.get("patient")


def _task(resource: Resource) -> Iterator[Any]:
    yield resource.get("for")


def _participants(resource: Resource) -> Iterator[Any]:
    return (each.get("actor") for each in mappings(resource.get("participant")))


def _response_actor(resource: Resource) -> Iterator[Any]:
    yield resource.get("actor")


def _beneficiary(resource: Resource) -> Iterator[Any]:
    yield resource.get("beneficiary")


def _targets(resource: Resource) -> Iterator[Any]:
    yield from mappings(resource.get("target"))


def _members(resource: Resource) -> Iterator[Any]:
    return (each.get("entity") for each in mappings(resource.get("member")))


def _links(resource: Resource) -> Iterator[Any]:
    return (each.get("target") for each in mappings(resource.get("link")))


def _audited(resource: Resource) -> Iterator[Any]:
    return (mapping(each).get("what") for each in mappings(resource.get("entity")))


_ABOUT: dict[str, Callable[[Resource], Iterator[Any]]] = {
    "Task": _task,
    "EnrollmentRequest": lambda resource: iter([resource.get("candidate")]),
    "Appointment": _participants,
    "AppointmentResponse": _response_actor,
    "Coverage": _beneficiary,
    "Provenance": _targets,
    "AuditEvent": _audited,
    "Group": _members,
    "Person": _links,
    "ResearchSubject": lambda resource: iter([resource.get("individual")]),
}


def _by_id(reference: Reference) -> Search:
    kind, _, logical_id = reference.partition("/")
    return Search(kind=kind, params=(("_id", logical_id),))


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _token(system: str | None, code: str) -> str:
    """`system|code`; without a system the code alone, which servers match in any system (R4 Search, 3.1.1.4.10)."""
    return _escaped(code) if system is None else f"{_escaped(system)}|{_escaped(code)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
