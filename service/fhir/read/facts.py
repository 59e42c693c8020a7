"""The facts about one person: every resource read that is about them and is not Throughline's own bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from service.domain.evidence import Fact
from service.domain.vocabulary import Reference
from service.fhir.read.elements import Notes, text_of
from service.fhir.read.happened import happened
from service.fhir.references import codings, identifier_values, mapping, mappings, reference_to, version_of
from service.fhir.searches import SHARED, people_of
from service.fhir.systems import DECISION, ENROLMENT, ESCALATION, FOLLOW_UP, NOTICE
from service.ports import Resource

OURS = {"CarePlan": (ENROLMENT, ESCALATION), "Task": (FOLLOW_UP,), "Communication": (NOTICE,)}

VOID = frozenset({"entered-in-error", "cancelled", "not-done"})
"""Statuses, of whichever resource type has them (R4 event-status, encounter-status, appointmentstatus, ...)."""
UNTRUE = frozenset({"entered-in-error", "refuted"})
"""Condition and AllergyIntolerance verificationStatus."""


def is_ours(resource: Resource) -> bool:
    """Whether Throughline wrote it: known by our identifier, or by the decision tag of our Provenance."""
    kind = text_of(resource.get("resourceType"))
    if kind == "Provenance":
        tags = mappings(mapping(resource.get("meta")).get("tag"))
        return any(tag.get("system") == DECISION for tag in tags)
    systems = OURS.get(kind)
    return systems is not None and any(identifier_values(resource, system) for system in systems)


def read_facts(
    resources: Iterable[Resource], *, person: Reference, now: datetime, zone: tzinfo, base: str, notes: Notes
) -> tuple[Fact, ...]:
    """One Fact per resource, in the order in which things happened (then by reference, so that it is always the same).

    Notes what is left out and why: resources without id, about somebody else, or the server's own warnings.
    """
    facts = []
    for resource in resources:
        if _is_about(resource, person, base, notes):
            fact = _fact(resource, now, zone, notes)
            if fact is not None:
                facts.append(fact)
    return tuple(sorted(facts, key=lambda fact: (fact.happened_at, fact.reference)))


def _is_about(resource: Resource, person: Reference, base: str, notes: Notes) -> bool:
    kind = text_of(resource.get("resourceType"))
    if kind == "OperationOutcome":
        _note_outcome(resource, notes)
        return False
    if kind in SHARED or is_ours(resource):
        return False
    people = people_of(resource, base)
    if people and person not in people:
        notes.add(
            reference_to(resource), "it came with the search but is about somebody else; it was left out"
        )
        return False
    return True


def _note_outcome(resource: Resource, notes: Notes) -> None:
    """A server tells inside a search result what it did not understand; its own words may hold values, so not them."""
    for issue in mappings(resource.get("issue")):
        if issue.get("severity") in {"fatal", "error", "warning"}:
            notes.add(
                "The server's answer to a search",
                f"came with a {issue['severity']} ({text_of(issue.get('code')) or 'no code'}); parts may be missing",
            )


def is_void(resource: Resource) -> bool:
    """Whether the record says that it did not happen after all; such a fact counts for nothing."""
    verified = {code for _, code in codings(resource.get("verificationStatus"))}
    return text_of(resource.get("status")) in VOID or bool(verified & UNTRUE)


def _fact(resource: Resource, now: datetime, zone: tzinfo, notes: Notes) -> Fact | None:
    reference = reference_to(resource)
    if reference is None:
        notes.add(None, "it cannot be referred to and was left out")
        return None
    moment, assumed, unreadable = happened(resource, zone)
    for sentence in unreadable:
        notes.add(reference, sentence)
    if moment is None:
        notes.add(reference, "it says nowhere when it happened; it counts as of now")
    return Fact(
        kind=text_of(resource.get("resourceType")),
        reference=reference,
        version=version_of(resource),
        happened_at=moment or now,
        time_assumed=assumed,
        void=is_void(resource),
        content=resource,
    )
