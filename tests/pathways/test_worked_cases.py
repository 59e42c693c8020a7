"""Every worked case beside a shipped pathway holds: it is documentation, test and demonstration at once."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.app.practice import practice_of
from service.app.worked_cases import run_case
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.cases import case_files, read_case
from service.pathways.library import Library, load_library
from service.pathways.problems import render_problem
from tests.sandbox import HOUSE_NOW

MAPPINGS = Path(__file__).parents[2] / "mappings"
CASES = [path for folder in sorted((MAPPINGS / "pathways").iterdir()) for path in case_files(folder)]


@cache
def library() -> Library:
    compiler = StrictPathCompiler(zone=ZoneInfo("America/Denver"))
    return load_library(MAPPINGS, compiler, today=HOUSE_NOW.date())


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_the_record_ends_as_the_case_says(path: Path) -> None:
    """To fix: `throughline pathways simulate <pathway> --case <name>` shows the timeline and every mismatch."""
    pathway = next(p for name, p in library().pathways.items() if name == path.parts[-3])
    case, source = read_case(path, pathway)
    assert case is not None, "\n".join(render_problem(problem) for problem in source.problems)

    run = run_case(case, pathway, practice_of(library(), zone=pathway.calendar.timezone, base_url=""))

    assert [str(mismatch) for mismatch in run.mismatches] == []


def test_every_shipped_pathway_has_worked_cases() -> None:
    with_cases = {path.parts[-3] for path in CASES}

    assert set(library().pathways) == with_cases


def test_a_case_that_expects_something_else_says_line_and_difference(tmp_path: Path) -> None:
    """The runner must be able to fail: the same case, with one expectation turned round."""
    path = next(p for p in CASES if p.stem == "reached-in-time")
    shutil.copytree(path.parent, tmp_path / "cases")
    text = path.read_text(encoding="utf-8")
    assert "stage: outreach" in text
    turned = tmp_path / "cases" / path.name
    turned.write_text(text.replace("stage: outreach", "stage: stable", 1), encoding="utf-8")
    pathway = next(p for name, p in library().pathways.items() if name == path.parts[-3])
    case, _ = read_case(turned, pathway)
    assert case is not None

    run = run_case(case, pathway, practice_of(library(), zone=pathway.calendar.timezone, base_url=""))

    assert any("the stage should be stable, but is outreach" in str(mismatch) for mismatch in run.mismatches)
