"""Needs as FHIRPath, for systems that read definitions. The words beside an expression say what it leaves open.

An expression asks variables whose meaning is written into every exported PlanDefinition (VARIABLES): when something
counts, and which level a criterion stands at, is more than FHIRPath can say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.domain.due import Within
from service.domain.evidence import Asked, Condition
from service.domain.follow_up_task import FollowUpTask
from service.domain.needs import (
    AllOf,
    AtLeast,
    EnrolmentState,
    EscalationState,
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
    TaskState,
)
from service.domain.pathway import Pathway
from service.domain.vocabulary import ACKNOWLEDGED, RUNNING_PLAN, FieldId, TaskId
from service.fhir import systems
from service.fhir.definitions.wording import Wording

VARIABLES: Mapping[str, str] = {
    "%ever": "every resource about the person",
    "%since": "those of them that happened since the enrolment began",
    "%`last <length of time>`": "those of them that happened within that time",
    "%anchor": "the resource that the enrolment is about",
    "%enrolment": "the enrolment CarePlan",
    "%enrolments": "every enrolment CarePlan of the person",
    "%followUps": "the Tasks of this enrolment, those that answer escalations included",
    "%`level of <criterion>`": "the level that the newest evidence gives; of two at one instant the one listed first",
    "%`place of <capacity>`": "requested, waiting or allocated, as the request for a reserved place stands",
    "%`places of <list>`": "the references that the site lists under that name",
}
SELF, OTHER = "self", "other"
"""Words of linked-by that are no path."""
_DONE: Mapping[TaskState, str] = {
    TaskState.ACCEPTED: " or ".join(f"status = '{status}'" for status in sorted(ACKNOWLEDGED)),
    TaskState.COMPLETED: "status = 'completed'",
    TaskState.FAILED: "status = 'failed'",
    TaskState.MISSED: "businessStatus.coding.code = 'overdue'",
}


class Expressions:
    """The needs of one pathway."""

    def __init__(self, pathway: Pathway, wording: Wording) -> None:
        self._pathway = pathway
        self._value_sets = wording.value_sets
        self._length = wording.length
        self._say: dict[type[Any], Callable[[Any, str], str]] = {
            InRecord: lambda need, window: f"{self._facts(need, window)}.exists()",
            OnTask: lambda need, _: self._on_task(need),
            OnField: lambda need, _: _on_field(need),
            OnStage: lambda need, _: _extension_says(systems.STAGE_ENTRY, "stage", need.stage),
            OnEscalation: lambda need, _: self._on_escalation(need),
            OnLevel: lambda need, _: _is_one_of(f"%`level of {need.criterion}`", need.levels),
            AtLeast: lambda need, _: self._at_least(need),
            AllOf: lambda need, window: _joined("and", (self.one(each, window) for each in need.of)),
            NoneOf: lambda need, window: f"({self.any_of(need.of, window)}).not()",
            FieldsMissing: lambda need, _: f"{_missing(need.fields)}.exists()",
            FieldsComplete: lambda need, _: f"{_missing(need.fields)}.empty()",
            OnPlace: lambda need, _: f"%`place of {need.capacity}` = '{need.state.value}'",
            OnPathway: lambda need, _: _on_pathway(need),
        }

    def any_of(self, needs: Needs, window: str = "") -> str:
        """Any one of these is enough; none is never enough."""
        return _joined("or", (self.one(need, window) for need in needs)) or "false"

    def one(self, need: Need, window: str = "") -> str:
        """`window`: the variable with what counts, where rows around this one say so."""
        return self._say[type(need)](need, window)

    def within(self, length: Within) -> str:
        """The variable with what happened within this time."""
        return f"%`last {self._length(length)}`"

    # --- the record

    def about(self, condition: Condition, *, linked: bool = True) -> str:
        """What must be true of the resource itself; empty when any would do."""
        asked = condition.asked
        parts = [asked.when] if asked.when else []
        parts += [
            f"{element}.exists($this.memberOf('{self._value_sets[name]}'))"
            for element, name in asked.coded.items()
        ]
        if linked:
            parts += _links(asked)
        if asked.at_site:
            places = f"%`places of {asked.at_site}`"
            parts.append(
                f"(serviceProvider.reference | location.location.reference).exists($this in {places})"
            )
        if asked.also:
            parts.append(_joined("or", map(self.beside, asked.also)))
        return _joined("and", parts)

    def beside(self, condition: Condition) -> str:
        """Another resource that is linked to this one."""
        inside = self.about(condition, linked=False)
        chosen = f".where({inside})" if inside else ""
        asked = condition.asked
        if asked.pointed_to_by:
            return f"{asked.pointed_to_by}.resolve().ofType({condition.kind}){chosen}.exists()"
        return f"id in %ever.ofType({condition.kind}){chosen}.{asked.linked_by}.resolve().id"

    def _facts(self, need: InRecord, window: str) -> str:
        pool = "%ever" if need.ever else (window if window and need.windowed else "%since")
        inside = self.about(need.condition)
        return f"{pool}.ofType({need.condition.kind})" + (f".where({inside})" if inside else "")

    # --- our own follow-ups

    def _on_task(self, need: OnTask) -> str:
        of_task = f"%followUps.where({_is_of(need.task)})"
        if need.state is TaskState.OPENED:
            return f"{of_task}.exists()" if need.times == 1 else f"{of_task}.count() >= {need.times}"
        if need.state is TaskState.SERIES_COMPLETED:
            return self._series(need.task, of_task)
        chosen = f"{of_task}.where({_DONE[need.state]})"
        return f"{chosen}.exists()" if need.times == 1 else f"{chosen}.count() >= {need.times}"

    def _series(self, task: TaskId, of_task: str) -> str:
        template: FollowUpTask = self._pathway.templates[task][1]
        done = f"{of_task}.where({_DONE[TaskState.COMPLETED]})"
        series = template.series
        if series is None or series.every is None:
            return f"{done}.count() >= {1 + len(series.steps if series else ())}"
        return _joined("and", [f"{done}.exists()", self.any_of(series.until)])

    def _on_escalation(self, need: OnEscalation) -> str:
        raised = f"%followUps.where(identifier.value.matches('^.*/{need.task}/[0-9]+/[a-z]+/[0-9]+$'))"
        if need.state is EscalationState.RAISED:
            return f"{raised}.exists()"
        return f"{raised}.where({_DONE[TaskState.ACCEPTED]}).exists()"

    def _at_least(self, need: AtLeast) -> str:
        window = self.within(need.within) if need.within else ""
        facts = [each for each in need.of if isinstance(each, InRecord)]
        if len(facts) == len(need.of):
            return f"({' | '.join(self._facts(each, window) for each in facts)}).count() >= {need.count}"
        counted = " + ".join(f"iif({self.one(each, window)}, 1, 0)" for each in need.of)
        return f"({counted}) >= {need.count}"


def _links(asked: Asked) -> list[str]:
    parts = []
    if asked.linked_by:
        links = {SELF: "id = %anchor.id", OTHER: "id != %anchor.id"}
        parts.append(links.get(asked.linked_by, f"%anchor.id in {asked.linked_by}.resolve().id"))
    if asked.pointed_to_by:
        parts.append(f"id in %anchor.{asked.pointed_to_by}.resolve().id")
    return parts


def _is_of(task: TaskId) -> str:
    """A follow-up from this template, in whichever round: `<pathway>/<anchor>/<task>/<occurrence>`."""
    return f"identifier.value.matches('^.*/{task}/[0-9]+$')"


def _on_field(need: OnField) -> str:
    """With a value, only what somebody recorded on a follow-up; without one, whatever the enrolment does not miss."""
    if not need.says:
        return f"{_missing([need.field])}.empty()"
    coded = f"type.coding.exists(system = '{systems.REQUIRED_FIELD}' and code = '{need.field}')"
    said = _is_one_of("value.toString().lower()", [word.lower() for word in need.says])
    return f"%followUps.output.where({coded}).exists({said})"


def _missing(fields: Iterable[FieldId]) -> str:
    """The enrolment's own list of the required fields that the record does not say."""
    return f"%enrolment.extension.where(url = '{systems.MISSING_FIELD}' and {_is_one_of('value', fields)})"


def _on_pathway(need: OnPathway) -> str:
    url = systems.plan_definition(need.pathway, "")
    statuses = sorted(RUNNING_PLAN) if need.state is EnrolmentState.RUNNING else ["completed"]
    is_on = f"instantiatesCanonical.exists($this.startsWith('{url}'))"
    return f"%enrolments.exists({is_on} and {_is_one_of('status', statuses)})"


def _extension_says(url: str, part: str, code: str) -> str:
    inside = f"extension.exists(url = '{part}' and value = '{code}')"
    return f"%enrolment.extension.where(url = '{url}').exists({inside})"


def _is_one_of(left: str, words: Iterable[str]) -> str:
    listed = [f"'{_escaped(word)}'" for word in words]
    return f"{left} = {listed[0]}" if len(listed) == 1 else f"{left} in ({' | '.join(listed)})"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _joined(word: str, parts: Iterable[str]) -> str:
    each = list(parts)
    return each[0] if len(each) == 1 else f" {word} ".join(f"({part})" for part in each)
