"""One table of what was measured: value, floor of the same run, ratio, budget, and whether the budget holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement; texts as they are shown."""

    what: str
    measured: str
    floor: str = ""
    ratio: float | None = None
    budget: str = ""
    holds: bool | None = None
    """None: there is no budget for this; it is told because it explains another row."""


def show(title: str, rows: Iterable[Row]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("what", "measured", "floor of the same run", "ratio", "budget", ""):
        table.add_column(name, justify="right" if name == "ratio" else "left", overflow="fold")
    for row in rows:
        verdict = {True: "holds", False: "MISSED", None: ""}[row.holds]
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.what, row.measured, row.floor, ratio, row.budget, verdict)
    Console(width=150).print(table)
