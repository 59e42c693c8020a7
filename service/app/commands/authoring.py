"""What `throughline pathways` does with a mappings folder, and how it prints it. No server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from service.adapters.clocks import SystemClock
from service.app.commands.printing import as_json, console, failures_in_words, said, settings_from, stop
from service.app.exits import Exit
from service.app.practice import practice_of
from service.app.settings import Settings
from service.app.worked_cases import CannotAct, CaseRun, run_case
from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.cases import case_files, check_case_file, read_case
from service.pathways.describe import describe as describe_pathway
from service.pathways.library import Library, load_library
from service.pathways.problems import Problem, Severity, render_problem


def list_pathways(mappings: Path | None, *, json: bool) -> None:
    """Prints every pathway that can be used."""
    with failures_in_words():
        library, _ = _library(mappings)
    rows = [_row(pathway) for pathway in library.pathways.values()]
    if json:
        as_json(rows)
        return
    table = Table("pathway", "version", "status", "stages", "follow-ups", "title", box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console().print(table)


def check_files(mappings: Path | None, *, json: bool) -> None:
    """Prints every problem; typer.Exit with status 1 when there is an error."""
    with failures_in_words():
        library, folder = _library(mappings)
    found = [*library.problems, *_case_problems(library, folder)]
    if json:
        as_json([_problem(problem) for problem in found])
    else:
        for problem in found:
            typer.echo(render_problem(problem) + "\n")
        errors = sum(p.severity is Severity.ERROR for p in found)
        typer.echo(
            f"{len(library.pathways)} pathways can be used; {errors} errors, {len(found) - errors} other notes."
        )
    if any(problem.severity is Severity.ERROR for problem in found):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


def describe(pathway: str, output: Path | None, mappings: Path | None) -> None:
    """Prints a pathway in plain language, or writes it into `output`."""
    with failures_in_words():
        library, _ = _library(mappings)
        text = describe_pathway(_named(library, pathway), library)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as failure:
        stop(f"{output} cannot be written ({failure.strerror})", Exit.NOT_FOUND)
    said(f"Written to {output}.")


def simulate(pathway: str, case: str | None, mappings: Path | None, *, json: bool) -> None:
    """Plays worked cases; typer.Exit with status 1 when one does not hold."""
    with failures_in_words():
        library, folder = _library(mappings)
        chosen = _named(library, pathway)
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


def _library(mappings: Path | None) -> tuple[Library, Path]:
    settings: Settings = settings_from(mappings_dir=mappings)
    folder = settings.mappings
    if not folder.is_dir():
        stop(f"there is no mappings folder at {folder}: name one with --mappings", Exit.NOT_FOUND)
    compiler = StrictPathCompiler(zone=settings.zone)
    # The day matters only for "review is past"; the machine's own is the right one for an author.
    return load_library(folder, compiler, today=SystemClock(settings.zone).now().date()), folder


def _case_problems(library: Library, folder: Path) -> list[Problem]:
    folders = [f for f in sorted((folder / "pathways").iterdir()) if f.is_dir()]
    return [
        problem
        for f in folders
        for path in case_files(f)
        for problem in check_case_file(path, library.pathways.get(PathwayId(f.name)))
    ]


def _named(library: Library, name: str) -> Pathway:
    pathway = library.pathways.get(PathwayId(name))
    if pathway is None:
        known = ", ".join(sorted(library.pathways)) or "none can be used: see `throughline pathways check`"
        stop(f"there is no usable pathway {name!r}; there are: {known}", Exit.NOT_FOUND)
    return pathway


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


def _row(pathway: Pathway) -> dict[str, Any]:
    return {
        "id": pathway.id,
        "version": pathway.version,
        "status": pathway.status,
        "stages": len(pathway.stages),
        "follow_ups": sum(len(stage.tasks) for stage in pathway.stages),
        "title": pathway.title,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        name: getattr(problem, name)
        for name in ("severity", "code", "file", "line", "column", "message", "help")
    }
