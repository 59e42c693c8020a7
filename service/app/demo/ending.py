"""How the demonstration must end: every resource that must stand in the record, and nothing else of ours.

The list is written out here, not derived from the pathway file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.app.demo.cast import AVA, BEN, CHO, Person
from service.app.demo.story import PATHWAY, Story
from service.fhir import systems
from service.fhir.read.elements import extension_value
from service.fhir.references import identifier_values
from service.ports import Resource

Row = tuple[bool, str, str]
"""(as it should be, what, what was found instead)"""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What must stand in one person's record; keys are identifiers below the enrolment's."""

    enrolment: tuple[str, str]
    """(status, stage)"""
    tasks: dict[str, tuple[str, str]]
    """-> (status, owner's name)"""
    escalations: dict[str, str]
    """-> CarePlan.status"""
    notices: dict[str, str]
    """-> recipient's name"""


DONE_FOR_ALL = {
    "confirm-receipt/1": ("completed", "Tess Okafor"),
    "review-discharge-plan/1": ("completed", "Tess Okafor"),
    "confirm-appointments/1": ("completed", "Tess Okafor"),
    "check-medication-access/1": ("completed", "Tess Okafor"),
    "review-clinical-needs/1": ("completed", "Omar Lindqvist"),
    "arrange-practical-support/1": ("completed", "Cora Benitez"),
}
ENDINGS: dict[str, Ending] = {
    AVA.key: Ending(
        enrolment=("completed", "stable"),
        tasks={
            **DONE_FOR_ALL,
            "contact-person/1": ("completed", "Tess Okafor"),
            "first-appointment/1": ("completed", "Omar Lindqvist"),
            "decide-stable/1": ("completed", "Lena Hofstad"),
        },
        escalations={},
        notices={},
    ),
    BEN.key: Ending(
        enrolment=("active", "outreach"),
        tasks={
            **DONE_FOR_ALL,
            "contact-person/1": ("requested", "Sam Whitlock"),
            "contact-person/1/acceptance/1": ("requested", "Lena Hofstad"),
            "contact-person/1/acceptance/2": ("accepted", "Sam Whitlock"),
            "first-appointment/1": ("accepted", "Omar Lindqvist"),
        },
        escalations={"contact-person/1/acceptance": "active"},
        notices={
            "contact-person/1/acceptance/1": "Lena Hofstad",
            "contact-person/1/acceptance/2": "Sam Whitlock",
        },
    ),
    CHO.key: Ending(
        enrolment=("active", "coordinating"),
        tasks={
            **DONE_FOR_ALL,
            "contact-person/1": ("rejected", "Tess Okafor"),
            "contact-person/1/refusal/1": ("cancelled", "Lena Hofstad"),
            "contact-person/2": ("completed", "Toby Grell"),
            "first-appointment/1": ("accepted", "Omar Lindqvist"),
        },
        escalations={"contact-person/1/refusal": "completed"},
        notices={"contact-person/1/refusal/1": "Lena Hofstad"},
    ),
}


def check_ending(story: Story) -> Iterator[Row]:
    """One row per thing that must be so, and one per thing that must not be there."""
    for person in (AVA, BEN, CHO):
        yield from _person(story, person, ENDINGS[person.key])


def _person(story: Story, person: Person, ending: Ending) -> Iterator[Row]:
    resources = story.world.watch.resources(story.patients[person.key])
    enrolment = f"{PATHWAY}/{story.encounters[person.key]}"
    plans = _by_identifier(resources, systems.ENROLMENT)
    plan = plans.get(enrolment, {})
    found = (plan.get("status", "missing"), str(extension_value(plan, systems.STAGE, "valueCode")))
    yield (
        found == ending.enrolment,
        f"{person.name}: enrolment is {' in '.join(ending.enrolment)}",
        " in ".join(found),
    )
    yield set(plans) == {enrolment}, f"{person.name}: exactly one enrolment", ", ".join(sorted(plans))
    prefix = f"{enrolment}/"
    tasks = {
        k.removeprefix(prefix): (t["status"], _display(t.get("owner")))
        for k, t in _by_identifier(resources, systems.FOLLOW_UP).items()
    }
    yield from _compare(person, "Task", ending.tasks, tasks)
    escalations = {
        k.removeprefix(prefix): p["status"] for k, p in _by_identifier(resources, systems.ESCALATION).items()
    }
    yield from _compare(person, "escalation plan", ending.escalations, escalations)
    notices = {
        k.removeprefix(prefix): ", ".join(_display(r) for r in c.get("recipient", []))
        for k, c in _by_identifier(resources, systems.NOTICE).items()
    }
    yield from _compare(person, "Communication", ending.notices, notices)


def _compare(
    person: Person,
    kind: str,
    wanted: dict[str, object] | dict[str, str] | dict[str, tuple[str, str]],
    found: dict[str, object] | dict[str, str] | dict[str, tuple[str, str]],
) -> Iterator[Row]:
    for key, value in wanted.items():
        seen = found.get(key, "missing")
        yield seen == value, f"{person.name}: {kind} {key} is {_words(value)}", _words(seen)
    for key in sorted(set(found) - set(wanted)):
        yield False, f"{person.name}: no {kind} {key}", _words(found[key])


def _by_identifier(resources: list[Resource], system: str) -> dict[str, Resource]:
    return {value: resource for resource in resources for value in identifier_values(resource, system)}


def _display(reference: object) -> str:
    return str(reference.get("display", "")) if isinstance(reference, dict) else ""


def _words(value: object) -> str:
    return " · ".join(value) if isinstance(value, tuple) else str(value)
