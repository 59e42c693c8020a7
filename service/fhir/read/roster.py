"""Who could own a person's follow-ups: named on the record, care team, directory of the service, accountable person.

Gathers and orders; which of them owns what is the domain's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import chain

from service.domain.enrolment import Enrolment
from service.domain.evidence import Holder, Roster
from service.domain.vocabulary import RUNNING_PLAN, Reference, RoleId
from service.fhir.read.elements import text_of
from service.fhir.read.happened import happened
from service.fhir.read.people import Acquaintances, Directory, Meanings, RoleMatcher, merged
from service.fhir.references import codings, mapping, mappings, reference_to, referred
from service.ports import Resource

References = Callable[[Resource], Sequence[Reference]]
NamedBy = Sequence[tuple[str, References]]
"""(resource type, which of its references name the holder), in the order in which they are asked."""

ACUTE = frozenset({"IMP", "ACUTE", "NONAC", "EMER", "OBSENC"})
"""v3-ActCode classes of inpatient and emergency Encounters."""
ANSWERABLE = ("ATND", "DIS")
"""v3-ParticipationType: attender, discharger; who answers for an inpatient or emergency stay."""
WITHDRAWN = frozenset({"entered-in-error", "revoked", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the site's configuration says about people and time; built once by the wiring."""

    zone: tzinfo
    """Where dates without a time begin."""
    roles: Mapping[RoleId, RoleMatcher] = field(default_factory=dict)
    named_by: Mapping[RoleId, NamedBy] = field(default_factory=dict)
    accountable: Reference | None = None
    """The accountable person of the site: Practitioner or PractitionerRole."""
    base_url: str = ""
    """The record server's base URL, for absolute references to itself."""
    meanings: Meanings = field(default_factory=dict, compare=False, repr=False)
    """What the role codes of the site were found to mean; the same for every person."""
    acquaintances: Acquaintances = field(default_factory=dict, compare=False, repr=False)
    """What the staff's resources say; the same for every person."""


def read_roster(
    resources: Sequence[Resource],
    *,
    catalogue: Catalogue,
    people: Directory,
    patient: Resource,
    enrolments: Iterable[Enrolment],
) -> Roster:
    """The roster of one person. The same resources in any order give the same roster."""
    asked = {"Encounter", *(kind for sources in catalogue.named_by.values() for kind, _ in sources)}
    ordered = sorted((each for each in resources if each.get("resourceType") in asked), key=_name)
    newest = sorted(ordered, key=lambda each: _when(each, catalogue.zone), reverse=True)
    teams = sorted((each for each in resources if each.get("resourceType") == "CareTeam"), key=_name)
    care_team = merged(_members(teams, people))
    directory = tuple(_directory(people, _providers(newest, enrolments, catalogue.base_url)))
    return Roster(
        explicit=_explicit(newest, catalogue.named_by, people),
        care_team=care_team,
        directory=directory,
        accountable=_accountable(newest, catalogue, people, patient, care_team + directory),
    )


def unnamed(roster: Roster) -> frozenset[Reference]:
    """Practitioners who could be asked and go by their reference, because nothing that was read says their name."""
    accountable = (roster.accountable,) if roster.accountable else ()
    holders = chain(roster.explicit.values(), roster.care_team, roster.directory, accountable)
    return frozenset(each.practitioner for each in holders if each.display == each.reference)


def _explicit(
    newest: Sequence[Resource], rules: Mapping[RoleId, NamedBy], people: Directory
) -> Mapping[RoleId, Holder]:
    found = {}
    for role, sources in rules.items():
        holder = next(_named(newest, sources, role, people), None)
        if holder is not None:
            found[role] = holder
    return found


def _named(newest: Sequence[Resource], sources: NamedBy, role: RoleId, people: Directory) -> Iterator[Holder]:
    for kind, references in sources:
        for resource in newest:
            if resource.get("resourceType") != kind or resource.get("status") in WITHDRAWN:
                continue
            for reference in references(resource):
                holder = people.holder({"reference": reference, **_display(resource, reference)}, {role})
                if holder is not None:
                    yield holder


