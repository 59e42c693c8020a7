"""Does the answer to a question rest on itself? A criterion, a field or a follow-up that does is never answered.

What is asked of each when it is looked at stands in service/domain/answers.py and rounds.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.domain.needs import TaskState
from service.pathways.checks import outline
from service.pathways.rows import ALL_FIELDS
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that is answered by looking at rows."""

    noun: str
    name: str
    state: str = ""
    """Of a task: what it must have come to."""

    def __str__(self) -> str:
        return f"{self.noun} '{self.name}'"


Rests = Mapping[Question, list[tuple[Question, Node]]]
"""What each question rests on, with the place that says so."""


def check_circles(source: Source, root: Node) -> None:
    """Each circle once, at the first row of it."""
    rests = {question: list(_asked(root, rows)) for question, rows in _questions(root)}
    told: set[Question] = set()
    for question in rests:
        way = [] if question in told else _way_back(question, rests)
        if not told.isdisjoint(passed for passed, _ in way):
            continue
        told.update(passed for passed, _ in way)
        if way:
            passed = [each for each, _ in way]
            help_ = _instead(root, question, passed)
            source.report(way[0][1].place, "circular", _said(question, passed), help_)


def _instead(root: Node, question: Question, way: list[Question]) -> str:
    if len(way) > 1:
        return "let one of them rest on the record, or on what people do"
    counts = question.state == TaskState.COMPLETED.value and any(
        outline.text_of(task, "id") == question.name and (task.get("series") or task.get("again-while"))
        for task in outline.tasks(root)
    )
    steps = "; for so many contacts write their steps, 'series: [7 days, 7 days]', for contacts without end 'series: {every: 7 days}'"
    return "let it rest on the record, or on what people do" + (steps if counts else "")


def _said(question: Question, way: list[Question]) -> str:
    *between, _ = way
    if not between:
        return f"{question} rests on itself"
    onward = "".join(f", that on {each}" for each in between[1:])
    return f"{question} rests on {between[0]}{onward}, and that on '{question.name}' again"


def _way_back(start: Question, rests: Rests) -> list[tuple[Question, Node]]:
    """The shortest way from a question to itself; empty when there is none."""
    ways = [[step] for step in rests.get(start, ())]
    seen: set[Question] = set()
    for way in ways:
        last = way[-1][0]
        if last == start:
            return way
        if last not in seen:
            seen.add(last)
            ways += [[*way, step] for step in rests.get(last, ())]
    return []


def _questions(root: Node) -> Iterator[tuple[Question, list[Node]]]:
    for name, criterion in outline.entries_of(root, "criteria"):
        yield (
            Question(noun="criterion", name=name),
            [row for _, level in criterion.entries() for row in level.items()],
        )
    for required in outline.rows_of(root, "required"):
        name = outline.text_of(required, "id") or ""
        yield Question(noun="field", name=name), outline.rows_of(required, "needs")
    for task in outline.tasks(root):
        for state, rows in _task_rows(task):
            yield Question(noun="task", name=outline.text_of(task, "id") or "", state=state), rows


def _task_rows(task: Node) -> Iterator[tuple[str, list[Node]]]:
    """The rows that are looked at to say whether a follow-up has come to a state."""
    series = task.get("series")
    until = outline.rows_of(series, "until") if series else []
    again, done = outline.rows_of(task, "again-while"), outline.rows_of(task, "done-when")
    asked = outline.rows_of(task, "opens-when") if done and (series or again) else []
    for state in (TaskState.COMPLETED, TaskState.MISSED, TaskState.SERIES_COMPLETED):
        yield state.value, [*done, *again, *until, *asked]


def _asked(root: Node, rows: Iterable[Node]) -> Iterator[tuple[Question, Node]]:
    for outer in rows:
        for row in outline.with_inner(outer):
            yield from _asked_by(root, row)


def _asked_by(root: Node, row: Node) -> Iterator[tuple[Question, Node]]:
    for noun, key, states in (("criterion", "level", False), ("task", "task", True)):
        named = row.get(key)
        if named is not None and named.text is not None:
            state = (outline.text_of(row, "is") or "") if states else ""
            yield Question(noun=noun, name=named.text, state=state), named
    recorded = row.get("recorded")
    fields = [recorded] if recorded and row.get("says") is None else []
    fields += [*outline.rows_of(row, "missing"), *outline.rows_of(row, "complete")]
    for field in fields:
        yield Question(noun="field", name=field.text or ""), field
    complete = row.get("complete")
    if complete is not None and complete.text == ALL_FIELDS:
        yield from ((Question(noun="field", name=name), complete) for name in outline.dataset(root))
