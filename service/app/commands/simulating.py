"""`throughline pathways simulate`: worked cases on a simulated clock, as a timeline. No server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from service.app.commands.opened import named, open_library
from service.app.commands.printing import as_json, console, failures_in_words, stop
from service.app.exits import Exit
from service.app.practice import practice_of
from service.app.worked_cases import CannotAct, CaseRun, run_case
from service.domain.pathway import Pathway
from service.pathways.cases import case_files, read_case
from service.pathways.library import Library
from service.pathways.problems import render_problem


def simulate(
    pathway: str, case: str | None, mappings: Path | None, version: str | None, *, json: bool
) -> None:
    """Plays worked cases; typer.Exit with status 1 when one does not hold."""
    with failures_in_words():
        library, folder = open_library(mappings)
        chosen = named(library, pathway, version)
    runs = [run for path in case_files(folder / "pathways" / chosen.id) if _wanted(path, case)
            for run in [_played(path, chosen, library)]]  # fmt: skip
    if not runs:
        known = ", ".join(path.stem for path in case_files(folder / "pathways" / chosen.id)) or "none yet"
        like = f" named like {case!r}" if case else ""
        stop(f"{pathway} has no worked case{like}; there are: {known}", Exit.NOT_FOUND)
    if json:
        as_json([_told(run) for run in runs])
    else:
        for run in runs:
            _print(run)
    if any(run.mismatches for run in runs):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


def _wanted(path: Path, case: str | None) -> bool:
    return case is None or case in path.stem


def _played(path: Path, pathway: Pathway, library: Library) -> CaseRun:
    read, source = read_case(path, pathway)
    if read is None:
        for problem in source.problems:
            typer.echo(render_problem(problem))
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)
    practice = practice_of(library, zone=pathway.calendar.timezone, base_url="")
    try:
        return run_case(read, pathway, practice)
    except CannotAct as problem:
        stop(str(problem), Exit.NOT_AS_IT_SHOULD_BE)


def _print(run: CaseRun) -> None:
    out = console()
    out.print(f"\n[bold]{escape(run.case.title)}[/]\n[dim]{escape(run.case.file)}[/]", soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for moment in run.moments:
        for number, event in enumerate(moment.events):
            table.add_row("" if number else f"  {moment.at:%a %Y-%m-%d %H:%M}", escape(event))
    out.print(table)
    for mismatch in run.mismatches:
        out.print(f"  [bold red]✗[/] {escape(str(mismatch))}", soft_wrap=True)
    if not run.mismatches:
        out.print("  [green]✓ as expected[/]")


def _told(run: CaseRun) -> dict[str, Any]:
    return {
        "case": run.case.title,
        "file": run.case.file,
        "timeline": [{"at": m.at.isoformat(), "events": list(m.events)} for m in run.moments],
        "mismatches": [str(mismatch) for mismatch in run.mismatches],
    }
