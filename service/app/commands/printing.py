"""How commands print: for people through rich, for programs as JSON; and how failures become one line and a status.

Whatever knows servers is imported when it is needed: `--help` and `--version` answer at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from service.app.exits import Exit

if TYPE_CHECKING:
    from service.app.settings import Settings


def console() -> Console:
    """A page wide enough for the timeline where nobody looks (a log); the terminal's own width where somebody does."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=110)


def said(line: str) -> None:
    """One line for people, on standard error, so that `--json` output stays clean."""
    _errors().print(escape(line), soft_wrap=True)


def as_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, default=_as_text, ensure_ascii=False)
    sys.stdout.write("\n")


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def failures_in_words(*, in_a_pod: bool = False) -> Iterator[None]:
    """A known failure becomes its message and its exit status; never a traceback.

    `in_a_pod`: for what the chart starts. A setting is named by its value of the chart too, because a pod that ends at
    its start leaves its log, and no doctor to be asked.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except typer.Exit:
        raise
    except Exception as failure:  # what is not known goes on as it came: it is ours to fix
        status = _status_of(failure)
        if status is None:
            raise
        stop(_in_the_words_of_the_chart(failure) if in_a_pod else str(failure), status)


def _status_of(failure: Exception) -> Exit | None:
    from service.app.commands.failures import FAILURES

    return next((status for kind, status in FAILURES if isinstance(failure, kind)), None)


def _in_the_words_of_the_chart(failure: Exception) -> str:
    from service.app.chart_values import in_the_chart
    from service.app.settings import SettingsProblem

    if not isinstance(failure, SettingsProblem):
        return str(failure)
    return "\n".join(f"{line} {in_the_chart(line)}".strip() for line in failure.problems)


def stop(message: str, status: Exit) -> NoReturn:
    """Say why and end. Never wrapped: a reason is one line, also for whoever reads it from a log."""
    _errors().print(f"[bold red]throughline:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(status)


def _errors() -> Console:
    return Console(stderr=True, highlight=False)


def instant(text: str | None, zone: tzinfo, option: str) -> datetime | None:
    """What an option says: a FHIR date or instant; a day counts from its first minute in `zone`."""
    from service.fhir.times import parse_time

    if text is None:
        return None
    found = parse_time(text, zone)
    if found is None:
        stop(
            f"{option} {text!r} is not a day or an instant: write 2026-03-09 or 2026-03-09T12:00:00-07:00",
            Exit.USAGE,
        )
    return found


def settings_from(**given: Any) -> Settings:
    """Settings of the environment, with what the command line gives on top; what is wrong is named as it was given."""
    from service.app.settings import SettingsProblem, load_settings

    try:
        return load_settings(**given)
    except SettingsProblem as problem:
        raise SettingsProblem([_as_given(line) for line in problem.problems]) from None


def _as_given(line: str) -> str:
    """`fhir_base_url cannot be …` came from an option; settings of the environment have names of their own."""
    name, _, rest = line.partition(" ")
    return f"{OPTIONS[name]} {rest}" if name in OPTIONS else line


OPTIONS = {
    "fhir_base_url": "--fhir",
    "redis_url": "--redis",
    "port": "--port",
    "mllp_host": "--host",
    "mllp_port": "--port",
    "host": "--host",
    "public_url": "--public-url",
    "mappings_dir": "--mappings",
}
