"""Does what is asked about follow-ups that come again fit how often they come?"""

from __future__ import annotations

from service.domain.needs import TaskState
from service.pathways.checks import outline
from service.pathways.scalars import shown
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


def check_rounds(source: Source, root: Node) -> None:
    """Every row about a task: the end of a series needs a series, a second time needs a task that comes again."""
    tasks = {name: task for task in outline.tasks(root) if (name := outline.text_of(task, "id"))}
    again = _asked_in_each_passage(root)
    for row in outline.need_rows(root):
        name, state = outline.text_of(row, "task") or "", outline.text_of(row, "is")
        if name not in tasks or "series" in tasks[name].emptied:
            continue
        if state == TaskState.SERIES_COMPLETED.value:
            _check_end(source, row, tasks[name])
        elif state == TaskState.COMPLETED.value and name not in again:
            _check_times(source, row, tasks[name])


def _asked_in_each_passage(root: Node) -> set[str]:
    """Ids of the tasks of a stage that repeats and of those after it."""
    stages = outline.stages(root)
    first = next((n for n, s in enumerate(stages) if outline.text_of(s, "repeats") == "true"), len(stages))
    return outline.ids([task for stage in stages[first:] for task in outline.rows_of(stage, "tasks")])


def _check_end(source: Source, row: Node, task: Node) -> None:
    name, series = shown(outline.text_of(task, "id") or ""), task.get("series")
    place = (row.get("is") or row).place
    if series is None:
        source.report(place, "no-such-end", f"task {name} is no series, so no series of it comes to an end",
                      "write 'is: completed', or give the task a series")  # fmt: skip
    elif series.get("every") is not None and series.get("until") is None:
        source.report(place, "no-such-end", f"the series of task {name} has no end",
                      "add 'until: [...]' to it")  # fmt: skip


def _check_times(source: Source, row: Node, task: Node) -> None:
    times = row.get("times")
    comes_again = task.get("series") is not None or task.get("again-while") is not None
    if times is None or times.text in {None, "1"} or comes_again:
        return
    name = shown(outline.text_of(task, "id") or "")
    source.report(times.place, "never-so-often", f"task {name} is completed once, so this never holds",
                  "give the task a series or again-while, or let its stage repeat")  # fmt: skip
