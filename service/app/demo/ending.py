"""How the demonstration must end: every resource that must stand in the record, and nothing else of ours.

The list is written out here, not derived from the pathway file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from service.app.demo.cast import AVA, BEN, CHO, DEE, EVERYBODY, Person
from service.app.demo.story import PATHWAY, Story
from service.app.demo.together import pathways_of
from service.fhir import systems
from service.fhir.read.elements import extension_value
from service.fhir.references import identifier_values
from service.ports import Resource

Row = tuple[bool, str, str]
"""(as it should be, what, what was found instead)"""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What must stand in the record of one enrolment; keys are identifiers below the enrolment's."""

    enrolment: tuple[str, str]
    """(status, stage)"""
    answers: str
    """Who answers for the person as a whole."""
    tasks: dict[str, tuple[str, str]]
    """-> (status, owner's name)"""
    escalations: dict[str, str] = field(default_factory=dict)
    """-> CarePlan.status"""
    notices: dict[str, str] = field(default_factory=dict)
    """-> recipient's name"""


DONE_FOR_ALL = {
    "confirm-receipt/1": ("completed", "Tess Okafor"),
    "review-discharge-plan/1": ("completed", "Tess Okafor"),
    "confirm-appointments/1": ("completed", "Tess Okafor"),
    "check-medication-access/1": ("completed", "Tess Okafor"),
    "review-clinical-needs/1": ("completed", "Omar Lindqvist"),
    "arrange-practical-support/1": ("completed", "Cora Benitez"),
}
ENDINGS: dict[str, dict[str, Ending]] = {
    AVA.key: {
        PATHWAY: Ending(
            enrolment=("completed", "stable"),
            answers="Lena Hofstad",
            tasks={
                **DONE_FOR_ALL,
                "contact-person/1": ("completed", "Tess Okafor"),
                "first-appointment/1": ("completed", "Omar Lindqvist"),
                "decide-stable/1": ("completed", "Lena Hofstad"),
            },
        )
    },
    BEN.key: {
        PATHWAY: Ending(
            enrolment=("active", "outreach"),
            answers="Lena Hofstad",
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
        )
    },
    CHO.key: {
        PATHWAY: Ending(
            enrolment=("active", "coordinating"),
            answers="Lena Hofstad",
            tasks={
                **DONE_FOR_ALL,
                "contact-person/1": ("rejected", "Tess Okafor"),
                "contact-person/1/refusal/1": ("cancelled", "Lena Hofstad"),
                "contact-person/2": ("completed", "Toby Grell"),
                "first-appointment/1": ("accepted", "Omar Lindqvist"),
            },
            escalations={"contact-person/1/refusal": "completed"},
            notices={"contact-person/1/refusal/1": "Lena Hofstad"},
        )
    },
    # The handover, the acceptance and the first contact serve all three; the booking serves two. The lead of the first
    # answers for her on all of them.
    DEE.key: {
        "crisis-step-down": Ending(
            enrolment=("active", "accepted"),
            answers="Mona Vasquez",
            tasks={
                "hand-over/1": ("completed", "Kofi Asante"),
                "accept-responsibility/1": ("completed", "Mona Vasquez"),
                "first-contact/1": ("requested", "Mona Vasquez"),
                "review-crisis-plan/1": ("requested", "Mona Vasquez"),
                "agree-triggers/1": ("requested", "Mona Vasquez"),
            },
        ),
        "crisis-to-outpatient": Ending(
            enrolment=("active", "crisis-closed"),
            answers="Mona Vasquez",
            tasks={
                "tell-person/1": ("requested", "Kofi Asante"),
                "intake-review/1": ("requested", "Ines Marchetti"),
                "contingency-plan/1": ("requested", "Omar Lindqvist"),
            },
        ),
        "post-ed-warm-handoff": Ending(
            enrolment=("active", "left-acute-care"),
            answers="Mona Vasquez",
            tasks={
                "confirm-consent-and-contact/1": ("requested", "Tess Okafor"),
                "book-touchpoint/1": ("requested", "Tess Okafor"),
                "route-summary/1": ("requested", "Tess Okafor"),
                "reconcile-medication/1": ("requested", "Priya Nandakumar"),
            },
        ),
    },
}
Value = TypeVar("Value")


