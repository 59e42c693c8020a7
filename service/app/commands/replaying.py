"""`throughline replay`: what was decided, decided again; or the same time lived again with another version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.app.commands.printing import (
    as_json,
    console,
    failures_in_words,
    instant,
    said,
    settings_from,
    stop,
)
from service.app.exits import Exit

if TYPE_CHECKING:
    from service.app.looking_back import Compared, LookedBack
    from service.app.replay import Replayed
    from service.app.settings import Settings


def replay(
    person: Annotated[
        str | None, typer.Option("--person", metavar="Patient/ID", help="Whose record.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Read this FHIR Bundle; no server is asked."),
    ] = None,
    pathway: Annotated[str | None, typer.Option("--pathway", help="Only this pathway.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="What this version of the pathway would have done.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="INSTANT", help="Only up to this day or instant.")
    ] = None,
    fhir: Annotated[
        str | None, typer.Option("--fhir", metavar="URL", help="Base address of the FHIR server.")
    ] = None,
    mappings: Annotated[Path | None, typer.Option("--mappings", help="The mappings folder.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Decide again what was decided about a person, from the evidence as it was. Status 1 when a decision differs.

    With --version: the person's time lived again, to see what another version of the pathway would have done with the
    same record; what others wrote and did comes as it came. Nothing is ever written.

    Example: throughline replay --person Patient/123 --fhir http://localhost:8080/fhir

    Example: throughline replay --person Patient/123 --pathway post-discharge-coordination --version 2026.1.0

    Example: throughline replay --bundle person.json --at 2026-03-09T12:00:00-07:00 --json
    """
    if person is None and bundle is None:
        stop("name a person with --person Patient/ID, or a file with --bundle FILE", Exit.USAGE)
    with failures_in_words():
        settings = settings_from(fhir_base_url=fhir, mappings_dir=mappings)
        asked = {
            "person": person,
            "bundle": bundle,
            "pathway": pathway,
            "until": instant(at, settings.zone, "--at"),
        }
        if version is None:
            _decided_again(settings, asked, json=json)
        else:
            _lived_again(settings, asked, version, json=json)


def _decided_again(settings: Settings, asked: dict[str, Any], *, json: bool) -> None:
    from service.app.looking_back import look_back

    done = look_back(settings, **asked)
    if json:
        as_json(_told(done))
    else:
        _print_decisions(done)
    if not all(each.is_same for each in done.decisions):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


def _print_decisions(done: LookedBack) -> None:
    out = console()
    for each in done.decisions:
        at = each.recorded.recorded_at
        mark = "[green]the same[/]" if each.is_same else "[bold red]otherwise[/]"
        if each.lost:
            mark = "[yellow]cannot be decided again[/]"
        out.print(
            f"[dim]{at:%a %Y-%m-%d %H:%M}[/]  {escape(each.enrolment)} {each.recorded.version}  {mark}",
            soft_wrap=True,
        )
        for line in (*each.differences, *(f"the record no longer has {lost}" for lost in each.lost)):
            out.print(f"    {escape(line)}", soft_wrap=True)
        for line in each.unchecked:
            out.print(
                f"    [dim]not compared, for its version of then is not known: {escape(line)}[/]",
                soft_wrap=True,
            )
    _print_notes(done.notes)
    same = sum(each.is_same for each in done.decisions)
    if not done.decisions:
        said(f"No decision about {done.person} is recorded there.")
    else:
        said(f"{same} of {len(done.decisions)} recorded decisions come to the same.")


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        console().print(f"[yellow]![/] {escape(note)}", soft_wrap=True)


def _told(done: LookedBack) -> dict[str, Any]:
    return {
        "person": done.person,
        "decisions": [_decision(each) for each in done.decisions],
        "notes": list(done.notes),
    }


def _decision(each: Replayed) -> dict[str, Any]:
    recorded = each.recorded
    return {
        "at": recorded.recorded_at.isoformat(),
        "enrolment": each.enrolment,
        "pathway": recorded.pathway,
        "version": recorded.version,
        "provenance": recorded.provenance,
        "rules": recorded.rules,
        "same": each.is_same,
        "differences": list(each.differences),
        "lost": list(each.lost),
        "not_compared": list(each.unchecked),
    }


def _lived_again(settings: Settings, asked: dict[str, Any], version: str, *, json: bool) -> None:
    from service.app.looking_back import compare_versions

    done = compare_versions(settings, **asked, version=version)
    if json:
        as_json(_compared(done))
    else:
        _print_compared(done)


def _print_compared(done: Compared) -> None:
    out = console()
    out.print(
        f"{escape(done.person)} on {escape(done.pathway)}: [red]- {done.version}[/]  [green]+ {done.other}[/]",
        soft_wrap=True,
    )
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for difference in done.differences:
        at = difference.at
        lines = [f"[red]- {escape(event)}[/]" for event in difference.only_first]
        lines += [f"[green]+ {escape(event)}[/]" for event in difference.only_second]
        for number, line in enumerate(lines):
            table.add_row("" if number else f"  {at:%a %Y-%m-%d %H:%M}", line)
    out.print(table)
    for each in done.nowhere:
        at = each.at.astimezone(done.until.tzinfo)
        out.print(
            f"  [yellow]![/] {at:%a %Y-%m-%d %H:%M}: what was done to {escape(_acted_on(each))} has nothing to be done to",
            soft_wrap=True,
        )
    _print_notes(done.notes)
    said(_in_short(done))


def _acted_on(happening: Any) -> str:
    return str(happening.what.identifier)


def _in_short(done: Compared) -> str:
    if not done.differences:
        return f"Up to {done.until:%Y-%m-%d %H:%M} version {done.other} would have done the same as {done.version}."
    return f"Up to {done.until:%Y-%m-%d %H:%M} the two differ at {len(done.differences)} instants."


def _compared(done: Compared) -> dict[str, Any]:
    return {
        "person": done.person,
        "pathway": done.pathway,
        "version": done.version,
        "other": done.other,
        "until": done.until.isoformat(),
        "timeline": [
            {
                "at": each.at.isoformat(),
                done.version: list(each.only_first),
                done.other: list(each.only_second),
            }
            for each in done.differences
        ],
        "without_counterpart": [
            {"at": each.at.isoformat(), "identifier": _acted_on(each)} for each in done.nowhere
        ],
        "notes": list(done.notes),
    }
