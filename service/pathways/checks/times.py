"""Ladders that rise, clocks that can start, and windows that fit: what is wrong with lengths of time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pydantic_core import PydanticCustomError

from service.domain.due import Unit, Within
from service.domain.vocabulary import Priority
from service.pathways.checks import outline
from service.pathways.problems import Severity
from service.pathways.scalars import read_within, shown
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node

# For comparing lengths with one another only; due times are computed by the domain on a real calendar.
NOMINAL_MINUTES = {
    Unit.MINUTES: 1,
    Unit.HOURS: 60,
    Unit.DAYS: 24 * 60,
    Unit.WEEKS: 7 * 24 * 60,
    Unit.WORKING_HOURS: 60,
    Unit.WORKING_DAYS: 24 * 60,
}
RANKS = {priority.value: rank for rank, priority in enumerate(Priority)}


def check_times(source: Source, root: Node) -> None:
    """Ladders, clocks and measures."""
    for _, ladder in outline.ladders(root):
        _check_rising(source, outline.rows_of(ladder, "rungs"))
    _check_unowned(source, root)
    _check_clocks(source, root)
    _check_measures(source, root)


def nominal(node: Node | None) -> int | None:
    """Minutes for comparison; None when this is no length of time."""
    if node is None or node.text is None:
        return None
    try:
        within: Within = read_within(node.text)
    except PydanticCustomError:
        return None
    return within.count * NOMINAL_MINUTES[within.unit]


def _check_rising(source: Source, rungs: list[Node]) -> None:
    for lower, upper in pairwise(rungs):
        earlier, later = nominal(lower.get("after")), nominal(upper.get("after"))
        after = upper.get("after")
        if after is not None and earlier is not None and later is not None and later <= earlier:
            before = outline.text_of(lower, "after") or ""
            source.report(after.place, "ladder-not-rising",
                          f"this rung comes after {shown(after.text or '')}, not later than the one before ({before})",
                          "order rungs by time, each later than the one before")  # fmt: skip
        priority = upper.get("priority")
        low = RANKS.get(outline.text_of(lower, "priority") or "")
        high = RANKS.get(outline.text_of(upper, "priority") or "")
        if priority is not None and low is not None and high is not None and high < low:
            source.report(priority.place, "priority-falls",
                          f"priority falls from '{outline.text_of(lower, 'priority')}' to '{priority.text}' on this rung",
                          "urgency rises up a ladder: routine, urgent, asap, stat")  # fmt: skip


def _check_unowned(source: Source, root: Node) -> None:
    ladders = root.get("escalations")
    if ladders is not None and isinstance(ladders.value, dict) and "unowned" not in ladders.value:
        source.report(ladders.head, "missing-unowned-ladder", "the ladder 'unowned' is missing",
                      "it says who is told when nobody holds a role: add 'unowned: {title, why, rungs}'")  # fmt: skip


def _check_clocks(source: Source, root: Node) -> None:
    for task in outline.tasks(root):
        opens_after, clock = task.get("opens-after"), task.get("clock")
        if opens_after is not None and clock is not None and clock.text == "opened":
            source.report(opens_after.head, "circular-clock",
                          "this task opens some time after its clock starts, and its clock starts when it opens",
                          "use 'clock: start' or 'clock: stage'")  # fmt: skip
        if (
            task.get("escalation") is None
            and isinstance(task.value, dict)
            and "escalation" not in task.emptied
        ):
            source.report((task.get("id") or task).place, "no-escalation",
                          "nobody is told when this task is missed", "add 'escalation: <ladder>'",
                          Severity.WARNING)  # fmt: skip


def _due_times(task: Node) -> Iterator[int]:
    series = task.get("series")
    steps = [
        *(series.items() if series else ()),
        *([every] if series and (every := series.get("every")) else ()),
    ]
    for node in (*outline.chosen(task.get("due-in")), *steps):
        length = nominal(node)
        if length is not None:
            yield length


def _check_measures(source: Source, root: Node) -> None:
    longest = max((length for task in outline.tasks(root) for length in _due_times(task)), default=None)
    if _goes_on_without_end(root):
        return
    for measure in outline.rows_of(root, "measures"):
        within = measure.get("within")
        length = nominal(within)
        too_long = length is not None and longest is not None and length > longest
        if within is not None and too_long and _counts_what_is_asked_for(measure):
            source.report(within.place, "window-longer-than-clocks",
                          f"{shown(within.text or '')} is longer than any task of this pathway may take",
                          "right where it follows a public measure; else shorten it, or add a task that makes it happen",
                          Severity.ADVICE)  # fmt: skip


def _goes_on_without_end(root: Node) -> bool:
    """Something is asked for again and again, so no window is too long for it."""
    series = (task.get("series") for task in outline.tasks(root))
    return (
        any(each is not None and each.get("every") is not None for each in series)
        or any(task.get("again-while") is not None for task in outline.tasks(root))
        or any(outline.text_of(stage, "repeats") == "true" for stage in outline.stages(root))
    )


def _counts_what_is_asked_for(measure: Node) -> bool:
    """What only the record shows (a readmission) comes about by itself or not; any window may be asked about it."""
    rows = [inner for row in outline.rows_of(measure, "numerator") for inner in outline.with_inner(row)]
    return any(row.get("task") is not None or row.get("recorded") is not None for row in rows)