def check_ending(story: Story) -> Iterator[Row]:
    """One row per thing that must be so, and one per thing that must not be there."""
    for person in EVERYBODY:
        encounter = story.encounters[person.key]
        endings = {f"{pathway}/{encounter}": ending for pathway, ending in ENDINGS[person.key].items()}
        yield from _person(person, endings, story.world.watch.resources(story.patients[person.key]))


def _person(person: Person, endings: Mapping[str, Ending], resources: list[Resource]) -> Iterator[Row]:
    yield from _enrolments(person, endings, resources)
    tasks = {
        name: (task["status"], _display(task.get("owner")))
        for name, task in _by_identifier(resources, systems.FOLLOW_UP).items()
    }
    yield from _compare(person, "Task", _whole({k: e.tasks for k, e in endings.items()}), tasks)
    plans = {name: plan["status"] for name, plan in _by_identifier(resources, systems.ESCALATION).items()}
    raised = _whole({k: e.escalations for k, e in endings.items()})
    yield from _compare(person, "escalation plan", raised, plans)
    notices = {
        name: ", ".join(_display(to) for to in notice.get("recipient", []))
        for name, notice in _by_identifier(resources, systems.NOTICE).items()
    }
    told = _whole({k: e.notices for k, e in endings.items()})
    yield from _compare(person, "Communication", told, notices)


def _enrolments(person: Person, endings: Mapping[str, Ending], resources: list[Resource]) -> Iterator[Row]:
    plans = _by_identifier(resources, systems.ENROLMENT)
    answers = {each.identifier: each.answers for each in pathways_of(resources)}
    for name, ending in endings.items():
        plan = plans.get(name, {})
        found = (plan.get("status", "missing"), str(extension_value(plan, systems.STAGE, "valueCode")))
        about = f"{person.name}: {name.partition('/')[0]} is {' in '.join(ending.enrolment)}"
        yield found == ending.enrolment, about, " in ".join(found)
        who = answers.get(name, "nobody")
        yield who == ending.answers, f"{person.name}: {ending.answers} answers for the person", who
    how_many = "one enrolment" if len(endings) == 1 else f"{len(endings)} enrolments"
    yield set(plans) == set(endings), f"{person.name}: exactly {how_many}", ", ".join(sorted(plans))


def _whole(below: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """By whole identifiers, what stands there below each enrolment's."""
    return {f"{enrolment}/{key}": value for enrolment, rows in below.items() for key, value in rows.items()}


def _compare(
    person: Person, kind: str, wanted: Mapping[str, Value], found: Mapping[str, Value]
) -> Iterator[Row]:
    for name, value in wanted.items():
        seen = found.get(name, "missing")
        yield seen == value, f"{person.name}: {kind} {_below(name)} is {_words(value)}", _words(seen)
    for name in sorted(set(found) - set(wanted)):
        yield False, f"{person.name}: no {kind} {_below(name)}", _words(found[name])


def _below(identifier: str) -> str:
    """`<task>/<occurrence>...` of `<pathway>/<Type>/<id>/<task>/<occurrence>...`."""
    return "/".join(identifier.split("/")[3:])


def _by_identifier(resources: list[Resource], system: str) -> dict[str, Resource]:
    return {value: resource for resource in resources for value in identifier_values(resource, system)}


def _display(reference: object) -> str:
    return str(reference.get("display", "")) if isinstance(reference, dict) else ""


def _words(value: object) -> str:
    return " · ".join(value) if isinstance(value, tuple) else str(value)
