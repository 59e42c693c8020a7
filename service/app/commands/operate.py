"""`doctor`, `reconcile`, `measures`, `dead-letters`: what operators and commissioners ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.app.commands.printing import as_json, console, failures_in_words, said, settings_from, stop
from service.app.exits import Exit
from service.app.findings import Finding, Outcome

if TYPE_CHECKING:
    from service.app.by_hand import LookedAt
    from service.domain.measures import MeasureCount

dead_letters = typer.Typer(no_args_is_help=True, help="Work that waits for a person.")
Fhir = Annotated[str | None, typer.Option("--fhir", metavar="URL", help="Base address of the FHIR server.")]
Redis = Annotated[str | None, typer.Option("--redis", metavar="URL", help="Redis server.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


class Assurance(StrEnum):
    """How often the service looks at a measure together."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"


_MARKS = {
    Outcome.GOOD: "[green]✓[/]",
    Outcome.CARE: "[yellow]![/]",
    Outcome.BAD: "[bold red]✗[/]",
}


def doctor(fhir: Fhir = None, redis: Redis = None, json: Json = False) -> None:
    """Say in plain words what works, what does not, and what to do. Status 1 when something must be mended.

    Example: throughline doctor --fhir http://localhost:8080/fhir
    """
    from service.app.examination import examine_installation

    with failures_in_words(in_a_pod=True):
        settings = settings_from(fhir_base_url=fhir, redis_url=redis)
        found = list(examine_installation(settings))
    if json:
        as_json([vars(finding) for finding in found])
    else:
        _print_findings(found)
    if any(finding.outcome is Outcome.BAD for finding in found):
        raise typer.Exit(Exit.NOT_AS_IT_SHOULD_BE)


def _print_findings(found: Iterable[Finding]) -> None:
    table = Table.grid(padding=(0, 1))
    for finding in found:
        text = escape(finding.sentence) + (f"\n[dim]→ {escape(finding.remedy)}[/]" if finding.remedy else "")
        table.add_row(_MARKS[finding.outcome], f"[bold]{finding.about}[/]", text)
    console().print(table)


def reconcile(
    person: Annotated[str | None, typer.Option("--person", metavar="Patient/ID", help="One person.")] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Everybody who has an enrolment; the workers do it.")
    ] = False,
    fhir: Fhir = None,
    redis: Redis = None,
    json: Json = False,
) -> None:
    """Look at one person now, or have everybody with an enrolment looked at by the workers.

    Example: throughline reconcile --person Patient/123

    Example: throughline reconcile --all
    """
    from service.app.by_hand import reconcile_everybody, reconcile_person

    if (person is None) is not everybody:
        stop("name one person with --person Patient/ID, or everybody with --all", Exit.USAGE)
    with failures_in_words():
        settings = settings_from(fhir_base_url=fhir, redis_url=redis)
        if person:
            _print_looked_at(reconcile_person(settings, person), json=json)
        else:
            people = reconcile_everybody(settings)
            as_json({"people": people}) if json else said(
                f"{people} people are looked at by the workers now."
            )


def _print_looked_at(done: LookedAt, *, json: bool) -> None:
    if json:
        as_json(vars(done))
        return
    out = console()
    for identifier, stage in done.enrolments.items():
        out.print(f"{escape(identifier)}: [bold]{escape(stage)}[/]", soft_wrap=True)
    if not done.enrolments:
        out.print("On no pathway: nothing in the record begins one.")
    due = f"{done.next_due_at:%a %Y-%m-%d %H:%M %z}" if done.next_due_at else "nothing"
    out.print(f"{done.written} resources written; due next: {due}")
    for what in done.not_understood:
        out.print(f"[yellow]![/] could not be understood: {escape(what)}", soft_wrap=True)
    for what in done.not_followed:
        out.print(f"[yellow]![/] not followed up, the mappings folder has no {escape(what)}", soft_wrap=True)


def measures(
    pathway: Annotated[str | None, typer.Option("--pathway", help="Only this pathway.")] = None,
    assurance: Annotated[
        Assurance | None, typer.Option("--assurance", help="Only what the service looks at this often.")
    ] = None,
    fhir: Fhir = None,
    json: Json = False,
) -> None:
    """Governance measures from the record, each with the enrolments behind the number (--json names them).

    Each enrolment is counted by the version of the pathway that it began with.

    Example: throughline measures --pathway post-discharge-coordination

    Example: throughline measures --assurance weekly
    """
    from service.app.by_hand import count_measures

    with failures_in_words():
        counted = count_measures(settings_from(fhir_base_url=fhir), pathway)
    if counted.left_out:
        said(
            f"{len(counted.left_out)} enrolments are on a version that the mappings folder does not have; they are not"
            " counted. `throughline dead-letters list` names what is missing."
        )
    wanted = _looked_at(counted.measures, assurance)
    if json:
        as_json({name: [_measure(m) for m in found] for name, found in wanted.items()})
        return
    for name, found in wanted.items():
        table = Table(
            "measure",
            "met",
            "of",
            "rate",
            "still open",
            "left out",
            title=name,
            title_justify="left",
            box=None,
        )
        for m in found:
            rate = "–" if m.rate is None else f"{m.rate:.0%}"
            counts = (len(m.numerator), len(m.denominator), rate, len(m.pending), len(m.excluded))
            table.add_row(m.title, *(str(each) for each in counts))
        console().print(table)


def _looked_at(
    measures: Mapping[str, tuple[MeasureCount, ...]], assurance: Assurance | None
) -> dict[str, list[MeasureCount]]:
    """The measures of one rhythm, by pathway; without one, all."""
    wanted = {
        name: [m for m in found if assurance is None or m.assurance == assurance.value]
        for name, found in measures.items()
    }
    return {name: found for name, found in wanted.items() if found or assurance is None}


def _measure(found: Any) -> dict[str, Any]:
    return {
        **{key: list(v) if isinstance(v, tuple) else v for key, v in vars(found).items()},
        "rate": found.rate,
    }


@dead_letters.command("list")
def list_(redis: Redis = None, json: Json = False) -> None:
    """What could not be worked on, why, and since when.

    Example: throughline dead-letters list --redis redis://localhost:6379/0
    """
    from service.app.by_hand import parked

    with failures_in_words():
        letters = parked(settings_from(redis_url=redis))
    rows = [
        {"id": x.id, "kind": x.kind, "subject": x.subject, "at": x.at.isoformat(), "reason": x.reason}
        for x in letters
    ]
    if json:
        as_json(rows)
        return
    for row in rows:
        console().print(
            f"[bold]{row['id']}[/]  {row['at']}  {row['kind']} {escape(row['subject'])}\n  {escape(row['reason'])}"
        )
    if not rows:
        said("Nothing waits for a person.")


@dead_letters.command()
def retry(
    letter: Annotated[str, typer.Argument(metavar="ID|all", help="As `list` shows it, or all.")],
    redis: Redis = None,
    json: Json = False,
) -> None:
    """Try one again, by the id that `list` shows; `all` tries every one.

    Example: throughline dead-letters retry all
    """
    from service.app.by_hand import retry_letters

    with failures_in_words():
        done = retry_letters(settings_from(redis_url=redis), letter)
    if json:
        as_json(vars(done))
        return
    said(f"{done.tried} tried again.")
    for each in done.unreadable:
        said(f"{each} holds nothing that could be tried again and stays where it is.")
