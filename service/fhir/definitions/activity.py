"""ActivityDefinitions: what a follow-up Task asks, and what a rung of a ladder asks."""

from __future__ import annotations

from collections.abc import Iterator

from service.domain.follow_up_task import FollowUpTask
from service.domain.pathway import Ladder, LadderRung, Pathway
from service.domain.vocabulary import Priority, RoleId
from service.fhir import systems
from service.fhir.definitions.shapes import (
    because,
    canonical,
    computable_name,
    head,
    id_of,
    patient,
    role,
    timing,
)
from service.fhir.definitions.wording import Wording
from service.fhir.render.elements import Json, compact, concept

ACCEPT_WITHIN = systems.extension_url("accept-within")
"""How soon the owner must accept, in words: R4 has no element for it."""


def activities(pathway: Pathway, wording: Wording, questionnaire: str | None) -> Iterator[Json]:
    """One for each follow-up, one for each rung. `questionnaire`: canonical of the required fields."""
    for stage in pathway.stages:
        for task in stage.tasks:
            yield _follow_up(task, pathway, wording, questionnaire)
    for ladder in pathway.ladders.values():
        for number, rung in enumerate(ladder.rungs, start=1):
            yield _response(ladder, number, rung, pathway, wording)


def task_activity(pathway: Pathway, task: FollowUpTask) -> str:
    """Canonical of a follow-up's definition."""
    return canonical("ActivityDefinition", id_of(pathway.id, task.id), pathway.version)


def rung_activity(pathway: Pathway, ladder: Ladder, number: int) -> str:
    """Canonical of a rung's definition."""
    return canonical("ActivityDefinition", id_of(pathway.id, ladder.id, str(number)), pathway.version)


def _follow_up(task: FollowUpTask, pathway: Pathway, wording: Wording, questionnaire: str | None) -> Json:
    roles = task.owner_by.options if task.owner_by else (task.owner,)
    fields = {one.id: one.title for one in pathway.required}
    recorded = ", ".join(fields.get(name, name) for name in task.records)
    accept = wording.length(task.accept_within)
    related = because(task.why, pathway)
    if task.records and questionnaire:
        related.append({"type": "depends-on", "display": "Required fields", "resource": questionnaire})
    return compact(
        {
            **head(
                "ActivityDefinition",
                id_of(pathway.id, task.id),
                pathway,
                name=computable_name(pathway.id, task.id),
                title=task.title,
                said=(
                    task.ask,
                    f"To be accepted within {accept}.",
                    f"Records: {recorded}." if recorded else "",
                ),
            ),
            "extension": [{"url": ACCEPT_WITHIN, "valueString": accept}],
            "subjectCodeableConcept": patient(),
            "description": task.ask,
            "usage": _asked_of(roles, pathway),
            "relatedArtifact": related,
            **_task_of(task.priority),
            **timing(task.due_in.otherwise, wording),
            "participant": [role(each, pathway) for each in dict.fromkeys(roles)],
        }
    )


def _response(ladder: Ladder, number: int, rung: LadderRung, pathway: Pathway, wording: Wording) -> Json:
    title = pathway.role_titles.get(rung.notify, rung.notify)
    verb = "takes the follow-up over" if rung.reassign else "is told and asked to act"
    lines = (f"{ladder.title}: {title} {verb}.", *rung.plan)
    return compact(
        {
            **head(
                "ActivityDefinition",
                id_of(pathway.id, ladder.id, str(number)),
                pathway,
                name=computable_name(pathway.id, ladder.id, str(number)),
                title=f"{ladder.title}, rung {number}",
                said=lines,
            ),
            "subjectCodeableConcept": patient(),
            "description": " ".join(lines),
            "relatedArtifact": because(ladder.why, pathway),
            **_task_of(rung.priority),
            **timing(rung.respond_within, wording),
            "participant": [role(rung.notify, pathway)],
        }
    )


def _task_of(priority: Priority) -> Json:
    return {
        "kind": "Task",
        "code": concept(systems.TASK_CODE, "fulfill", display="Fulfill the focal request"),
        "intent": "order",
        "priority": priority.value,
        "doNotPerform": False,
    }


def _asked_of(roles: tuple[RoleId, ...], pathway: Pathway) -> str:
    titles = [pathway.role_titles.get(each, each) for each in dict.fromkeys(roles)]
    return f"Asked of a named person: {' or '.join(titles)}."
