"""The PlanDefinition: stages as groups of actions, gates as conditions, follow-ups and their escalations as actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.domain.needs import Needs
from service.domain.pathway import Gate, IfUnmet, Pathway, Stage, Start
from service.fhir import systems
from service.fhir.definitions.actions import Actions, related
from service.fhir.definitions.expressions import VARIABLES, Expressions
from service.fhir.definitions.questionnaire import questionnaire_url
from service.fhir.definitions.shapes import (
    cited,
    computable_name,
    condition,
    expression,
    head,
    patient,
    required,
    requirement,
    requirements,
)
from service.fhir.definitions.wording import Wording
from service.fhir.render.elements import Json, compact, concept

CRITERION = systems.extension_url("criterion")
"""Levels that decide how soon: {id, level[{code, when}]}. The newest evidence decides; R4 has no element for it."""
PLAN_TYPE = "http://terminology.hl7.org/CodeSystem/plan-definition-type"


def plan_definition(pathway: Pathway, wording: Wording) -> Json:
    """The whole pathway; url|version is what enrolment CarePlans carry in instantiatesCanonical."""
    return _Plan(pathway, wording).whole()


class _Plan:
    def __init__(self, pathway: Pathway, wording: Wording) -> None:
        self._pathway, self._wording = pathway, wording
        self._fhirpath = Expressions(pathway, wording)
        self._actions = Actions(pathway, wording, self._fhirpath)

    def whole(self) -> Json:
        p = self._pathway
        lead = p.role_titles.get(p.lead, p.lead)
        fields = questionnaire_url(p)
        depends = [{"type": "depends-on", "display": "Required fields", "resource": fields}] if fields else []
        return compact(
            {
                **head(
                    "PlanDefinition",
                    p.id,
                    p,
                    name=computable_name(p.id),
                    title=p.title,
                    said=(f"Led by: {lead}. Steward: {p.steward}.", *(stage.title for stage in p.stages)),
                ),
                "extension": [self._criterion(name) for name in p.criteria],
                "type": concept(PLAN_TYPE, "clinical-protocol", display="Clinical Protocol"),
                "subjectCodeableConcept": patient(),
                "description": f"{p.title}. A person is placed on its stages by what their record shows.",
                "usage": _usage(),
                "relatedArtifact": [*cited(p), *depends],
                "action": [*map(self._stage, p.stages), self._actions.nobody(), *self._fields()],
            }
        )

    def _criterion(self, name: str) -> Json:
        levels = [
            {
                "url": "level",
                "extension": [
                    {"url": "code", "valueCode": level},
                    {
                        "url": "when",
                        "valueExpression": expression(
                            self._fhirpath.any_of(needs), self._wording.any_of(needs)
                        ),
                    },
                ],
            }
            for level, needs in self._pathway.criteria[name].levels
        ]
        return {"url": CRITERION, "extension": [{"url": "id", "valueCode": name}, *levels]}

    # --- stages

    def _stage(self, stage: Stage) -> Json:
        p = self._pathway
        is_first = stage.id == p.stages[0].id
        gates = [gate for gate in p.gates if gate.before == stage.id]
        needs = [stage.enter, *(needs for gate in gates for needs in (gate.needs, gate.applies_when))]
        return compact(
            {
                "id": f"stage.{stage.id}",
                "title": stage.title,
                "description": self._stage_in_words(stage, gates),
                "trigger": [trigger for start in p.starts for trigger in self._triggers(start)]
                if is_first
                else [],
                "condition": [*self._entry(stage), *map(self._gate, gates)],
                "input": self._inputs(needs, with_starts=is_first),
                "relatedAction": related(stage.enter),
                "groupingBehavior": "logical-group",
                "selectionBehavior": "any",
                "action": [self._actions.task(task, stage) for task in stage.tasks],
            }
        )

    def _inputs(self, needs: list[Needs], *, with_starts: bool) -> list[Json]:
        found = requirements(tuple(need for each in needs for need in each), self._wording)
        for start in self._pathway.starts if with_starts else ():
            beside = [
                each
                for condition in (*start.also, *start.unless)
                for each in required(condition, self._wording)
            ]
            found += [each for each in beside if each not in found]
        return found

    def _stage_in_words(self, stage: Stage, gates: Iterable[Gate]) -> str:
        entered = (
            f"Entered when {self._wording.any_of(stage.enter)}." if stage.enter else "Entered at the start."
        )
        again = " May be entered again by newer evidence." if stage.repeats else ""
        end = " The pathway ends here." if stage.final else ""
        held = "".join(self._gate_in_words(gate) for gate in gates)
        return f"{entered}{again}{end}{held}"

    def _gate_in_words(self, gate: Gate) -> str:
        effect = "holds the person" if gate.if_unmet is IfUnmet.HOLD else "is recorded as a variance"
        roles = " or ".join(self._pathway.role_titles.get(each, each) for each in gate.waived_by)
        waived = f" May be waived by: {roles}." if roles else ""
        return f" {gate.title}: while it is not so, this {effect}; care and clocks go on.{waived}"

    def _entry(self, stage: Stage) -> Iterator[Json]:
        if stage.enter:
            yield condition(
                "applicability", self._fhirpath.any_of(stage.enter), self._wording.any_of(stage.enter)
            )

    def _gate(self, gate: Gate) -> Json:
        path, words = self._fhirpath.any_of(gate.needs), self._wording.any_of(gate.needs)
        if gate.applies_when:
            path = f"({self._fhirpath.any_of(gate.applies_when)}) implies ({path})"
            words = f"{words}; this applies when {self._wording.any_of(gate.applies_when)}"
        return condition("start", path, f"{gate.title}: {words}")

    def _triggers(self, start: Start) -> Iterator[Json]:
        """What begins it: a change of one resource, or of any that a rule asks about (TriggerDefinition, trd-1 to trd-3).

        Several `data` of one trigger would all have to change (R4 TriggerDefinition.data), so each has a trigger.
        """
        if start.condition is None:
            path = self._fhirpath.any_of(start.rule, self._fhirpath.within(start.within))
            data = requirements(start.rule, self._wording)
        else:
            path, data = self._start(start), [requirement(start.condition, self._wording)]
        for each in data:
            yield {
                "type": "data-changed",
                "data": [each],
                "condition": expression(path, self._start_in_words(start)),
            }

    def _start_in_words(self, start: Start) -> str:
        record = self._wording.record
        what = record(start.condition) if start.condition else self._wording.any_of(start.rule)
        also = f"; together with {', or '.join(map(record, start.also))}" if start.also else ""
        unless = f"; unless {', or '.join(map(record, start.unless))}" if start.unless else ""
        return f"{start.title}, at most {self._wording.length(start.within)} ago: {what}{also}{unless}"

    def _start(self, start: Start) -> str:
        assert start.condition is not None
        parts = [f"({self._fhirpath.about(start.condition) or 'true'})"]
        if start.also:
            parts.append(f"({' or '.join(f'({self._fhirpath.beside(each)})' for each in start.also)})")
        parts += [f"({self._fhirpath.about(each)}).not()" for each in start.unless]
        return " and ".join(parts)

    def _fields(self) -> Iterator[Json]:
        fields = questionnaire_url(self._pathway)
        if fields is not None:
            yield {
                "id": "required-fields",
                "title": "What must be known",
                "description": "Whatever of it is missing is shown by name, and somebody is asked for it.",
                "requiredBehavior": "must-unless-documented",
                "definitionCanonical": fields,
            }


def _usage() -> str:
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in VARIABLES.items())
    return (
        "The conditions are FHIRPath with their meaning in words beside them; where the two leave a question, the words"
        f" hold. Variables: {meanings}."
    )
