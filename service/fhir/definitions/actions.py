"""Follow-ups and their escalations as actions of a PlanDefinition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.domain.follow_up_task import FollowUpTask
from service.domain.needs import AllOf, Need, Needs, OnTask, TaskState
from service.domain.pathway import Ladder, Pathway, Stage
from service.domain.vocabulary import TaskId
from service.fhir import systems
from service.fhir.definitions.activity import rung_activity, task_activity
from service.fhir.definitions.choices import Option, options_of
from service.fhir.definitions.expressions import Expressions
from service.fhir.definitions.shapes import because, condition, duration, requirements, role, timing
from service.fhir.definitions.wording import Wording
from service.fhir.render.elements import Json, compact, concept

ACTION_TYPE = "http://terminology.hl7.org/CodeSystem/action-type"
_AFTER = {
    TaskState.OPENED: "after-start",
    TaskState.ACCEPTED: "after-start",
    TaskState.COMPLETED: "after-end",
    TaskState.FAILED: "after-end",
    TaskState.SERIES_COMPLETED: "after-end",
}
_CLOCKS = {
    "start": "the start of the pathway",
    "stage": "the start of its stage",
    "opened": "when it is opened",
}


class Actions:
    """The actions of one pathway."""

    def __init__(self, pathway: Pathway, wording: Wording, fhirpath: Expressions) -> None:
        self._pathway, self._wording, self._fhirpath = pathway, wording, fhirpath

    def task(self, task: FollowUpTask, stage: Stage) -> Json:
        """A follow-up with its conditions; where criteria decide about it, with an action for each of their levels."""
        choices = options_of(task)
        alone = choices[0] if len(choices) == 1 else None
        asks = (task.opens_when, task.done_when, task.again_while, task.not_needed_when)
        return compact(
            {
                "id": f"task.{task.id}",
                "title": task.title,
                "description": task.ask,
                "textEquivalent": self._in_words(task),
                "priority": alone.priority.value if alone else None,
                "code": [{"text": task.title}],
                "documentation": because(task.why, self._pathway),
                "condition": list(self._conditions(task)),
                "input": requirements(tuple(need for each in asks for need in each), self._wording),
                "output": self._outputs(task),
                "relatedAction": [*self._opening(task, stage), *related(task.opens_when)],
                **(self._option(alone) if alone else {}),
                "type": concept(ACTION_TYPE, "create", display="Create") if alone else None,
                "groupingBehavior": "logical-group",
                "selectionBehavior": None if alone else "exactly-one",
                "requiredBehavior": "must",
                "cardinalityBehavior": "multiple" if task.comes_again or task.attempts > 1 else "single",
                "definitionCanonical": task_activity(self._pathway, task) if alone else None,
                "action": [*([] if alone else self._levels(task, choices)), *self._escalation(task)],
            }
        )

    def _in_words(self, task: FollowUpTask) -> str:
        said = self._wording
        words = [f"Counted from {_CLOCKS.get(task.clock, task.clock)}"]
        if len(options_of(task)) == 1:
            who = self._pathway.role_titles.get(task.owner, task.owner)
            accept, due = said.length(task.accept_within), said.length(task.due_in.otherwise)
            words = [
                f"{who}: to be accepted within {accept}, done within {due}, counted from {_CLOCKS.get(task.clock, task.clock)}"
            ]
        if task.opens_when:
            words.append(f"opens when {self._wording.any_of(task.opens_when)}")
        if task.done_when:
            words.append(f"is done as well when {self._wording.any_of(task.done_when)}")
        if task.attempts > 1 and task.attempt_every:
            words.append(
                f"is tried up to {task.attempts} times, {self._wording.length(task.attempt_every)} apart"
            )
        if task.comes_again:
            words.append("comes again after it was completed")
        return "; ".join(words) + "."

    def _conditions(self, task: FollowUpTask) -> Iterator[Json]:
        said = self._wording.any_of
        if task.opens_when:
            yield condition(
                "applicability",
                self._fhirpath.any_of(task.opens_when),
                f"It opens when {said(task.opens_when)}",
            )
        if task.not_needed_when:
            words = f"It is not needed while {said(task.not_needed_when)}"
            yield condition("applicability", f"({self._fhirpath.any_of(task.not_needed_when)}).not()", words)
        if task.done_when:
            yield condition(
                "stop", self._fhirpath.any_of(task.done_when), f"It is done when {said(task.done_when)}"
            )

    def _outputs(self, task: FollowUpTask) -> list[Json]:
        """What the owner is asked to record: Task.output of this very follow-up."""
        return [
            {
                "type": "Task",
                "codeFilter": [
                    {"path": "output.type", "code": [{"system": systems.REQUIRED_FIELD, "code": name}]}
                ],
            }
            for name in task.records
        ]

    def _opening(self, task: FollowUpTask, stage: Stage) -> Iterator[Json]:
        if task.opens_after is not None:
            exact = duration(task.opens_after)
            offset = {"offsetDuration": exact} if exact else {}
            yield {"actionId": f"stage.{stage.id}", "relationship": "after-start", **offset}

    def _option(self, option: Option) -> Json:
        return {
            **timing(option.due_in, self._wording),
            "participant": [role(option.owner, self._pathway)],
        }

    def _levels(self, task: FollowUpTask, choices: Iterable[Option]) -> Iterator[Json]:
        """One action for each level of the criteria that decide about it."""
        for number, option in enumerate(choices, start=1):
            due, accept = self._wording.length(option.due_in), self._wording.length(option.accept_within)
            yield {
                "id": f"task.{task.id}.{number}",
                "title": f"{task.title}: {option.words}",
                "textEquivalent": f"To be accepted within {accept}, done within {due}.",
                "priority": option.priority.value,
                "condition": [condition("applicability", option.fhirpath, option.words)],
                **self._option(option),
                "type": concept(ACTION_TYPE, "create", display="Create"),
                "definitionCanonical": task_activity(self._pathway, task),
            }

    # --- escalation

    def _escalation(self, task: FollowUpTask) -> Iterator[Json]:
        ladder = self._pathway.ladders.get(task.escalation) if task.escalation else None
        if ladder is not None:
            yield self._ladder(
                f"task.{task.id}.escalation",
                ladder,
                _missed(task.id),
                f"'{task.title}' is not accepted or not done by its time, or is refused",
            )

    def nobody(self) -> Json:
        """What happens while a role has nobody."""
        path = "%enrolment.extension.where(url = '{}').exists(extension.exists(url = 'kind' and value = 'unowned'))"
        return self._ladder(
            "unowned",
            self._pathway.unowned,
            path.format(systems.VARIANCE_NOTED),
            "nobody is named for a role that owns follow-ups",
        )

    def _ladder(self, name: str, ladder: Ladder, path: str, words: str) -> Json:
        return {
            "id": name,
            "title": ladder.title,
            "documentation": because(ladder.why, self._pathway),
            "condition": [condition("start", path, words)],
            "groupingBehavior": "logical-group",
            "selectionBehavior": "any",
            "action": [self._rung(name, ladder, number) for number in range(1, len(ladder.rungs) + 1)],
        }

    def _rung(self, escalation: str, ladder: Ladder, number: int) -> Json:
        rung = ladder.rungs[number - 1]
        who = self._pathway.role_titles.get(rung.notify, rung.notify)
        exact = duration(rung.after)
        when = "At once" if rung.after.count == 0 else f"After {self._wording.length(rung.after)}"
        verb = "takes over" if rung.reassign else "is told"
        plan = f" Meanwhile: {'; '.join(rung.plan)}." if rung.plan else ""
        words = f"{when}, unless somebody has acknowledged: {who} {verb} and responds within {self._wording.length(rung.respond_within)}.{plan}"
        return {
            "id": f"{escalation}.{number}",
            "title": f"{who} {verb}",
            "textEquivalent": words,
            "priority": rung.priority.value,
            "relatedAction": [
                {
                    "actionId": escalation,
                    "relationship": "after-start",
                    **({"offsetDuration": exact} if exact else {}),
                }
            ],
            **timing(rung.respond_within, self._wording),
            "participant": [role(rung.notify, self._pathway)],
            "type": concept(ACTION_TYPE, "create", display="Create"),
            "definitionCanonical": rung_activity(self._pathway, ladder, number),
        }


def related(needs: Needs) -> list[Json]:
    """The follow-ups that come first: only where all of them must, for R4 does not say that one of several is enough."""
    alone = needs[0] if len(needs) == 1 else None
    parts: tuple[Need, ...] = alone.of if isinstance(alone, AllOf) else (alone,) if alone else ()
    if not all(isinstance(each, OnTask) and each.state in _AFTER for each in parts):
        return []
    return [
        {"actionId": f"task.{each.task}", "relationship": _AFTER[each.state]}
        for each in parts
        if isinstance(each, OnTask)
    ]


def _missed(task: TaskId) -> str:
    late = "businessStatus.coding.exists(code = 'overdue' or code = 'acceptance-overdue')"
    return f"%followUps.where(identifier.value.matches('^.*/{task}/[0-9]+$')).exists({late} or status = 'rejected')"
