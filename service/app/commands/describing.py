"""`throughline pathways describe`: a pathway as a page for whoever approves it."""

from __future__ import annotations

from pathlib import Path

import typer

from service.app.commands.opened import named, open_library
from service.app.commands.printing import failures_in_words, said, stop
from service.app.exits import Exit
from service.pathways.describe import describe as describe_pathway


def describe(pathway: str, output: Path | None, mappings: Path | None, version: str | None) -> None:
    """Prints a pathway in plain language, or writes it into `output`."""
    with failures_in_words():
        library, _ = open_library(mappings)
        text = describe_pathway(named(library, pathway, version), library)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as failure:
        stop(f"{output} cannot be written ({failure.strerror})", Exit.NOT_FOUND)
    said(f"Written to {output}.")
