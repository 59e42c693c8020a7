"""The `throughline` command line: puts the commands together. Must not hold logic of its own."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from service.app.commands import operate, pathways, run
from service.app.exits import Exit

_EXITS = "\n\n".join(f"{exit_code.value} = {exit_code.name.lower().replace('_', ' ')}" for exit_code in Exit)


def make_cli() -> typer.Typer:
    """All commands under one name."""
    cli = typer.Typer(
        name="throughline",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Nobody falls between services: every next step gets a named owner and a clock, and silence escalates.",
        epilog=f"Exit status:\n\n{_EXITS}",
        rich_markup_mode="markdown",
    )
    cli.callback()(_root)
    for command in (
        run.up,
        run.web,
        run.worker,
        run.scheduler,
        run.demo,
        operate.doctor,
        operate.reconcile,
        operate.measures,
    ):
        cli.command()(command)
    cli.add_typer(pathways.pathways, name="pathways")
    cli.add_typer(operate.subscriptions, name="subscriptions")
    cli.add_typer(operate.dead_letters, name="dead-letters")
    return cli


def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if show_version:
        typer.echo(f"throughline {version('throughline')}")
        raise typer.Exit(Exit.OK)


def main() -> None:
    make_cli()()


if __name__ == "__main__":
    main()
