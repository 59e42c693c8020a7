"""A small pathway, and decisions about one person on it, for the tests of rendering and reading."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from service.domain.due import Unit, Within, WorkingCalendar
from service.domain.enrolment import Enrolment, StageEntry, Variance
from service.domain.evidence import Holder
from service.domain.follow_up_task import DueIn, FollowUpTask
from service.domain.intents import ChangeFollowUp, Decision, KeepEscalation, OpenFollowUp, RaiseRung
from service.domain.pathway import Gate, Ladder, Pathway, RequiredField, Stage
from service.domain.vocabulary import (
    Cause,
    FieldId,
    GateId,
    LadderId,
    PathwayId,
    PlanStatus,
    Priority,
    Reference,
    RoleId,
    StageId,
    TaskId,
    Timeliness,
    VarianceKind,
)

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
DISCHARGED = datetime(2026, 3, 6, 14, 0, tzinfo=DENVER)
PERSON = Reference("Patient/ada")
ANCHOR = Reference("Encounter/12")
ENROLMENT = "post-discharge-coordination/Encounter/12"
CONTACT = f"{ENROLMENT}/contact-person/1"
ESCALATION = f"{CONTACT}/completion"

TESS = Holder(
    reference=Reference("PractitionerRole/tess-coordinator"),
    practitioner=Reference("Practitioner/tess"),
    display="Tess Moreau",
    roles=frozenset({RoleId("transition-coordinator")}),
)
SAM = Holder(
    reference=Reference("Practitioner/sam"),
    practitioner=Reference("Practitioner/sam"),
    display="Sam Okafor",
    roles=frozenset({RoleId("clinical-supervisor")}),
)


def hours(count: int) -> Within:
    return Within(count=count, unit=Unit.HOURS)


CONTACT_TASK = FollowUpTask(
    id=TaskId("contact-person"),
    title="Reach the person",
    ask="Call the person and ask how they are since coming home.",
    owner=RoleId("transition-coordinator"),
    accept_within=hours(4),
    due_in=DueIn(otherwise=hours(72)),
    priority=Priority.URGENT,
    records=(FieldId("contact-attempts"), FieldId("safety-plan-status")),
    escalation=LadderId("missed-contact"),
)


def a_pathway(**changes: Any) -> Pathway:
    pathway = Pathway(
        id=PathwayId("post-discharge-coordination"),
        title="Post-discharge coordination",
        version="2026.1.0",
        status="active",
        lead=RoleId("pathway-lead"),
        calendar=WorkingCalendar(timezone=DENVER, hours=dict.fromkeys(range(5), (time(8, 30), time(17, 0)))),
        starts=(),
        stages=(
            Stage(id=StageId("discharge-received"), title="Discharge received", tasks=(CONTACT_TASK,)),
            Stage(id=StageId("outreach"), title="Outreach"),
            Stage(id=StageId("stable"), title="Stable", final=True),
        ),
        required=(
            RequiredField(
                id=FieldId("contact-attempts"),
                title="Contact attempts",
                needs=(),
                ask=RoleId("transition-coordinator"),
            ),
            RequiredField(
                id=FieldId("safety-plan-status"),
                title="Safety plan status",
                needs=(),
                ask=RoleId("transition-coordinator"),
            ),
        ),
        gates=(
            Gate(
                id=GateId("receipt-confirmed"),
                title="Receipt of the discharge information confirmed",
                before=StageId("outreach"),
                needs=(),
            ),
        ),
        unowned=Ladder(id=LadderId("unowned"), title="Role not filled", rungs=()),
        role_titles={
            RoleId("transition-coordinator"): "Transition coordinator",
            RoleId("clinical-supervisor"): "Clinical supervisor",
        },
    )
    return replace(pathway, **changes)


def an_enrolment(**changes: Any) -> Enrolment:
    enrolment = Enrolment(
        identifier=ENROLMENT,
        pathway=PathwayId("post-discharge-coordination"),
        pathway_version="2026.1.0",
        person=PERSON,
        anchor=ANCHOR,
        started_at=DISCHARGED,
        status=PlanStatus.ACTIVE,
        stage=StageId("discharge-received"),
        history=(StageEntry(stage=StageId("discharge-received"), entered_at=DISCHARGED),),
        reached=StageId("outreach"),
        unmet_gates=(GateId("receipt-confirmed"),),
        missing=(FieldId("contact-attempts"), FieldId("safety-plan-status")),
        variances=(
            Variance(
                kind=VarianceKind.CLOCK_ASSUMED,
                subject="contact-person",
                at=DISCHARGED,
                reason="The Encounter has no end; the server's time was taken",
            ),
        ),
        lead=SAM.reference,
        lead_display=SAM.display,
        activities=(CONTACT,),
        revision=1,
    )
    return replace(enrolment, **changes)


def an_opening(**changes: Any) -> OpenFollowUp:
    opening = OpenFollowUp(
        identifier=CONTACT,
        task=CONTACT_TASK,
        occurrence=1,
        owner=TESS,
        owner_found_by="care-team",
        owner_role_title="Transition coordinator",
        opened_at=NOW,
        accept_by=datetime(2026, 3, 9, 12, 0, tzinfo=DENVER),
        complete_by=DISCHARGED + timedelta(hours=72),
        priority=Priority.URGENT,
        timeliness=Timeliness.AWAITING_ACCEPTANCE,
        because="Discharge received: reach the person within 72 hours",
    )
    return replace(opening, **changes)


def a_change(version: str = "1", **changes: Any) -> ChangeFollowUp:
    change = ChangeFollowUp(
        identifier=CONTACT,
        reference=Reference("Task/1"),
        version=version,
        because="The complete-by time has passed",
        changed_at=LATER,
    )
    return replace(change, **changes)


LATER = datetime(2026, 3, 9, 15, 0, tzinfo=DENVER)


def an_escalation(**changes: Any) -> KeepEscalation:
    escalation = KeepEscalation(
        identifier=ESCALATION,
        reference=None,
        version="",
        status=PlanStatus.ACTIVE,
        task=TaskId("contact-person"),
        task_title="Reach the person",
        about=CONTACT,
        cause=Cause.COMPLETION,
        missed_at=DISCHARGED + timedelta(hours=72),
        priority=Priority.URGENT,
        support=("Try the emergency contact", "Ask the pharmacy whether the medication was collected"),
        rungs=1,
        addressed_to=(SAM,),
        respond_by=LATER + timedelta(hours=4),
        because="The person was to be reached by Monday and nobody has recorded that they were",
        changed_at=LATER,
    )
    return replace(escalation, **changes)


def a_rung(**changes: Any) -> RaiseRung:
    rung = RaiseRung(
        escalation=ESCALATION,
        number=1,
        recipient=SAM,
        recipient_role=RoleId("clinical-supervisor"),
        priority=Priority.URGENT,
        raised_at=LATER,
        respond_by=LATER + timedelta(hours=4),
        why="Reach the person: not completed by Mon 9 Mar 2026, 15:00 MDT",
        asked="Please decide who reaches the person today, and accept this Task.",
    )
    return replace(rung, **changes)


def a_first_decision(**changes: Any) -> Decision:
    """A new enrolment with one follow-up."""
    decision = Decision(
        enrolment=an_enrolment(),
        write_enrolment=True,
        open=(an_opening(),),
        seen=((ANCHOR, "3"),),
        rules=("starts: Inpatient discharge", "opens: contact-person"),
    )
    return replace(decision, **changes)


def an_escalating_decision(**changes: Any) -> Decision:
    """The follow-up on the record is overdue: it says so, and the first rung is raised."""
    decision = Decision(
        enrolment=an_enrolment(revision=2, reference=Reference("CarePlan/1"), version="1"),
        write_enrolment=True,
        changes=(a_change(timeliness=Timeliness.OVERDUE),),
        escalations=(an_escalation(),),
        rungs=(a_rung(),),
        seen=((ANCHOR, "3"), (Reference("Task/1"), "1")),
        rules=("missed: contact-person",),
    )
    return replace(decision, **changes)
