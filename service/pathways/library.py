"""Loads a mappings folder: every sound pathway with what it refers to, and every problem of every file at once.

A pathway file with an error never becomes a Pathway; the others still load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from service.domain.due import WorkingCalendar
from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId, RoleId
from service.pathways.build import build
from service.pathways.cases import Case, case_files, check_case_file, read_case
from service.pathways.checks import check_pathway
from service.pathways.problems import Problem, Severity, errors, sorted_problems
from service.pathways.schema import PathwayFile
from service.pathways.site_files import Role, Shared, Site, read_shared
from service.pathways.value_set_files import read_terminology
from service.pathways.value_sets import ConceptMaps, ValueSetMatcher
from service.pathways.versions import (
    VERSION_PROBLEMS,
    Published,
    check_current,
    check_kept,
    check_lost,
    check_unpublished,
    read_published,
)
from service.pathways.wording import read_grammar
from service.pathways.yaml_source import Source, read_source
from service.ports import PathCompiler

PATHWAY_FILE = "pathway.yaml"


@dataclass(frozen=True, kw_only=True)
class Library:
    """Everything a mappings folder says."""

    pathways: Mapping[PathwayId, Pathway] = field(default_factory=dict)
    """The current version of each."""
    earlier: Mapping[PathwayId, tuple[Pathway, ...]] = field(default_factory=dict)
    """Published versions beside the current one, the newest first."""
    roles: Mapping[RoleId, Role] = field(default_factory=dict)
    calendars: Mapping[str, WorkingCalendar] = field(default_factory=dict)
    value_sets: Mapping[str, ValueSetMatcher] = field(default_factory=dict)
    concept_maps: ConceptMaps = field(default_factory=ConceptMaps)
    site: Site = field(default_factory=Site)
    problems: tuple[Problem, ...] = ()

    def versions(self, pathway: PathwayId) -> tuple[Pathway, ...]:
        """Every version of a pathway that can be used, the current one first."""
        current = self.pathways.get(pathway)
        return ((current,) if current else ()) + tuple(self.earlier.get(pathway, ()))


def load_library(folder: Path, compiler: PathCompiler, *, today: date) -> Library:
    """Reads `folder` (roles, calendars, site, value sets, concept maps, pathways); never raises for what files say."""
    shared, sources = _shared(folder, compiler)
    pathways: dict[PathwayId, Pathway] = {}
    earlier: dict[PathwayId, tuple[Pathway, ...]] = {}
    for path in pathway_files(folder):
        source, published = read_source(path), read_published(path.parent)
        check_current(source, published)
        sources += [source, published.source]
        pathway = read_pathway(source, path.parent.name, shared, compiler, today)
        if pathway is not None:
            pathways[pathway.id] = pathway
        kept, read = _kept_versions(published, pathway, shared, compiler)
        earlier[PathwayId(path.parent.name)] = kept
        sources += read
    return Library(
        pathways=pathways,
        earlier={name: versions for name, versions in earlier.items() if versions},
        roles=shared.roles,
        calendars=shared.calendars,
        value_sets=shared.terminology.matchers,
        concept_maps=shared.terminology.maps,
        site=shared.site,
        problems=sorted_problems(p for source in sources for p in source.problems),
    )


def _shared(folder: Path, compiler: PathCompiler) -> tuple[Shared, list[Source]]:
    terminology = read_terminology(folder)
    shared = read_shared(folder, compiler, terminology)
    return shared, [*terminology.sources, *shared.sources]


def pathway_files(folder: Path) -> list[Path]:
    """The pathway.yaml of every pathway folder, by name; a folder without one is listed too, and then reported."""
    pathways = folder / "pathways"
    return [p / PATHWAY_FILE for p in sorted(pathways.iterdir()) if p.is_dir()] if pathways.is_dir() else []


def read_pathway(
    source: Source, folder_name: str, shared: Shared, compiler: PathCompiler, today: date
) -> Pathway | None:
    """The pathway of one file, or None with every reason among the problems of `source`."""
    read = read_grammar(source, PathwayFile)
    check_pathway(source, folder_name, shared, compiler, today)
    if read is None or source.broken:
        return None
    if shared.unread:
        files = " and ".join(sorted(shared.unread))
        source.report((1, 1), "shared-file-broken", f"this pathway is not used while {files} has errors",
                      f"correct {files} first", Severity.ERROR)  # fmt: skip
        return None
    return build(read, shared, compiler)


def _kept_versions(
    published: Published, current: Pathway | None, shared: Shared, compiler: PathCompiler
) -> tuple[tuple[Pathway, ...], list[Source]]:
    """The published versions but the current one, the newest first; and the files read, with their errors."""
    check_lost(published, current.version if current is not None else None)
    versions: list[Pathway] = []
    sources: list[Source] = []
    for file in published.files:
        source = read_source(file)
        check_kept(source, file.stem, published)
        sources.append(source)
        if current is not None and file.stem == current.version:
            continue  # the same text, read already
        pathway = read_pathway(source, published.folder.parent.name, shared, compiler, date.min)
        source.problems = [_for_a_published_file(problem) for problem in errors(source.problems)]
        if pathway is not None:
            versions.append(replace(pathway, current=False))
    return tuple(reversed(versions)), sources


def _for_a_published_file(problem: Problem) -> Problem:
    """What a published version refers to may have gone; the file itself is not to be changed."""
    if problem.code in VERSION_PROBLEMS:
        return problem
    return replace(problem, help="this version is published: bring back what it refers to, as it was")


def check_folder(folder: Path, compiler: PathCompiler, *, today: date) -> tuple[Problem, ...]:
    """All problems of all files of a mappings folder, worked cases included, by file and place."""
    library = load_library(folder, compiler, today=today)
    found = list(library.problems)
    for path in pathway_files(folder):
        pathway = library.pathways.get(PathwayId(path.parent.name))
        for case in case_files(path.parent):
            found += check_case_file(case, pathway)
    return sorted_problems(found)


def check_all_published(folder: Path, library: Library) -> list[Problem]:
    """A warning for each pathway whose people begin on a version of which no copy is kept."""
    found: list[Problem] = []
    for pathway in library.pathways.values():
        path = folder / "pathways" / pathway.id / PATHWAY_FILE
        source = read_source(path)
        check_unpublished(source, read_published(path.parent), pathway.status)
        found += source.problems
    return found


def check_file(file: Path, compiler: PathCompiler, *, today: date) -> tuple[Problem, ...]:
    """The problems of one file of a mappings folder, judged together with the files it refers to."""
    folder = next((p for p in file.absolute().parents if (p / "roles.yaml").is_file()), file.parent)
    shown_as = file.absolute().as_posix()
    found = check_folder(folder, compiler, today=today)
    return tuple(replace(p, file=file.as_posix()) for p in found if p.file == shown_as)


def read_cases(folder: Path, library: Library) -> dict[PathwayId, list[Case]]:
    """The sound worked cases of every pathway of the library; check_folder tells of the others."""
    cases: dict[PathwayId, list[Case]] = {}
    for pathway in library.pathways.values():
        read = [read_case(path, pathway)[0] for path in case_files(folder / "pathways" / pathway.id)]
        cases[pathway.id] = [case for case in read if case is not None]
    return cases
