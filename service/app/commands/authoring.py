"""`throughline pathways list`, `check` and `publish`: the folder as a whole, and the versions in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from service.app.commands.opened import named, open_library
from service.app.commands.printing import as_json, console, failures_in_words, said
from service.app.exits import Exit
from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId
from service.pathways.cases import case_files, check_case_file
from service.pathways.library import Library, check_all_published, pathway_files
from service.pathways.problems import Problem, Severity, render_problem, sorted_problems
from service.pathways.publish import publish


def list_pathways(mappings: Path | None, *, json: bool) -> None:
    """Prints every pathway that can be used."""
    with failures_in_words():
        library, _ = open_library(mappings)
    rows = [_row(pathway, library) for pathway in library.pathways.values()]
    if json:
        as_json(rows)
        return
    kept = any(row["earlier"] for row in rows)
    head = ("pathway", "version", *(["earlier"] if kept else []), "status", "stages", "tasks", "title")
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        shown = {**row, "earlier": ", ".join(row["earlier"]) or "none"}
        table.add_row(*(str(value) for name, value in shown.items() if kept or name != "earlier"))
    console().print(table)


def check_files(mappings: Path | None, *, json: bool) -> None:
    """Prints every problem; typer.Exit with status 1 when there is an error."""
    with failures_in_words():
        library, folder = open_library(mappings)
        notes = [*library.problems, *_case_problems(library, folder), *check_all_published(folder, library)]
        found = sorted_problems(notes)
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


def _case_problems(library: Library, folder: Path) -> list[Problem]:
    return [
        problem
        for path in pathway_files(folder)
        for case in case_files(path.parent)
        for problem in check_case_file(case, library.pathways.get(PathwayId(path.parent.name)))
    ]


def publish_versions(pathway: str | None, mappings: Path | None, *, json: bool) -> None:
    """Keeps the current version of a pathway, or of every pathway that is in use, and says so."""
    with failures_in_words():
        library, folder = open_library(mappings)
        chosen = [named(library, pathway)] if pathway else [p for p in library.pathways.values() if p.enrols]
        done = [(each, publish(folder, each)) for each in chosen]
    if json:
        as_json([{"pathway": each.id, **vars(publication)} for each, publication in done])
        return
    for each, publication in done:
        if publication.is_new:
            said(f"Version {publication.version} of {each.id} is kept as {publication.file}.")
        else:
            said(
                f"Version {publication.version} of {each.id} was published before and has not changed since."
            )
    if any(publication.is_new for _, publication in done):
        said("Hand versions/ on with the pathway. The next change of the file is a new version.")


def _row(pathway: Pathway, library: Library) -> dict[str, Any]:
    return {
        "id": pathway.id,
        "version": pathway.version,
        "earlier": [version.version for version in library.versions(pathway.id)[1:]],
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
