"""The timeline in the terminal: what the hospital did, what the clinic did, and what appeared in the record by itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

STYLE = {"hospital": "cyan", "clinic": "green", "Throughline": "bold magenta", "time": "dim", "check": "bold"}


class Timeline:
    """Prints rows `time · who · what`; one place, so that the story reads like a page."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{escape(title)}[/]", align="left", style="blue"))

    def says(self, at: datetime, who: str, what: str, detail: str = "") -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(width=13, style="dim", no_wrap=True)
        row.add_column(width=11, style=STYLE.get(who, ""), no_wrap=True)
        row.add_column(ratio=1)
        text = escape(what) + (f"\n[dim]{escape(detail)}[/]" if detail else "")
        row.add_row(f"{at:%a %d %H:%M}", who, text)
        self._console.print(row)

    def passes(self, before: datetime, after: datetime, why: str) -> None:
        self._console.print(f"[dim]              ⏩ {_length(after, before)} pass: {escape(why)}[/]")

    def table(self, title: str, rows: Iterable[tuple[bool, str, str]]) -> None:
        """What was checked: right or wrong, what, and what was found instead."""
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 1))
        for right, what, found in rows:
            mark = "[green]✓[/]" if right else "[bold red]✗[/]"
            table.add_row(mark, escape(what), "" if right else f"[red]{escape(found)}[/]")
        self._console.print(table)

    def line(self, text: str = "") -> None:
        self._console.print(text)


def _length(after: datetime, before: datetime) -> str:
    minutes = round((after - before).total_seconds() / 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n]
    return " ".join(parts) or "moments"
