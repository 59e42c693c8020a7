"""Everything read about one person, as the domain sees it. What cannot be understood is told, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from service.domain.enrolment import Enrolment
from service.domain.evidence import EscalationSeen, FollowUp, Holder, PersonRecord, Roster
from service.domain.vocabulary import Reference, RoleId
from service.fhir import systems
from service.fhir.read.elements import Notes, last_updated
from service.fhir.read.enrolments import read_enrolment
from service.fhir.read.escalations import PlanSeen, ResponseSeen, read_plan, read_response, together
from service.fhir.read.facts import read_facts
from service.fhir.read.follow_ups import read_follow_up
from service.fhir.read.identifiers import NotOurs, is_rung
from service.fhir.read.people import Directory, directory
from service.fhir.read.roster import Catalogue, read_roster
from service.fhir.references import identifier_values, mapping, mappings, reference_to, version_of
from service.fhir.searches import people_of
from service.fhir.times import parse_time
from service.ports import Resource

Roles = Mapping[Reference, frozenset[RoleId]]
Seen = TypeVar("Seen", Enrolment, FollowUp, PlanSeen, ResponseSeen)


def read_person(
    resources: Iterable[Resource],
    *,
    person: Reference,
    catalogue: Catalogue,
    now: datetime,
    gone: frozenset[Reference] = frozenset(),
) -> PersonRecord:
    """The person's record at `now`. Never raises over content: see PersonRecord.unreadable.

    The same resource may come several times (searches overlap); the newest version of each is used. `gone` are
    anchors of running enrolments that the server says were deleted.
    """
    notes = Notes()
    unique = _newest(resources, catalogue)
    patients = (each for each in unique if each.get("resourceType") == "Patient")
    patient = next((each for each in patients if reference_to(each) == person), {})
    people = directory(
        unique,
        matchers=catalogue.roles,
        now=now,
        zone=catalogue.zone,
        base=catalogue.base_url,
        notes=notes,
        meanings=catalogue.meanings,
        acquaintances=catalogue.acquaintances,
    )
    return _Reader(unique, person, patient, catalogue, people, now, notes).record(gone)


class _Reader:
    """One reading of one person; holds what every step needs."""

    def __init__(
        self,
        resources: Sequence[Resource],
        person: Reference,
        patient: Resource,
        catalogue: Catalogue,
        people: Directory,
        now: datetime,
        notes: Notes,
    ) -> None:
        self._resources = resources
        self._by_kind: dict[str, list[Resource]] = {}
        for each in resources:
            self._by_kind.setdefault(str(each.get("resourceType")), []).append(each)
        self._person = person
        self._patient = patient
        self._catalogue = catalogue
        self._people = people
        self._now = now
        self._notes = notes
        self._broken: set[Reference] = set()
        self._ours: dict[tuple[str, str], list[tuple[Reference, str, Resource]]] = {}

    def record(self, gone: frozenset[Reference]) -> PersonRecord:
        enrolments = self._enrolments()
        roster = read_roster(
            self._resources,
            catalogue=self._catalogue,
            people=self._people,
            patient=self._patient,
            enrolments=enrolments,
        )
        roles = _roles_of(roster)
        self._note_patient()
        return PersonRecord(
            person=self._person,
            facts=read_facts(
                self._resources,
                person=self._person,
                now=self._now,
                zone=self._catalogue.zone,
                base=self._catalogue.base_url,
                notes=self._notes,
            ),
            enrolments=enrolments,
            follow_ups=self._follow_ups(roles),
            escalations=self._escalations(roles),
            roster=roster,
            deceased_at=self._deceased_at(),
            person_active=self._patient.get("active") is not False,
            person_version=version_of(self._patient),
            gone=gone,
            broken=len(self._broken),
            unreadable=tuple(self._notes.sentences),
        )

    def _enrolments(self) -> tuple[Enrolment, ...]:
        names = {reference: value for reference, value, _ in self._own("Task", systems.FOLLOW_UP)}

        def read(resource: Resource) -> Enrolment:
            return read_enrolment(
                resource,
                person=self._person,
                zone=self._catalogue.zone,
                base=self._catalogue.base_url,
                follow_ups=names,
                notes=self._notes,
            )

        return tuple(self._read("CarePlan", systems.ENROLMENT, read))

    def _follow_ups(self, roles: Roles) -> tuple[FollowUp, ...]:
        def read(resource: Resource) -> FollowUp:
            return read_follow_up(
                resource,
                zone=self._catalogue.zone,
                base=self._catalogue.base_url,
                roles_of=roles,
                notes=self._notes,
            )

        return tuple(self._read("Task", systems.FOLLOW_UP, read, only=lambda value: not is_rung(value)))

    def _escalations(self, roles: Roles) -> tuple[EscalationSeen, ...]:
        zone, base = self._catalogue.zone, self._catalogue.base_url
        notices = frozenset(value for _, value, _ in self._own("Communication", systems.NOTICE))

        def response(resource: Resource) -> ResponseSeen:
            return read_response(
                resource, zone=zone, base=base, notices=notices, roles_of=roles, notes=self._notes
            )

        plans = self._read("CarePlan", systems.ESCALATION, lambda each: read_plan(each, zone=zone, base=base))
        responses = list(self._read("Task", systems.FOLLOW_UP, response, only=is_rung))
        return together({plan.identifier: plan for plan in plans}, responses, self._notes)

    def _read(
        self,
        kind: str,
        system: str,
        read: Callable[[Resource], Seen],
        *,
        only: Callable[[str], bool] = lambda _: True,
    ) -> Iterator[Seen]:
        """Each of our resources of one kind, by identifier; the first of several with the same identifier."""
        seen: set[str] = set()
        for reference, value, resource in self._own(kind, system):
            if not only(value):
                continue
            if value in seen:
                self._notes.add(
                    reference, "another resource carries the same Throughline identifier; that one is used"
                )
                continue
            try:
                found = read(resource)
            except NotOurs as problem:
                self._notes.add(
                    reference, f"{problem}; please correct it, nothing is done about it until then"
                )
                self._broken.add(reference)
                continue
            seen.add(value)
            yield found

    def _own(self, kind: str, system: str) -> list[tuple[Reference, str, Resource]]:
        """(reference, identifier, resource): entered in error last, then by identifier and reference."""
        if (kind, system) not in self._ours:
            self._ours[kind, system] = self._found(kind, system)
        return self._ours[kind, system]

    def _found(self, kind: str, system: str) -> list[tuple[Reference, str, Resource]]:
        found = []
        for resource in self._by_kind.get(kind, ()):
            reference = reference_to(resource)
            values = identifier_values(resource, system)
            if not values or reference is None:
                continue
            if self._is_somebody_elses(resource):
                self._notes.add(reference, "it is Throughline's but about somebody else; it was left out")
                continue
            found.append((resource.get("status") == "entered-in-error", values[0], reference, resource))
        found.sort(key=lambda each: each[:3])
        return [(reference, value, resource) for _, value, reference, resource in found]

    def _is_somebody_elses(self, resource: Resource) -> bool:
        people = people_of(resource, self._catalogue.base_url)
        return bool(people) and self._person not in people

    def _deceased_at(self) -> datetime | None:
        """Patient.deceased[x]; a bare `true` counts from the server's lastUpdated."""
        moment = parse_time(self._patient.get("deceasedDateTime"), self._catalogue.zone)
        if moment is not None:
            return moment
        if self._patient.get("deceasedBoolean") is True or "deceasedDateTime" in self._patient:
            return last_updated(self._patient, self._catalogue.zone) or self._now
        return None

    def _note_patient(self) -> None:
        if not self._patient:
            self._notes.add(self._person, "the person was not among what was read")
        for link in mappings(self._patient.get("link")):
            if link.get("type") == "replaced-by":
                other = mapping(link.get("other")).get("reference")
                self._notes.add(self._person, f"it was merged into {other}; look there for what happens next")


def _newest(resources: Iterable[Resource], catalogue: Catalogue) -> list[Resource]:
    """Each resource once: of several versions the one last updated. Without an id, each on its own."""
    found: dict[str, Resource] = {}
    for position, resource in enumerate(resources):
        key = reference_to(resource) or f"#{position}"
        before = found.get(key)
        if before is None or _is_newer(resource, before, catalogue):
            found[key] = resource
    return list(found.values())


def _is_newer(one: Resource, other: Resource, catalogue: Catalogue) -> bool:
    updated, before = last_updated(one, catalogue.zone), last_updated(other, catalogue.zone)
    return updated is not None and (before is None or updated > before)


def _roles_of(roster: Roster) -> Roles:
    """What each person holds, under each reference they are known by."""
    accountable = (roster.accountable,) if roster.accountable else ()
    holders: list[Holder] = [*roster.explicit.values(), *roster.care_team, *roster.directory, *accountable]
    found: dict[Reference, frozenset[RoleId]] = {}
    for holder in holders:
        for reference in (holder.reference, holder.practitioner):
            before = found.get(reference)
            found[reference] = before | holder.roles if before else holder.roles
    return found
