"""Runs the demonstration from the first server to the last check, and says where to look."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status

from service.app.demo.ending import check_ending
from service.app.demo.story import Story
from service.app.demo.timeline import Timeline
from service.app.demo.world import World, open_world
from service.app.exits import Exit
from service.app.orderly_end import orderly_end, wait_for_interrupt
from service.app.settings import FILE_VARIABLE
from service.app.state_folder import SETTINGS


def show(console: Console, state_dir: Path, *, port: int | None, once: bool) -> Exit:
    """Play the story; OK only if the record then holds exactly what the story says.

    Whatever happens, Ctrl-C included, every process that was started is stopped before this returns or raises.
    """
    began = time.monotonic()
    console.print(Panel.fit("[bold]Throughline[/]: nobody falls between services", border_style="blue"))
    with orderly_end(), ExitStack() as stack:
        with console.status("Starting …") as status:
            opening = open_world(state_dir, lambda line: _progress(console, status, line, began), port=port)
            world = stack.enter_context(opening)
        stack.callback(console.print, "[dim]Stopping every process …[/]")
        result = _play(Timeline(console), world, began, stays_open=not once)
        if not once:
            console.print("The demonstration stays open. Stop it with Ctrl-C.")
            with suppress(KeyboardInterrupt):
                wait_for_interrupt()
        return result


def _play(timeline: Timeline, world: World, began: float, *, stays_open: bool) -> Exit:
    story = Story(world=world, timeline=timeline)
    story.play()
    timeline.chapter("What the record holds now")
    rows = list(check_ending(story))
    timeline.table(f"{sum(right for right, _, _ in rows)} of {len(rows)} as the story says", rows)
    _addresses(timeline, world, time.monotonic() - began, stays_open=stays_open)
    return Exit.OK if all(right for right, _, _ in rows) else Exit.NOT_AS_IT_SHOULD_BE


def _progress(console: Console, status: Status, line: str, began: float) -> None:
    console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {escape(line)}", highlight=False)
    status.update(escape(line))


def _addresses(timeline: Timeline, world: World, seconds: float, *, stays_open: bool) -> None:
    timeline.line()
    when = "Look around" if stays_open else "Where to look while the demonstration is open, without --once"
    timeline.line(f"[bold]{when}[/] (the story took {seconds:.0f} s):")
    for what, where in (
        ("worklist and stages", f"{world.installation.web_url}/"),
        ("readiness in detail", f"{world.installation.web_url}/readyz"),
        ("metrics", f"{world.installation.web_url}/metrics"),
        ("enrolments in the record", f"{world.fhir.base_url}/CarePlan?category=pathway"),
        ("escalations in the record", f"{world.fhir.base_url}/CarePlan?category=escalation"),
        ("the sandbox's own console", f"{world.fhir.base_url.removesuffix('/fhir')}/ui"),
        ("logs", str(world.installation.supervisor.log_dir)),
        ("other commands", f"export {FILE_VARIABLE}={world.installation.state_dir / SETTINGS}"),
    ):
        timeline.line(f"  {what:26} {where}")
