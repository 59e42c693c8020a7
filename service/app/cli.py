"""The `throughline` command line: puts the commands together. Must not hold logic of its own."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from service.app.exits import MEANING, Exit


def make_cli() -> typer.Typer:
    """All commands under one name."""
    from service.app.commands import keys, messages, operate, pathways, replaying, run, subscriptions

    cli = typer.Typer(
        name="throughline",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=HELP,
        epilog=EXITS,
        rich_markup_mode="markdown",
    )
    cli.callback()(_root)
    for command in (
        run.up,
        run.web,
        run.mllp,
        run.worker,
        run.scheduler,
        run.redis,
        run.demo,
        operate.doctor,
        operate.reconcile,
        operate.measures,
        messages.senders,
        replaying.replay,
    ):
        cli.command()(command)
    cli.add_typer(pathways.pathways, name="pathways")
    cli.add_typer(subscriptions.subscriptions, name="subscriptions")
    cli.add_typer(operate.dead_letters, name="dead-letters")
    cli.add_typer(keys.keys, name="keys")
    return cli


HELP = """Nobody falls between services: every next step gets a named owner and a clock, and silence escalates.

Settings come from THROUGHLINE_* variables or the file that THROUGHLINE_SETTINGS_FILE names; options go first.

Example: throughline demo

Example: throughline doctor --fhir http://localhost:8080/fhir

Example: throughline up --fhir http://localhost:8080/fhir
"""
EXITS = "Exit status: " + " · ".join(f"{code.value} {MEANING[code]}" for code in Exit)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"throughline {version('throughline')}")
        raise typer.Exit(Exit.OK)


def _root(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options of `throughline` itself; the eager one has spoken before this."""


def main() -> None:
    """The console script; Ctrl-C ends in its status also while the commands are still being imported."""
    # One-shot commands say what matters themselves; the processes that stay set up logging of their own.
    logging.getLogger("service").addHandler(logging.NullHandler())
    try:
        make_cli()()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
