"""`throughline pathways`: the tools of whoever writes pathways, as the command line shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.app.commands.printing import stop
from service.app.exits import Exit

pathways = typer.Typer(
    no_args_is_help=True, help="List, check, publish, describe, simulate and export pathways."
)
Named = Annotated[str, typer.Argument(metavar="PATHWAY", help="As `throughline pathways list` names it.")]
Folder = Annotated[Path | None, typer.Option("--mappings", help="The mappings folder.")]
Version = Annotated[
    str | None, typer.Option("--version", help="An earlier version; default: the current one.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@pathways.command("list")
def list_(mappings: Folder = None, json: Json = False) -> None:
    """Every pathway that can be used, with its version, stages and follow-ups.

    Example: throughline pathways list --json
    """
    from service.app.commands.authoring import list_pathways

    list_pathways(mappings, json=json)


@pathways.command()
def check(mappings: Folder = None, json: Json = False) -> None:
    """Every problem of every file at once: errors, warnings and advice, each with its place and what to write instead.

    Status 1 when there is an error. Example: throughline pathways check --mappings ./mappings
    """
    from service.app.commands.authoring import check_files

    check_files(mappings, json=json)


@pathways.command()
def publish(
    pathway: Annotated[
        str | None, typer.Argument(metavar="[PATHWAY]", help="As `throughline pathways list` names it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every pathway that is in use.")] = False,
    mappings: Folder = None,
    json: Json = False,
) -> None:
    """Keep the current version of a pathway: people stay on the version they began with, also when the file changes.

    Writes `versions/<version>.yaml` beside the file and notes its digest, so that `check` can tell a later edit.

    Example: throughline pathways publish post-discharge-coordination

    Example: throughline pathways publish --all
    """
    from service.app.commands.authoring import publish_versions

    if (pathway is None) is not everything:
        stop("name one pathway, or say --all", Exit.USAGE)
    publish_versions(pathway, mappings, json=json)


@pathways.command()
def describe(
    pathway: Named,
    version: Version = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of the terminal.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw the stages into this SVG file.")
    ] = None,
    mappings: Folder = None,
) -> None:
    """A pathway in plain language: stages, who does what by when, and from which source. Markdown with a Mermaid picture.

    With --svg the same picture as a drawing for screen and paper; the page itself then only with --output.

    Example: throughline pathways describe post-discharge-coordination --output pathway.md

    Example: throughline pathways describe crisis-to-outpatient --svg pathway.svg
    """
    from service.app.commands.describing import describe as describe_pathway

    describe_pathway(pathway, output, svg, mappings, version)


@pathways.command()
def export(
    pathway: Named,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the Bundle to this file instead of the terminal."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Write each resource to a file of its own in this folder.")
    ] = None,
    version: Version = None,
    mappings: Folder = None,
) -> None:
    """A pathway as FHIR R4: PlanDefinition, ActivityDefinitions, a Questionnaire of the required fields, ValueSets.

    The PlanDefinition's url and version are what enrolment CarePlans carry in instantiatesCanonical.

    Example: throughline pathways export post-discharge-coordination --output bundle.json

    Example: throughline pathways export crisis-to-outpatient --folder fhir/
    """
    from service.app.commands.exporting import export as export_pathway

    if output is not None and folder is not None:
        stop("name one of --output and --folder, not both", Exit.USAGE)
    export_pathway(pathway, output, folder, mappings, version)


@pathways.command()
def simulate(
    pathway: Annotated[
        str | None,
        typer.Argument(metavar="[PATHWAY]", help="Needed for worked cases; with --bundle: only this one."),
    ] = None,
    case: Annotated[
        str | None, typer.Option("--case", help="Part of a case file's name; default: all.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Play this FHIR Bundle instead of worked cases."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="INSTANT", help="With --bundle: how long; default: 30 days after its end."
        ),
    ] = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="Patient/ID", help="With --bundle: only this person.")
    ] = None,
    version: Version = None,
    mappings: Folder = None,
    json: Json = False,
) -> None:
    """Play worked cases, or a person's record, on a simulated clock and show what would happen when. Needs no server.

    Worked cases: status 1 when one does not hold. A Bundle of type history comes as the record had it; any other in the
    order in which its resources say that they happened. Nobody answers: what is shown is what silence leads to.

    Example: throughline pathways simulate post-discharge-coordination --case nobody-acts

    Example: throughline pathways simulate post-discharge-coordination --bundle person.json --until 2026-04-01

    Example: throughline pathways simulate --bundle person.json --json
    """
    from service.app.commands.simulating import simulate_cases, simulate_file

    if bundle is not None:
        asked = {"pathway": pathway, "version": version, "person": person, "until": until}
        simulate_file(bundle, **asked, mappings=mappings, json=json)
        return
    if pathway is None or until or person:
        stop("name a pathway to play its worked cases, or a file with --bundle FILE", Exit.USAGE)
    simulate_cases(pathway, case, mappings, version, json=json)
