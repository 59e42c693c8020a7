"""What the mappings folder and the settings say, put into the shape that reading and deciding need. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta, tzinfo

from service.domain.due import nominal_length
from service.domain.needs import AtLeast, InRecord, flat
from service.domain.pathway import Pathway, begin_by, needs_of_pathway, needs_while_enrolled
from service.domain.vocabulary import Reference
from service.fhir.read import Catalogue
from service.flow.practice import Practice
from service.pathways.library import Library
from service.pathways.site_files import ROLE_SYSTEM


def practice_of(
    library: Library,
    *,
    zone: tzinfo,
    base_url: str,
    accountable: Reference | None = None,
    lookback: timedelta = timedelta(days=30),
    software_version: str = "",
) -> Practice:
    """A site's practice; `accountable` is who holds what nobody else holds."""
    pathways = [version for name in library.pathways for version in library.versions(name)]
    return Practice(
        pathways=library.pathways,
        earlier=tuple(version for version in pathways if not version.current),
        catalogue=Catalogue(
            zone=zone,
            roles={role.id: role.matches for role in library.roles.values()},
            named_by={
                role.id: [(role.named_by.kind, role.named_by.references)]
                for role in library.roles.values()
                if role.named_by is not None
            },
            accountable=accountable,
            base_url=base_url,
        ),
        types=frozenset().union(*(pathway.resource_types for pathway in pathways)),
        ever=frozenset(
            need.condition.kind
            for pathway in pathways
            for need in _evidence(pathway)
            if need.ever and not _is_linked(need)
        ),
        lookback=max(lookback, _longest_window(pathways)),
        software_version=software_version,
    )


def role_codes(library: Library) -> list[tuple[str | None, str]]:
    """(system, code) of everything that says somebody plays one of the library's roles."""
    found: list[tuple[str | None, str]] = [(ROLE_SYSTEM, role) for role in library.roles]
    for role in library.roles.values():
        if role.codes is not None:
            found += [(s.system, code) for s in role.codes.composition.include for code in sorted(s.codes)]
            found += [
                source
                for source, meanings in library.concept_maps.targets.items()
                if any(role.codes.contains(*meaning) for meaning in meanings)
            ]
    return found


def begins(library: Library) -> frozenset[str]:
    """Resource types that can begin an enrolment."""
    return frozenset(
        kind
        for pathway in library.pathways.values()
        for start in pathway.starts
        for kind in {condition.kind for condition in begin_by(pathway, start)}
    )


def _is_linked(need: InRecord) -> bool:
    """Evidence of the very stay that began the enrolment: reading back to the beginning of that stay is enough."""
    return "linked by " in need.condition.text


def _evidence(pathway: Pathway) -> Iterator[InRecord]:
    for needs in (*needs_while_enrolled(pathway), *(start.rule for start in pathway.starts)):
        yield from (need for need in flat(needs) if isinstance(need, InRecord))


def _longest_window(pathways: Iterable[Pathway]) -> timedelta:
    """How far back any rule or any count over a window looks."""
    windows = [start.within for pathway in pathways for start in pathway.starts]
    for pathway in pathways:
        for needs in needs_of_pathway(pathway):
            windows += [need.within for need in flat(needs) if isinstance(need, AtLeast) and need.within]
    return max((nominal_length(within) for within in windows), default=timedelta())


def watched(practice: Practice) -> frozenset[str]:
    """Types whose changes concern a person: what pathways ask about, our own, and the person."""
    about_the_site = {"Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService"}
    return (practice.types | {"Patient", "CarePlan", "Task", "Communication", "CareTeam"}) - about_the_site
