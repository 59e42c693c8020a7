"""Runs the demonstration from the first server to the last check, and says where to look."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from service.app.demo.ending import check_ending
from service.app.demo.story import Story
from service.app.demo.timeline import Timeline
from service.app.demo.world import World, open_world
from service.app.exits import Exit
from service.app.up import wait_for_interrupt


def show(console: Console, state_dir: Path, *, port: int, once: bool) -> Exit:
    """Play the story; OK only if the record then holds exactly what the story says."""
    began = time.monotonic()
    timeline = Timeline(console)
    console.print(Panel.fit("[bold]Throughline[/]: nobody falls between services", border_style="blue"))
    with console.status("Starting …") as status:
        world_context = open_world(state_dir, lambda line: _progress(console, status, line, began), port=port)
        world = world_context.__enter__()
    try:
        story = Story(world=world, timeline=timeline)
        story.play()
        timeline.chapter("What the record holds now")
        rows = list(check_ending(story))
        timeline.table(f"{sum(right for right, _, _ in rows)} of {len(rows)} as the story says", rows)
        result = Exit.OK if all(right for right, _, _ in rows) else Exit.NOT_AS_IT_SHOULD_BE
        _addresses(timeline, world, time.monotonic() - began)
        if not once:
            timeline.line("The demonstration stays open. Stop it with Ctrl-C.")
            wait_for_interrupt()
        return result
    finally:
        with console.status("Stopping …"):
            world_context.__exit__(None, None, None)


def _progress(console: Console, status: object, line: str, began: float) -> None:
    console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {line}", highlight=False)
    status.update(line)  # type: ignore[attr-defined]


def _addresses(timeline: Timeline, world: World, seconds: float) -> None:
    timeline.line()
    timeline.line(f"[bold]Look around[/] (the story took {seconds:.0f} s):")
    for what, where in (
        ("worklist and stages", f"{world.installation.web_url}/"),
        ("readiness in detail", f"{world.installation.web_url}/readyz"),
        ("metrics", f"{world.installation.web_url}/metrics"),
        ("enrolments in the record", f"{world.fhir.base_url}/CarePlan?category=pathway"),
        ("escalations in the record", f"{world.fhir.base_url}/CarePlan?category=escalation"),
        ("the sandbox's own console", f"{world.fhir.base_url.removesuffix('/fhir')}/ui"),
        ("logs", str(world.installation.supervisor.log_dir)),
    ):
        timeline.line(f"  {what:26} {where}")
