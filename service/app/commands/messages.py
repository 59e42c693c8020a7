"""`senders`: who may send messages, and with which token."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from service.app.commands.printing import as_json, console, failures_in_words, said, settings_from

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def senders(
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show the bearer token of each; hand it over by a safe way.")
    ] = False,
    json: Json = False,
) -> None:
    """Who may send FHIR messages and HL7 v2, from senders.yaml of the mappings folder.

    Example: throughline senders

    Example: THROUGHLINE_SECRET_KEY=… throughline senders --tokens --json
    """
    from service.app.sender_list import listed

    with failures_in_words():
        rows = listed(settings_from(), tokens=tokens)
    if json:
        as_json([vars(row) for row in rows])
        return
    if not rows:
        said("Nobody may send messages: list them in senders.yaml of the mappings folder (docs/messages.md).")
        return
    table = Table("sender", "accepts", "HL7 v2 header", "certificates", box=None)
    for row in rows:
        table.add_row(row.name, ", ".join(row.accepts), row.header, "\n".join(row.certificates))
    console().print(table)
    for row in rows:
        if row.token:  # on a line of its own and never cut, so that it can be copied
            typer.echo(f"{row.name}: {row.token}")