def _display(resource: Resource, reference: Reference) -> Mapping[str, str]:
    """What the naming resource itself calls that person, one level down (performer, owner, participant.individual)."""
    elements = chain.from_iterable(mappings(value) for value in resource.values())
    for element in elements:
        for each in (element, *(value for value in element.values() if isinstance(value, Mapping))):
            if each.get("reference") == reference and text_of(each.get("display")):
                return {"display": text_of(each.get("display"))}
    return {}


def _members(teams: Iterable[Resource], people: Directory) -> Iterator[Holder]:
    for team in teams:
        # CareTeam.status is optional (R4); a team that does not say it has ended is taken to be at work.
        if team.get("status", "active") != "active":
            continue
        if not people.is_current(team.get("period")):
            continue
        for participant in mappings(team.get("participant")):
            if people.is_current(participant.get("period")):
                holder = people.holder(participant.get("member"), people.matching(participant.get("role")))
                if holder is not None:
                    yield holder


def _directory(people: Directory, providers: frozenset[Reference]) -> Iterator[Holder]:
    """Holders of roles that are known here: those of the serving organization first, then by id."""

    def rank(reference: Reference) -> tuple[bool, str]:
        return referred(people.roles[reference].get("organization"), people.base) not in providers, reference

    for reference in sorted(people.roles, key=rank):
        holder = people.holder({"reference": reference})
        if holder is not None and holder.roles:
            yield holder


def _providers(
    newest: Sequence[Resource], enrolments: Iterable[Enrolment], base: str
) -> frozenset[Reference]:
    """Who serves: the providers of the Encounters that running enrolments began with, else of the newest Encounter."""
    anchors = {each.anchor for each in enrolments if each.status in RUNNING_PLAN}
    encounters = [each for each in newest if each.get("resourceType") == "Encounter"]
    began = [each for each in encounters if reference_to(each) in anchors]
    found = (referred(each.get("serviceProvider"), base) for each in began or encounters[:1])
    return frozenset(each for each in found if each)


def _accountable(
    newest: Sequence[Resource],
    catalogue: Catalogue,
    people: Directory,
    patient: Resource,
    known: Iterable[Holder],
) -> Holder | None:
    if catalogue.accountable is not None:
        return _configured(catalogue.accountable, people)
    candidates = chain(_answerable(newest), mappings(patient.get("generalPractitioner")))
    holder = next((each for each in map(people.holder, candidates) if each is not None), None)
    return holder or min(known, key=lambda each: each.reference, default=None)


def _configured(reference: Reference, people: Directory) -> Holder:
    """The site's word is taken even when the person could not be read: work must never be without an owner."""
    holder = people.holder({"reference": reference})
    if holder is not None:
        return holder
    people.notes.add(
        reference, "it is the accountable person in the settings but is not at work on the record"
    )
    return Holder(reference=reference, practitioner=reference, display=reference)


def _answerable(newest: Iterable[Resource]) -> Iterator[object]:
    """The attending, else the discharging participant of the newest inpatient or emergency Encounter."""
    stays = (
        each
        for each in newest
        if each.get("resourceType") == "Encounter"
        and mapping(each.get("class")).get("code") in ACUTE
        and each.get("status") not in WITHDRAWN
    )
    participants = list(mappings(next(stays, {}).get("participant")))
    for wanted in ANSWERABLE:
        for participant in participants:
            if any(code == wanted for _, code in codings(participant.get("type"))):
                yield participant.get("individual")


def _name(resource: Resource) -> str:
    return reference_to(resource) or ""


def _when(resource: Resource, zone: tzinfo) -> datetime:
    return happened(resource, zone)[0] or datetime.min.replace(tzinfo=UTC)
