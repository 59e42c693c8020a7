"""`throughline pathways export`: a pathway as FHIR R4 definitions, one Bundle or a folder of files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from service.app.commands.opened import named, open_library
from service.app.commands.printing import failures_in_words, said, stop
from service.app.exits import Exit
from service.domain.pathway import Pathway
from service.fhir.definitions import Wording, as_bundle, definitions
from service.pathways.library import Library
from service.pathways.said import SaidNeeds, words
from service.pathways.value_set_files import value_set_resources
from service.ports import Resource


def export(
    pathway: str, output: Path | None, folder: Path | None, mappings: Path | None, version: str | None
) -> None:
    """Prints the Bundle, writes it into `output`, or writes each resource into `folder`."""
    with failures_in_words():
        library, where = open_library(mappings)
        chosen = named(library, pathway, version)
        resources = definitions(chosen, wording_of(chosen, library), value_set_resources(where))
    try:
        if folder is not None:
            _write_each(resources, folder)
        elif output is not None:
            output.write_text(_text(as_bundle(resources)), encoding="utf-8")
        else:
            typer.echo(_text(as_bundle(resources)), nl=False)
    except OSError as failure:
        stop(f"{failure.filename} cannot be written ({failure.strerror})", Exit.NOT_FOUND)
    if output is not None or folder is not None:
        said(f"{len(resources)} definitions of {chosen.id} {chosen.version} written to {folder or output}.")


def wording_of(pathway: Pathway, library: Library) -> Wording:
    """The words of the page that `describe` shows."""
    said_needs = SaidNeeds(pathway, {name: each.title for name, each in library.value_sets.items()})
    return Wording(
        any_of=said_needs.any,
        record=lambda condition: said_needs.record(condition.text),
        length=words,
        value_sets={name: each.url for name, each in library.value_sets.items()},
    )


def _write_each(resources: Sequence[Resource], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for each in resources:
        (folder / f"{each['resourceType']}-{each['id']}.json").write_text(_text(each), encoding="utf-8")


def _text(resource: Resource) -> str:
    return json.dumps(resource, indent=2, ensure_ascii=False) + "\n"
