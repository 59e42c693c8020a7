"""Needs and lengths of time in plain words, for the page that a clinician reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.domain.due import Within
from service.domain.needs import (
    AllOf,
    AtLeast,
    EnrolmentState,
    FieldsComplete,
    FieldsMissing,
    InRecord,
    Need,
    Needs,
    NoneOf,
    OnEscalation,
    OnField,
    OnLevel,
    OnPathway,
    OnPlace,
    OnStage,
    OnTask,
    PlaceState,
)
from service.domain.pathway import Pathway

PLACES = {
    PlaceState.REQUESTED: "has been asked for",
    PlaceState.WAITING: "is waited for",
    PlaceState.ALLOCATED: "is held",
}


class SaidNeeds:
    """Says the needs of one pathway; `value_sets`: the title of each value set by its id."""

    def __init__(self, pathway: Pathway, value_sets: Mapping[str, str]) -> None:
        self.pathway = pathway
        self.value_sets = value_sets
        self.tasks = {task.id: task.title for stage in pathway.stages for task in stage.tasks}
        self.stages = {stage.id: stage.title for stage in pathway.stages}
        self.fields = {one.id: one.title for one in pathway.required}
        self._say: dict[type[Any], Callable[[Any], str]] = {
            InRecord: lambda need: f"the record holds {self.record(need.condition.text)}",
            OnTask: self._task,
            OnField: self._field,
            OnStage: lambda need: f"stage '{self.stages.get(need.stage, need.stage)}' is entered",
            OnEscalation: lambda need: f"an escalation of {self._title(need.task)} is {need.state.value}",
            OnLevel: lambda need: f"{need.criterion} is {' or '.join(need.levels)}",
            AtLeast: self._at_least,
            AllOf: lambda need: " and ".join(self.one(each) for each in need.of),
            NoneOf: lambda need: "it is not so that " + self.any(need.of),
            FieldsMissing: lambda need: f"one of these is not recorded: {self._titles(need.fields)}",
            FieldsComplete: lambda need: f"all of these are recorded: {self._titles(need.fields)}",
            OnPlace: self._place,
            OnPathway: self._pathway,
        }

    def any(self, needs: Needs) -> str:
        """Any one of these is enough."""
        return ", or ".join(self.one(need) for need in needs)

    def one(self, need: Need) -> str:
        """One need as the end of "when ..."."""
        return self._say[type(need)](need)

    def record(self, text: str) -> str:
        """A row about the record as the file has it, its value sets by title."""
        kind, _, rest = text.partition(": ")
        return f"{kind} ({'; '.join(self._titled(part) for part in rest.split('; '))})"

    def _titled(self, part: str) -> str:
        element, found, name = part.partition(" in ")
        return f"{element} is {self.value_sets[name]}" if found and name in self.value_sets else f"`{part}`"

    def _title(self, task: str) -> str:
        return f"'{dict(self.tasks).get(task, task)}'"  # type: ignore[call-overload]

    def _titles(self, fields: tuple[str, ...]) -> str:
        titles: Mapping[Any, str] = self.fields
        return ", ".join(titles.get(field, field) for field in fields)

    def _task(self, need: OnTask) -> str:
        times = f" {need.times} times" if need.times > 1 else ""
        return f"{self._title(need.task)} is {need.state.value}{times}"

    def _field(self, need: OnField) -> str:
        said = f" as {' or '.join(need.says)}" if need.says else ""
        return f"{self.fields.get(need.field, need.field)} is recorded{said}"

    def _at_least(self, need: AtLeast) -> str:
        within = f" within {words(need.within)}" if need.within else ""
        return f"at least {need.count} of these came about{within}: {'; '.join(map(self.one, need.of))}"

    def _place(self, need: OnPlace) -> str:
        capacity = self.pathway.capacities.get(need.capacity)
        return f"one of '{capacity.title if capacity else need.capacity}' {PLACES[need.state]}"

    def _pathway(self, need: OnPathway) -> str:
        state = "is on" if need.state is EnrolmentState.RUNNING else "has come to the end of"
        return f"the person {state} the pathway {need.pathway}"


def words(within: Within) -> str:
    """`7 days`, `1 hour`, `the same working day`."""
    if within.count == 0 and str(within).startswith("same"):
        return "the same working day"
    unit = within.unit.value.replace("-", " ")
    return f"{within.count} {unit.removesuffix('s') if within.count == 1 else unit}"
