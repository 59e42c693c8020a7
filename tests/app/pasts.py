"""A past to look back at: a shipped worked case, played, with every version that the record came to hold."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from service.app.practice import practice_of, role_codes
from service.app.replay import Site
from service.app.worked_cases import CaseRun, run_case
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.cases import case_files, read_case
from service.pathways.library import Library, load_library
from tests.sandbox import HOUSE_NOW

MAPPINGS = Path(__file__).parents[2] / "mappings"
DENVER = ZoneInfo("America/Denver")


@cache
def library() -> Library:
    return load_library(MAPPINGS, StrictPathCompiler(zone=DENVER), today=HOUSE_NOW.date())


def fullest_case(pathway: PathwayId) -> Path:
    """The longest story of a pathway."""
    return max(case_files(MAPPINGS / "pathways" / pathway), key=lambda path: (path.stat().st_size, path.name))


def site_of(pathway: PathwayId) -> Site:
    """The site of a worked case: this pathway alone."""
    practice = practice_of(library(), zone=DENVER, base_url="")
    alone = replace(practice, pathways={pathway: library().pathways[pathway]}, earlier=())
    return Site(practice=alone, role_codes=tuple(role_codes(library())))


@cache
def played(path: Path) -> CaseRun:
    pathway = library().pathways[PathwayId(path.parts[-3])]
    case, _ = read_case(path, pathway)
    assert case is not None
    return run_case(case, pathway, site_of(pathway.id).practice)


def bundle_of(run: CaseRun) -> dict:
    """The history of everything, as a server hands it out."""
    references = [Reference(f"{each['resourceType']}/{each['id']}") for each in run.record.everything()]
    versions = [version for reference in references for version in run.record.versions(reference)]
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": v} for v in versions]}


def folder_with(pathway: PathwayId, target: Path) -> Path:
    """A copy of the mappings folder with this pathway alone, so that commands start quickly."""
    shutil.copytree(
        MAPPINGS,
        target,
        ignore=lambda path, names: (
            set(names) - {pathway} if Path(path).name == "pathways" else ["drafts", "versions"]
        ),
    )
    return target
