"""What `doctor` says about traces: whether the collector takes what it is sent, tried with nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.app.findings import Finding, Outcome
from service.app.settings import variable

ABOUT = "traces"


def traces(arrive: Callable[[], bool | None]) -> Iterator[Finding]:
    """`arrive` sends an empty export, as the processes send theirs; None where traces are not wanted."""
    taken = arrive()
    if taken is None:
        return
    if taken:
        yield Finding(about=ABOUT, outcome=Outcome.GOOD, sentence="The collector takes our traces.")
        return
    yield Finding(
        about=ABOUT,
        outcome=Outcome.CARE,
        sentence="The collector does not take our traces: they are lost, and nothing else is.",
        remedy=f"Check {variable('traces_endpoint')}: the whole address with its path, e.g."
        " http://collector:4318/v1/traces (OTLP over HTTP), and that this machine may reach it.",
    )
