"""`throughline subscriptions`: what the FHIR server is asked to tell us, and whether it does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from service.app.commands.printing import as_json, console, failures_in_words, settings_from
from service.app.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.app.listening_report import Listening
    from service.app.our_subscriptions import Opened
    from service.app.subscriptions import Step

subscriptions = typer.Typer(no_args_is_help=True, help="What the FHIR server is asked to tell us.")
Fhir = Annotated[
    str | None, typer.Option("--fhir", metavar="URL", help="Base address of the FHIR server (R4, R4B or R5).")
]
Redis = Annotated[str | None, typer.Option("--redis", metavar="URL", help="Redis server.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", min=0, help="How long to wait until the server has activated them."
    ),
]


@subscriptions.command()
def plan(fhir: Fhir = None, json: Json = False) -> None:
    """What `apply` would change on the FHIR server, and what to know about that kind of server.

    Example: throughline subscriptions plan --fhir http://localhost:8080/fhir
    """
    from service.app.our_subscriptions import not_offered, open_subscriptions

    with (
        failures_in_words(),
        open_subscriptions(settings_from(fhir_base_url=fhir), reading_only=True) as opened,
    ):
        steps, notes = opened.ours.plan(), list(not_offered(opened))
    if json:
        as_json([vars(step) for step in steps])
        return
    _print_steps(steps, notes)
    _print_server(opened)


@subscriptions.command()
def apply(fhir: Fhir = None, wait: Wait = 10.0, json: Json = False) -> None:
    """Ask the FHIR server for our notifications; twice changes nothing. Says where the server differs from what was asked.

    Waits a little until the server has activated them. Status 1 when the server refused one.

    Example: throughline subscriptions apply --fhir http://localhost:8080/fhir --wait 30
    """
    from service.app.our_subscriptions import applied, not_offered, open_subscriptions

    with failures_in_words(in_a_pod=True), open_subscriptions(settings_from(fhir_base_url=fhir)) as opened:
        notes = list(not_offered(opened))
        steps = applied(opened, wait=timedelta(seconds=wait))
    if json:
        as_json([vars(step) for step in steps])
    else:
        _print_steps(steps, notes)
        if not opened.tells:
            _print_server(opened)
    if any(step.failed for step in steps):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


@subscriptions.command()
def stop(fhir: Fhir = None, json: Json = False) -> None:
    """Turn off all of ours on the FHIR server, before this installation goes away; nobody else's are touched.

    End the workers first: they turn on again what they find turned off. `apply` turns all of them on again. Status 1 when
    the server refused one.

    Example: throughline subscriptions stop --fhir http://localhost:8080/fhir
    """
    from service.app.our_subscriptions import open_subscriptions

    with failures_in_words(), open_subscriptions(settings_from(fhir_base_url=fhir)) as opened:
        steps = opened.ours.stop()
    as_json([vars(step) for step in steps]) if json else _print_steps(steps, ())
    if any(step.failed for step in steps):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


@subscriptions.command()
def status(fhir: Fhir = None, redis: Redis = None, json: Json = False) -> None:
    """How each subscription stands, when it was last heard, and whether the canary came back.

    Example: throughline subscriptions status --json
    """
    from service.app.our_subscriptions import subscription_states

    with failures_in_words():
        report = subscription_states(settings_from(fhir_base_url=fhir, redis_url=redis))
    if json:
        as_json(
            {
                "subscriptions": [{"name": n, **vars(heard)} for n, heard in report.subscriptions.items()],
                "canary": vars(report.canary),
            }
        )
        return
    _print_states(report)


@subscriptions.command()
def topics(fhir: Fhir = None, json: Json = False) -> None:
    """Which topics the server lists, where it says so. Some servers agree on them out of band and list none.

    Example: throughline subscriptions topics --fhir http://localhost:8080/fhir
    """
    from service.app.our_subscriptions import offered_topics

    with failures_in_words():
        found = offered_topics(settings_from(fhir_base_url=fhir))
    if json:
        as_json([vars(topic) for topic in found])
        return
    if not found:
        console().print(
            "The server lists no topics. Ask its operator, or subscribe by criteria (r4-rest-hook)."
        )
        return
    table = Table("topic", "title", "about", "told in", box=None)
    for topic in found:
        table.add_row(topic.url, escape(topic.title), ", ".join(topic.types) or "–", topic.found_in)
    console().print(table)


def _print_steps(steps: Sequence[Step], notes: Iterable[str]) -> None:
    if steps:
        table = Table("subscription", "action", "status", "why", "the server differs", box=None)
        for step in steps:
            differs = "; ".join(step.differs) or (f"refused: {step.failed}" if step.failed else "")
            table.add_row(
                step.name, step.action.value, step.status, escape("; ".join(step.why)), escape(differs)
            )
        console().print(table)
    for note in notes:
        console().print(f"[yellow]![/] {escape(note)}", soft_wrap=True)


def _print_server(opened: Opened) -> None:
    if opened.server is None:
        return
    tells = "" if opened.server.tells else " (sends no notifications; nothing is asked for)"
    console().print(f"\n[bold]{escape(opened.server.title)}[/]{tells}", soft_wrap=True)
    for sentence in opened.server.know:
        console().print(f"  · {escape(sentence)}", soft_wrap=True)


def _print_states(report: Listening) -> None:
    table = Table("subscription", "is", "status", "last heard", "", box=None)
    for name, heard in report.subscriptions.items():
        table.add_row(
            name,
            heard.hearing.value,
            heard.status,
            heard.heard_at or "never",
            escape("; ".join(heard.says)),
        )
    console().print(table)
    console().print(f"canary: {report.canary.flight.value} – {escape(report.canary.says)}", soft_wrap=True)
