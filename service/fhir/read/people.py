"""Who counts as a person that can own work: a Practitioner, or a PractitionerRole that has a practitioner.

Organizations, patients, care teams and devices never do. Looks people up; chooses nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from service.domain.evidence import Holder
from service.domain.vocabulary import Reference, RoleId
from service.fhir.read.answers import display_of
from service.fhir.read.elements import Notes, text_of
from service.fhir.references import codings, mapping, mappings, reference_to, referred
from service.fhir.times import parse_time
from service.ports import Resource

RoleMatcher = Callable[[str | None, str], bool]
"""Whether a (system, code) means this role."""
Meanings = dict[tuple[tuple[str | None, str], ...], frozenset[RoleId]]
"""What codings mean as roles, as far as it was worked out already."""
MOST_MEANINGS = 10_000
"""A site uses few role codes; a record that holds more than this is not worth remembering."""


@dataclass(frozen=True, kw_only=True)
class Acquaintance:
    """What two resources say about a person in a role at any time; good for as long as these very two are read."""

    role: Resource
    practitioner: Resource
    who: Reference | None
    works_here: bool
    """False when it is nobody, or somebody who has left."""
    name: str
    """Empty when neither resource says it."""
    roles: frozenset[RoleId]


Acquaintances = dict[Reference, Acquaintance]
"""By PractitionerRole. The staff are the same for every person who is looked at: see flow's KeptDirectory."""
MOST_ACQUAINTANCES = 10_000

NOT_READ: Resource = MappingProxyType({})
"""Stands for a Practitioner that was not among what was read."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The Practitioners and PractitionerRoles among what was read, and what their codes mean here."""

    practitioners: Mapping[Reference, Resource]
    roles: Mapping[Reference, Resource]
    matchers: Mapping[RoleId, RoleMatcher]
    now: datetime
    zone: tzinfo
    base: str
    notes: Notes = field(compare=False)
    meanings: Meanings = field(default_factory=dict, compare=False, repr=False)
    acquaintances: Acquaintances = field(default_factory=dict, compare=False, repr=False)

    def holder(self, element: object, roles: Iterable[RoleId] = ()) -> Holder | None:
        """The person a Reference element points to, who holds these roles beside those of a PractitionerRole.

        None when it is no person or one who has left. A PractitionerRole that was not read cannot be known to be a
        person: that is noted.
        """
        reference = referred(element, self.base)
        said = text_of(mapping(element).get("display"))
        if reference is None:
            return None
        if reference.startswith("PractitionerRole/"):
            return self._in_role(reference, said, frozenset(roles))
        if not reference.startswith("Practitioner/") or not self._works_here(reference):
            return None
        return Holder(
            reference=reference,
            practitioner=reference,
            display=self._name(reference) or said or reference,
            roles=frozenset(roles),
        )

    def matching(self, concepts: object) -> frozenset[RoleId]:
        """The roles that a CodeableConcept, or a list of them, stands for."""
        found = tuple(codings(concepts))
        known = self.meanings.get(found)
        if known is None:
            known = frozenset(
                role
                for role, matches in self.matchers.items()
                if any(matches(system, code) for system, code in found)
            )
            if len(self.meanings) >= MOST_MEANINGS:
                self.meanings.clear()
            self.meanings[found] = known
        return known

    def is_current(self, period: object) -> bool:
        """Whether a Period contains now; open ends and ends that cannot be read count as open."""
        limits = mapping(period)
        start = parse_time(limits.get("start"), self.zone)
        end = parse_time(_end_of(limits.get("end")), self.zone)
        return (start is None or start <= self.now) and (end is None or self.now <= end)

    def _in_role(self, reference: Reference, said: str, roles: frozenset[RoleId]) -> Holder | None:
        role = self.roles.get(reference)
        if role is None:
            self.notes.add(
                reference, "it is named on the record but could not be read, so it owns nothing yet"
            )
            return None
        known = self._acquaintance(reference, role)
        if known.who is None or not known.works_here or not self._is_available(role):
            return None
        return Holder(
            reference=reference,
            practitioner=known.who,
            display=known.name or said or reference,
            roles=roles | known.roles,
        )

    def _acquaintance(self, reference: Reference, role: Resource) -> Acquaintance:
        known = self.acquaintances.get(reference)
        if known is None or known.role is not role or known.practitioner is not self._practitioner(known.who):
            known = self._become_acquainted(role)
            if len(self.acquaintances) >= MOST_ACQUAINTANCES:
                self.acquaintances.clear()
            self.acquaintances[reference] = known
        return known

    def _become_acquainted(self, role: Resource) -> Acquaintance:
        element = mapping(role.get("practitioner"))
        who = referred(element, self.base)
        return Acquaintance(
            role=role,
            practitioner=self._practitioner(who),
            who=who,
            works_here=who is not None and self._works_here(who),
            name=(self._name(who) if who else "") or text_of(element.get("display")),
            roles=self.matching(role.get("code")),
        )

    def _is_available(self, role: Resource) -> bool:
        if role.get("active") is False or not self.is_current(role.get("period")):
            return False
        away = (each.get("during") for each in mappings(role.get("notAvailable")))
        return not any(mapping(each) and self.is_current(each) for each in away)

    def _works_here(self, practitioner: Reference) -> bool:
        if not practitioner.startswith("Practitioner/"):
            return False
        return self._practitioner(practitioner).get("active") is not False

    def _name(self, practitioner: Reference) -> str:
        return display_of(self._practitioner(practitioner))

    def _practitioner(self, reference: Reference | None) -> Resource:
        return self.practitioners.get(reference, NOT_READ) if reference else NOT_READ


def directory(
    resources: Iterable[Resource],
    *,
    matchers: Mapping[RoleId, RoleMatcher],
    now: datetime,
    zone: tzinfo,
    base: str,
    notes: Notes,
    meanings: Meanings | None = None,
    acquaintances: Acquaintances | None = None,
) -> Directory:
    """The people among the resources."""
    known: dict[str, dict[Reference, Resource]] = {"Practitioner": {}, "PractitionerRole": {}}
    for resource in resources:
        reference = reference_to(resource)
        if reference and resource["resourceType"] in known:
            known[resource["resourceType"]][reference] = resource
    return Directory(
        practitioners=known["Practitioner"],
        roles=known["PractitionerRole"],
        matchers=matchers,
        now=now,
        zone=zone,
        base=base,
        notes=notes,
        meanings={} if meanings is None else meanings,
        acquaintances={} if acquaintances is None else acquaintances,
    )


def merged(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Each person (by reference) once, in the order of first mention, with all roles mentioned."""
    found: dict[Reference, Holder] = {}
    for holder in holders:
        before = found.get(holder.reference)
        found[holder.reference] = replace(before, roles=before.roles | holder.roles) if before else holder
    return tuple(found.values())


def _end_of(value: Any) -> Any:
    """A period that ends on a date includes that whole day (R4 Period.end)."""
    return f"{value}T23:59:59.999999" if isinstance(value, str) and len(value) == len("2026-03-06") else value
