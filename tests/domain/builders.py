"""Tiny pathways and records in plain Python, so that a test says only what it is about. No FHIR, no YAML."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from service.domain.due import Unit, Within, WorkingCalendar
from service.domain.evidence import Condition, Fact, Holder, PersonRecord, Roster
from service.domain.follow_up_task import DueIn, FollowUpTask
from service.domain.needs import InRecord, Need, OnTask, TaskState
from service.domain.pathway import Gate, Ladder, LadderRung, Pathway, Stage, Start
from service.domain.vocabulary import (
    GateId,
    LadderId,
    PathwayId,
    Priority,
    Reference,
    RoleId,
    StageId,
    TaskId,
)

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
"""The house instant: a Friday afternoon; the clocks go forward on the Sunday after."""

HOLIDAY = date(2026, 3, 9)
CALENDAR = WorkingCalendar(timezone=DENVER, hours=dict.fromkeys(range(5), (time(8), time(17))))
"""Monday to Friday, 8 to 17, no holidays."""

PERSON = Reference("Patient/ada")
ANCHOR = Reference("Encounter/stay")
ENROLMENT = f"transition/{ANCHOR}"


def local(text: str) -> datetime:
    """`2026-03-06 16:30` on the clock of the site."""
    return datetime.fromisoformat(text).replace(tzinfo=DENVER)


def hours(count: int) -> Within:
    return Within(count=count, unit=Unit.HOURS)


def minutes(count: int) -> Within:
    return Within(count=count, unit=Unit.MINUTES)


def days(count: int) -> Within:
    return Within(count=count, unit=Unit.DAYS)


# --- evidence ---


def condition(kind: str, **wanted: Any) -> Condition:
    """Holds for a fact whose content says all that is wanted."""
    text = f"{kind} {wanted}"
    return Condition(
        kind=kind,
        text=text,
        holds=lambda fact, _: all(fact.content.get(name) == value for name, value in wanted.items()),
    )


def fact(kind: str, name: str, at: datetime, *, void: bool = False, **content: Any) -> Fact:
    return Fact(
        kind=kind,
        reference=Reference(f"{kind}/{name}"),
        version="1",
        happened_at=at,
        void=void,
        content=content,
    )


def discharge(at: datetime = NOW, **changes: Any) -> Fact:
    return replace(fact("Encounter", "stay", at, status="finished"), **changes)


def in_record(kind: str, *, ever: bool = False, windowed: bool = False, **wanted: Any) -> InRecord:
    return InRecord(condition=condition(kind, **wanted), ever=ever, windowed=windowed)


def on_task(task: str, state: TaskState) -> OnTask:
    return OnTask(task=TaskId(task), state=state)


# --- people ---


def holder(name: str, *roles: str) -> Holder:
    reference = Reference(f"Practitioner/{name}")
    return Holder(
        reference=reference,
        practitioner=reference,
        display=name.title(),
        roles=frozenset(RoleId(r) for r in roles),
    )


COORDINATOR = holder("cora", "coordinator")
SECOND_COORDINATOR = holder("carl", "coordinator")
CLINICIAN = holder("clio", "clinician")
SUPERVISOR = holder("sara", "supervisor")
DIRECTOR = holder("dora", "director")
LEAD = holder("lena", "lead")
ACCOUNTABLE = holder("anna")

ROSTER = Roster(
    care_team=(COORDINATOR, CLINICIAN, SUPERVISOR, DIRECTOR, LEAD),
    accountable=ACCOUNTABLE,
)


def record(*facts: Fact, roster: Roster = ROSTER, **more: Any) -> PersonRecord:
    return PersonRecord(person=PERSON, facts=facts, roster=roster, **more)


def without(roster: Roster, *gone: Holder) -> Roster:
    """The roster after these people have left the care team."""
    return replace(roster, care_team=tuple(h for h in roster.care_team if h not in gone))


def joined_by(roster: Roster, *new: Holder) -> Roster:
    return replace(roster, care_team=(*roster.care_team, *new))


# --- pathways ---


def rung(after: Within, notify: str, **more: Any) -> LadderRung:
    settings: dict[str, Any] = {"priority": Priority.URGENT, "respond_within": hours(2), **more}
    return LadderRung(after=after, notify=RoleId(notify), **settings)


MISSED = Ladder(
    id=LadderId("missed"),
    title="Missed",
    rungs=(
        rung(minutes(0), "supervisor", plan=("call the person today",)),
        rung(hours(4), "lead", priority=Priority.ASAP),
        rung(hours(24), "director", priority=Priority.STAT, plan=("visit the person",)),
    ),
)
UNOWNED = Ladder(
    id=LadderId("unowned"), title="Nobody named", rungs=(rung(minutes(0), "lead"), rung(hours(8), "director"))
)


def ladder(*rungs: LadderRung, name: str = "missed") -> Ladder:
    return Ladder(id=LadderId(name), title=name.title(), rungs=rungs)


def task(name: str, **more: Any) -> FollowUpTask:
    """A follow-up of the coordinator: accept within 4 hours, complete within 72, with the ladder `missed`."""
    settings: dict[str, Any] = {
        "owner": RoleId("coordinator"),
        "accept_within": hours(4),
        "due_in": DueIn(otherwise=hours(72)),
        "escalation": MISSED.id,
        **more,
    }
    return FollowUpTask(
        id=TaskId(name), title=name.replace("-", " ").capitalize(), ask=f"Please do: {name}.", **settings
    )


def stage(name: str, *tasks: FollowUpTask, enter: tuple[Need, ...] = (), final: bool = False) -> Stage:
    return Stage(
        id=StageId(name), title=name.replace("-", " ").capitalize(), enter=enter, tasks=tasks, final=final
    )


def gate(name: str, before: str, *needs: Need, **more: Any) -> Gate:
    return Gate(
        id=GateId(name),
        title=name.replace("-", " ").capitalize(),
        before=StageId(before),
        needs=needs,
        **more,
    )


DISCHARGED = Start(
    title="Discharge",
    condition=condition("Encounter", status="finished"),
    within=days(7),
)
STABLE = stage("stable", enter=(in_record("Observation", says="stable"),), final=True)
CONTACT = task("contact", done_when=(in_record("Communication", topic="contact"),))


def pathway(*stages: Stage, **more: Any) -> Pathway:
    """A pathway that a discharge begins; by default `received` with one follow-up, then the end `stable`."""
    settings: dict[str, Any] = {
        "id": PathwayId("transition"),
        "title": "Transition",
        "version": "1.0.0",
        "status": "active",
        "lead": RoleId("lead"),
        "calendar": CALENDAR,
        "starts": (DISCHARGED,),
        "stages": stages or (stage("received", CONTACT), STABLE),
        "ladders": {MISSED.id: MISSED},
        "unowned": UNOWNED,
        **more,
    }
    return Pathway(**settings)


def later(**length: float) -> datetime:
    """The house instant plus an elapsed length of time."""
    return (NOW.astimezone(ZoneInfo("UTC")) + timedelta(**length)).astimezone(DENVER)
