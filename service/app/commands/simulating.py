"""`throughline pathways simulate`: worked cases or a FHIR Bundle on a simulated clock, as a timeline. Needs no server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.app.commands.opened import named, open_library
from service.app.commands.printing import as_json, console, failures_in_words, instant, settings_from, stop
from service.app.exits import Exit
from service.app.practice import practice_of
from service.app.simulation import Moment
from service.app.worked_cases import CannotAct, CaseRun, run_case
from service.domain.pathway import Pathway
from service.domain.vocabulary import Reference
from service.pathways.cases import case_files, read_case
from service.pathways.library import Library
from service.pathways.problems import render_problem

if TYPE_CHECKING:
    from service.app.bundle_simulation import Setting, Simulated


def simulate_cases(
    pathway: str, case: str | None, mappings: Path | None, version: str | None, *, json: bool
) -> None:
    """Plays worked cases; typer.Exit with status 1 when one does not hold."""
    with failures_in_words():
        library, folder = open_library(mappings)
        chosen = named(library, pathway, version)
        files = case_files(folder / "pathways" / chosen.id)
        runs = [_played(path, chosen, library) for path in files if _wanted(path, case)]
    if not runs:
        known = ", ".join(path.stem for path in files) or "none yet"
        like = f" named like {case!r}" if case else ""
        stop(f"{pathway} has no worked case{like}; there are: {known}", Exit.NOT_FOUND)
    if json:
        as_json([_told(run) for run in runs])
    else:
        for run in runs:
            _print(run)
    if any(run.mismatches for run in runs):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


def simulate_file(
    file: Path,
    *,
    pathway: str | None,
    version: str | None,
    person: str | None,
    until: str | None,
    mappings: Path | None,
    json: bool,
) -> None:
    """Plays a FHIR Bundle and prints what would happen to each person in it."""
    from service.app.bundle_simulation import Setting, simulate_bundle

    with failures_in_words():
        settings = settings_from(mappings_dir=mappings)
        library, _ = open_library(mappings)
        chosen = named(library, pathway, version) if pathway else None
        who = settings.accountable_practitioner
        setting = Setting(
            library=library, pathway=chosen, accountable=Reference(who) if who else None, zone=settings.zone
        )
        ends_at = instant(until, setting.own_zone, "--until")
        done = simulate_bundle(file, setting, person=person, until=ends_at)
    if json:
        as_json([_told_of(each, setting) for each in done])
    else:
        for each in done:
            _print_person(each, setting)


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
    out.print(_timeline(run.moments, run.moments[0].at.tzinfo if run.moments else None))
    for mismatch in run.mismatches:
        out.print(f"  [bold red]✗[/] {escape(str(mismatch))}", soft_wrap=True)
    if not run.mismatches:
        out.print("  [green]✓ as expected[/]")


def _timeline(moments: Iterable[Moment], zone: tzinfo | None) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for moment in moments:
        for number, event in enumerate(moment.events):
            at = moment.at.astimezone(zone)
            table.add_row("" if number else f"  {at:%a %Y-%m-%d %H:%M}", escape(event))
    return table


def _told(run: CaseRun) -> dict[str, Any]:
    return {
        "case": run.case.title,
        "file": run.case.file,
        "timeline": [{"at": m.at.isoformat(), "events": list(m.events)} for m in run.moments],
        "mismatches": [str(mismatch) for mismatch in run.mismatches],
    }


def _print_person(each: Simulated, setting: Setting) -> None:
    out, zone = console(), setting.own_zone
    out.print(f"\n[bold]{escape(each.person)}[/]  [dim]until {each.until.astimezone(zone):%Y-%m-%d %H:%M}[/]")
    out.print(_timeline(each.life.moments, zone))
    if not each.life.moments:
        out.print("  Nothing in the file begins a pathway.")
    due = each.life.next_due_at
    if due is not None:
        out.print(f"  [dim]due next: {due.astimezone(zone):%a %Y-%m-%d %H:%M}[/]")
    for note in each.notes:
        out.print(f"  [yellow]![/] {escape(note)}", soft_wrap=True)


def _told_of(each: Simulated, setting: Setting) -> dict[str, Any]:
    zone = setting.own_zone
    due = each.life.next_due_at
    return {
        "person": each.person,
        "pathways": {str(name): version.version for name, version in setting.pathways.items()},
        "until": each.until.astimezone(zone).isoformat(),
        "timeline": [
            {"at": m.at.astimezone(zone).isoformat(), "events": list(m.events)} for m in each.life.moments
        ],
        "next_due_at": due.astimezone(zone).isoformat() if due else None,
        "notes": list(each.notes),
    }
