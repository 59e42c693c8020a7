"""`throughline pathways describe`: a pathway as a page for whoever approves it."""

from __future__ import annotations

from pathlib import Path

import typer

from service.app.commands.opened import named, open_library
from service.app.commands.printing import failures_in_words, said, stop
from service.app.exits import Exit
from service.pathways.describe import describe as describe_pathway
from service.pathways.svg_picture import stage_svg


def describe(
    pathway: str, output: Path | None, svg: Path | None, mappings: Path | None, version: str | None
) -> None:
    """Prints a pathway in plain language, or writes it into `output`; with `svg` the picture of its stages as well."""
    with failures_in_words():
        library, _ = open_library(mappings)
        chosen = named(library, pathway, version)
        text = describe_pathway(chosen, library)
    if svg is not None:
        _write(svg, stage_svg(chosen))
    if output is not None:
        _write(output, text)
    elif svg is None:
        typer.echo(text)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as failure:
        stop(f"{file} cannot be written ({failure.strerror})", Exit.NOT_FOUND)
    said(f"Written to {file}.")
