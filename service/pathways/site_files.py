"""The files all pathways share: roles.yaml, calendars.yaml and site.yaml, read into what pathways refer to.

Who holds a role is never written here, only which part people play and how the record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from service.domain.due import WorkingCalendar
from service.domain.vocabulary import Reference, RoleId
from service.pathways.rows import Part
from service.pathways.scalars import Day, LiteralReference, Opening, Slug, Text, TimeZone
from service.pathways.spelling import listed, suggest
from service.pathways.value_set_files import Terminology
from service.pathways.value_sets import ValueSetMatcher
from service.pathways.wording import Grammar, read_grammar
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node
from service.ports import PathCompiler, PathFaultError, Resource

ROLE_SYSTEM = "https://throughline.example/fhir/CodeSystem/role"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class NamedByPart(Part):
    noun: ClassVar[str] = "named-by"
    resource: Text
    path: Text


class RolePart(Part):
    noun: ClassVar[str] = "a role"
    title: Text
    value_set: Slug | None = None
    named_by: NamedByPart | None = None


class RolesFile(Part):
    noun: ClassVar[str] = "roles.yaml"
    roles: Annotated[dict[Slug, RolePart], Field(min_length=1)]


class HoursPart(Part):
    noun: ClassVar[str] = "hours"
    monday: Opening | None = None
    tuesday: Opening | None = None
    wednesday: Opening | None = None
    thursday: Opening | None = None
    friday: Opening | None = None
    saturday: Opening | None = None
    sunday: Opening | None = None


class CalendarPart(Part):
    noun: ClassVar[str] = "a calendar"
    timezone: TimeZone
    hours: HoursPart
    holidays: list[Day] = Field(default_factory=list)


class CalendarsFile(Part):
    noun: ClassVar[str] = "calendars.yaml"
    calendars: Annotated[dict[Slug, CalendarPart], Field(min_length=1)]


class AtSitePart(Part):
    noun: ClassVar[str] = "a list of places"
    service_providers: list[LiteralReference] = Field(default_factory=list)
    locations: list[LiteralReference] = Field(default_factory=list)


class SitePart(Part):
    noun: ClassVar[str] = "site"
    name: Text
    at_site: dict[Slug, AtSitePart] = Field(default_factory=dict)


class SiteFile(Part):
    noun: ClassVar[str] = "site.yaml"
    site: SitePart


@dataclass(frozen=True, kw_only=True)
class NamedBy:
    """Where the record itself names the holder of a role, e.g. ServiceRequest.performer."""

    kind: str
    path: str
    references: Callable[[Resource], list[Reference]] = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A part people play. `codes` are real-world codes of it; its own code always counts too."""

    id: RoleId
    title: str
    codes: ValueSetMatcher | None = None
    named_by: NamedBy | None = None

    def matches(self, system: str | None, code: str) -> bool:
        """Whether this coding (CareTeam.participant.role, PractitionerRole.code) says this role."""
        if (system, code) == (ROLE_SYSTEM, self.id):
            return True
        return self.codes is not None and self.codes.contains(system, code)


@dataclass(frozen=True, kw_only=True)
class AtSite:
    """Places the site lists under one name; both empty: nothing is there."""

    service_providers: frozenset[Reference] = frozenset()
    locations: frozenset[Reference] = frozenset()

    @property
    def places(self) -> frozenset[Reference]:
        """All of them."""
        return self.service_providers | self.locations


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is particular to this installation."""

    name: str = ""
    at_site: Mapping[str, AtSite] = field(default_factory=dict)


@dataclass(kw_only=True)
class Shared:
    """The shared files as read. `unread` names those that are broken, so that nothing else is blamed for it."""

    roles: dict[RoleId, Role] = field(default_factory=dict)
    calendars: dict[str, WorkingCalendar] = field(default_factory=dict)
    site: Site = field(default_factory=Site)
    terminology: Terminology
    sources: list[Source] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    pathways: frozenset[str] = frozenset()
    """The pathways that have a folder, whether their file is sound or not."""


def _pathways(folder: Path) -> frozenset[str]:
    return frozenset(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else frozenset()


def read_shared(folder: Path, compiler: PathCompiler, terminology: Terminology) -> Shared:
    """Reads roles.yaml, calendars.yaml and site.yaml of a mappings folder."""
    shared = Shared(terminology=terminology, pathways=_pathways(folder / "pathways"))
    roles = _read(folder / "roles.yaml", RolesFile, shared)
    if roles:
        shared.roles = _roles(roles, shared.sources[-1], compiler, terminology)
    calendars = _read(folder / "calendars.yaml", CalendarsFile, shared)
    if calendars:
        shared.calendars = _calendars(calendars, shared.sources[-1])
    site = _read(folder / "site.yaml", SiteFile, shared)
    if site:
        shared.site = _site(site)
    shared.unread |= {Path(source.file).name for source in shared.sources if source.broken}
    return shared


def _read(path: Path, grammar: type[Grammar], shared: Shared) -> Grammar | None:
    source = read_source(path)
    shared.sources.append(source)
    return read_grammar(source, grammar)


def _roles(
    read: RolesFile, source: Source, compiler: PathCompiler, terminology: Terminology
) -> dict[RoleId, Role]:
    assert source.root is not None
    roles = {}
    for name, part in read.roles.items():
        node, _ = source.root.follow(("roles", name))
        codes = _role_codes(source, node, part, terminology)
        roles[RoleId(name)] = Role(
            id=RoleId(name), title=part.title, codes=codes, named_by=_named_by(source, node, part, compiler)
        )
    return roles


def _role_codes(
    source: Source, node: Node, part: RolePart, terminology: Terminology
) -> ValueSetMatcher | None:
    if part.value_set is None:
        return None
    found = terminology.matchers.get(part.value_set)
    if found is None:
        at, _ = node.follow(("value-set",))
        message = f"value set '{part.value_set}' is not defined, or its file has errors"
        source.report(at.place, "unknown-value-set", message,
                      suggest(part.value_set, terminology.matchers, "value sets"))  # fmt: skip
    return found


def _named_by(source: Source, node: Node, part: RolePart, compiler: PathCompiler) -> NamedBy | None:
    if part.named_by is None:
        return None
    try:
        references = compiler.references(part.named_by.path, part.named_by.resource)
    except PathFaultError as error:
        at, _ = node.follow(("named-by", "path"))
        source.report(at.place, "not-a-reference", error.fault.message, error.fault.help or "")
        return None
    return NamedBy(kind=part.named_by.resource, path=part.named_by.path, references=references)


def _calendars(read: CalendarsFile, source: Source) -> dict[str, WorkingCalendar]:
    calendars = {}
    for name, part in read.calendars.items():
        spans = [getattr(part.hours, day) for day in WEEKDAYS]
        hours = {number: span for number, span in enumerate(spans) if span is not None}
        if not hours and source.root is not None:
            node, _ = source.root.follow(("calendars", name, "hours"))
            source.report(node.head, "never-open", "a site with this calendar is never open, so no working hour ever ends",
                          f"give hours for at least one of {listed(WEEKDAYS)}")  # fmt: skip
        calendars[name] = WorkingCalendar(
            timezone=part.timezone, hours=hours, holidays=frozenset[date](part.holidays)
        )
    return calendars


def _site(read: SiteFile) -> Site:
    return Site(
        name=read.site.name,
        at_site={
            name: AtSite(
                service_providers=frozenset(Reference(r) for r in part.service_providers),
                locations=frozenset(Reference(r) for r in part.locations),
            )
            for name, part in read.site.at_site.items()
        },
    )
