"""The stages of a pathway as a Mermaid flowchart: what leads to what, and what must be true first."""

from __future__ import annotations

from collections.abc import Iterator

from service.domain.needs import (
    AllOf,
    AtLeast,
    FieldsComplete,
    InRecord,
    Need,
    NoneOf,
    OnEscalation,
    OnField,
    OnLevel,
    OnPathway,
    OnPlace,
    OnStage,
    OnTask,
)
from service.domain.pathway import Pathway

ESCAPES = (('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "'"), ("|", "/"))


def stage_picture(pathway: Pathway) -> Iterator[str]:
    """Lines of a Mermaid flowchart, without the fence."""
    names = Ways(pathway)
    yield "flowchart TD"
    for number, stage in enumerate(pathway.stages):
        opening, closing = ("([", "])") if stage.final else ("[", "]")
        yield f'  s{number}{opening}"{_safe(stage.title)}"{closing}'
    yield '  begin(("start")) --> s0'
    for number, stage in enumerate(pathway.stages):
        # A dict keeps the order and drops repeated arrows.
        for origin, label in dict.fromkeys(names.way(need, number) for need in stage.enter):
            yield f'  s{origin} -->|"{_safe(label)}"| s{number}'
    for number, gate in enumerate(pathway.gates):
        yield f'  g{number}{{{{"{_safe(gate.title)}"}}}} -.- s{names.numbers[gate.before]}'


class Ways:
    """Numbers and titles of everything an arrow may come from."""

    def __init__(self, pathway: Pathway) -> None:
        self.numbers = {stage.id: number for number, stage in enumerate(pathway.stages)}
        self.ends = {number for number, stage in enumerate(pathway.stages) if stage.final}
        self.homes = {task.id: n for n, stage in enumerate(pathway.stages) for task in stage.tasks}
        self.tasks = {task.id: task.title for stage in pathway.stages for task in stage.tasks}
        self.places = {c.id: c.title for c in pathway.capacities.values()}
        self.fields = {one.id: one.title for one in pathway.required}

    def way(self, need: Need, number: int) -> tuple[int, str]:
        """(stage, label) an arrow begins with; what the record alone decides is drawn from the stage before.

        Nobody goes on from an end: then from the last stage before it that is none.
        """
        match need:
            case OnTask():
                return self.homes[need.task], f"{self.tasks[need.task]}: {need.state.value}"
            case OnEscalation():
                return self.homes[need.task], f"escalation of {self.tasks[need.task]}: {need.state.value}"
            case OnStage():
                return self.numbers[need.stage], "entered"
            case OnField():
                said = f": {' or '.join(need.says)}" if need.says else ""
                return self._before(number), f"{self.fields[need.field]}{said}"
            case AllOf() | AtLeast() | NoneOf():
                return self._combined(need, number)
            case _:
                return self._before(number), self._of_the_record(need)

    def _before(self, number: int) -> int:
        return next((n for n in range(number - 1, -1, -1) if n not in self.ends), 0)

    def _of_the_record(self, need: Need) -> str:
        match need:
            case InRecord():
                return f"{need.condition.kind} in the record"
            case OnLevel():
                return f"{need.criterion}: {' or '.join(need.levels)}"
            case OnPlace():
                return f"{self.places[need.capacity]}: {need.state.value}"
            case OnPathway():
                return f"on {need.pathway}: {need.state.value}"
            case FieldsComplete():
                return "dataset complete"
            case _:
                return "dataset not complete"

    def _combined(self, need: AllOf | AtLeast | NoneOf, number: int) -> tuple[int, str]:
        """One arrow, from the latest stage that any part of it comes from."""
        ways = [self.way(each, number) for each in need.of]
        sign = {AllOf: " and ", AtLeast: " or ", NoneOf: " or "}[type(need)]
        text = sign.join(dict.fromkeys(label for _, label in ways))
        before = {AllOf: "", AtLeast: f"{getattr(need, 'count', '')} of: ", NoneOf: "none of: "}[type(need)]
        return max(origin for origin, _ in ways), before + text


def _safe(text: str) -> str:
    """Text that cannot end a Mermaid label or begin markup."""
    flat = " ".join(text.split()).replace("#", "#35;")
    for sign, escaped in ESCAPES:
        flat = flat.replace(sign, escaped)
    return flat
