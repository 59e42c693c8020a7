"""Random histories for the property tests: what owners do, what the record learns, how staff come and go, how time
passes; over a pathway that uses everything the domain knows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from service.domain.evidence import Fact, Recorded, Waived
from service.domain.follow_up_task import Choice, DueIn, Series
from service.domain.needs import FieldsMissing, OnField, OnLevel, OnTask, TaskState
from service.domain.pathway import Criterion, Handover, IfUnmet, Pathway, RequiredField
from service.domain.vocabulary import (
    OPEN,
    FieldId,
    FollowUpStatus,
    PathwayId,
    Priority,
    Reference,
    RoleId,
    TaskId,
)
from tests.domain.an_imaginary_record import World, edited
from tests.domain.builders import (
    CLINICIAN,
    COORDINATOR,
    MISSED,
    NOW,
    ROSTER,
    SECOND_COORDINATOR,
    STABLE,
    SUPERVISOR,
    days,
    discharge,
    fact,
    gate,
    hours,
    in_record,
    ladder,
    on_task,
    pathway,
    record,
    rung,
    stage,
    task,
    without,
)

CONTACTED = in_record("Communication", topic="contact")
BOOKED = in_record("Appointment", status="booked")
RISK = Criterion(
    id="risk",
    levels=(
        ("high", (in_record("RiskAssessment", level="high"), OnField(field=FieldId("risk"), says=("high",)))),
        ("low", (in_record("RiskAssessment", level="low"),)),
    ),
)
MOVING = ladder(
    rung(hours(1), "supervisor"),
    rung(hours(6), "director", reassign=True),
    rung(days(2), "lead"),
    name="moving",
)

EVERYTHING: Pathway = pathway(
    stage(
        "received",
        task("receipt", owner=RoleId("clinician"), records=(FieldId("risk"),)),
        task(
            "contact",
            done_when=(CONTACTED,),
            attempts=2,
            attempt_every=days(1),
            escalation=MOVING.id,
            due_in=DueIn(otherwise=hours(72), criterion="risk", by_level={"high": hours(24)}),
        ),
        task("outreach", opens_when=(on_task("contact", TaskState.MISSED),), clock="opened", escalation=None),
    ),
    stage(
        "coordinating",
        task("book", clock="stage", done_when=(BOOKED,)),
        task("check-in", clock="stage", opens_after=days(2), due_in=DueIn(otherwise=days(1))),
        enter=(CONTACTED, on_task("contact", TaskState.COMPLETED)),
    ),
    stage("handed-over", enter=(BOOKED,)),
    STABLE,
    gates=(
        gate("receipt-confirmed", "coordinating", on_task("receipt", TaskState.ACCEPTED),
             waived_by=(RoleId("supervisor"),)),
        gate("risk-known", "handed-over", OnField(field=FieldId("risk")), if_unmet=IfUnmet.PROCEED),
    ),
    required=(RequiredField(id=FieldId("risk"), title="Risk", needs=(), ask=RoleId("clinician")),),
    criteria={"risk": RISK},
    ladders={MISSED.id: MISSED, MOVING.id: MOVING},
)  # fmt: skip

BESIDE: tuple[Pathway, ...] = (
    replace(
        EVERYTHING,
        precedence=10,
        stages=(
            replace(
                EVERYTHING.stages[0],
                tasks=tuple(
                    replace(t, purpose="contact") if t.id == "contact" else t
                    for t in EVERYTHING.stages[0].tasks
                ),
            ),
            *EVERYTHING.stages[1:],
        ),
    ),
    pathway(
        stage(
            "asked",
            task("clarify", again_while=(FieldsMissing(fields=(FieldId("risk"),)),), clock="opened",
                 records=(FieldId("risk"),)),
            task("take-on", owner=RoleId("clinician"),
                 owner_by=Choice(otherwise=RoleId("clinician"), criterion="risk",
                                 by_level={"high": RoleId("supervisor")}),
                 priority_by=Choice(otherwise=Priority.ROUTINE, criterion="risk",
                                    by_level={"high": Priority.STAT})),
            task("visit", purpose="contact", due_in=DueIn(otherwise=days(5)), done_when=(CONTACTED,)),
        ),
        replace(
            stage(
                "looking",
                task("look", clock="stage", series=Series(steps=(days(1), days(2))), done_when=(CONTACTED,)),
                task("check", clock="opened", series=Series(every=days(3), until=(BOOKED,)),
                     not_needed_when=(OnLevel(criterion="risk", levels=("low",)),)),
                enter=(on_task("take-on", TaskState.ACCEPTED), in_record("RiskAssessment", level="high")),
            ),
            repeats=True,
        ),
        replace(
            stage(
                "deciding",
                task("decide", clock="stage"),
                enter=(OnTask(task=TaskId("look"), state=TaskState.COMPLETED, times=1),
                       on_task("look", TaskState.MISSED)),
            ),
            repeats=True,
        ),
        stage("settled", enter=(on_task("decide", TaskState.COMPLETED),), final=True),
        id=PathwayId("looking-after"),
        precedence=20,
        required=(RequiredField(id=FieldId("risk"), title="Risk", needs=(), ask=RoleId("clinician")),),
        criteria={"risk": RISK},
        handover=Handover(until=(CONTACTED,), then=TaskId("take-on")),
    ),
)  # fmt: skip
"""Two pathways that share a purpose; the second comes again and again."""

STATUSES = st.sampled_from([s for s in FollowUpStatus if s is not FollowUpStatus.DRAFT])
REASONS = st.sampled_from([None, None, "the person declined"])
LENGTHS = st.sampled_from([1, 30, 60, 240, 600, 1440, 2880, 5000]).map(lambda m: timedelta(minutes=m))
NEWS = st.sampled_from(["contact", "one-more-contact", "late-contact", "booked", "high", "low", "contact-void",
                        "risk", "waiver"])  # fmt: skip
ROSTERS = st.sampled_from([ROSTER, without(ROSTER, COORDINATOR), without(ROSTER, CLINICIAN, SUPERVISOR),
                           replace(ROSTER, directory=(SECOND_COORDINATOR,))])  # fmt: skip

EVENTS = st.one_of(
    st.tuples(st.just("time"), LENGTHS),
    st.tuples(st.just("time"), LENGTHS),
    st.tuples(st.just("owner"), st.tuples(st.integers(0, 9), STATUSES, REASONS)),
    st.tuples(st.just("owner"), st.tuples(st.integers(0, 9), STATUSES, REASONS)),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 9), STATUSES)),
    st.tuples(st.just("news"), NEWS),
    st.tuples(st.just("staff"), ROSTERS),
    st.tuples(st.just("handover"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 19)),
)
HISTORIES = st.lists(EVENTS, max_size=16)


def beginning(pathways: tuple[Pathway, ...] = (EVERYTHING,)) -> World:
    """Just discharged; nothing decided yet."""
    return World(pathways=pathways, record=record(discharge()), now=NOW)


def happen(world: World, event: tuple) -> None:
    """Let one event happen to the record; nothing is decided here, and time does not pass."""
    what, detail = event
    match what:
        case "owner":
            _owner_acts(world, *detail)
        case "answer":
            _somebody_answers(world, *detail)
        case "news":
            _record_learns(world, detail)
        case "staff":
            world.record = replace(world.record, roster=detail)
        case "handover":
            _handed_over(world, detail)
        case "end":
            _ended(world, detail)


def _owner_acts(world: World, which: int, status: FollowUpStatus, reason: str | None) -> None:
    open_now = [f for f in world.record.follow_ups if f.status in OPEN]
    if not open_now:
        return
    chosen = sorted(open_now, key=lambda f: f.identifier)[which % len(open_now)]
    world.record = edited(world.record, chosen.identifier, status=status, reason=reason, changed_at=world.now)


def _somebody_answers(world: World, which: int, status: FollowUpStatus) -> None:
    rungs = sorted(
        f"{e.identifier}/{r.number}" for e in world.record.escalations for r in e.rungs if r.status in OPEN
    )
    if rungs:
        chosen = rungs[which % len(rungs)]
        world.record = edited(world.record, chosen, status=status, changed_at=world.now)


def _record_learns(world: World, news: str) -> None:
    if news in {"risk", "waiver"}:
        _answered(world, news)
        return
    kinds = {
        "contact": fact("Communication", "c", world.now, topic="contact"),
        "late-contact": fact("Communication", "l", world.now - timedelta(hours=20), topic="contact"),
        "one-more-contact": fact("Communication", f"{len(world.record.facts)}", world.now, topic="contact"),
        "contact-void": fact("Communication", "c", world.now, void=True, topic="contact"),
        "booked": fact("Appointment", "a", world.now, status="booked"),
        "high": fact("RiskAssessment", f"{len(world.record.facts)}", world.now, level="high"),
        "low": fact("RiskAssessment", f"{len(world.record.facts)}", world.now, level="low"),
    }
    _told(world, kinds[news])


def _told(world: World, new: Fact) -> None:
    kept = tuple(f for f in world.record.facts if f.reference != new.reference)
    world.record = replace(world.record, facts=(*kept, new))


def _ended(world: World, how: int) -> None:
    """Now and then the person is stable, dies, or the discharge is taken back; mostly life goes on."""
    match how:
        case 0:
            world.record = replace(world.record, deceased_at=world.now)
        case 1 | 2:
            _told(world, fact("Observation", "s", world.now, says="stable"))
        case 3:
            _told(world, discharge(void=True))


def _answered(world: World, news: str) -> None:
    receipts = [f for f in world.record.follow_ups if f.task in {"receipt", "clarify"}]
    if not receipts:
        return
    receipt, source = receipts[-1], Reference("Task/receipt")
    value = Recorded(field=FieldId("risk"), value="High", at=world.now, source=source)
    waiver = Waived(gate="receipt-confirmed", reason="urgent", by=SUPERVISOR.reference,
                    roles=SUPERVISOR.roles, at=world.now)  # fmt: skip
    changes = {"recorded": (value,)} if news == "risk" else {"waived": (waiver,)}
    world.record = edited(world.record, receipt.identifier, **changes)


def _handed_over(world: World, which: int) -> None:
    """A colleague is asked instead: a new owner, who has to accept."""
    open_now = sorted(f.identifier for f in world.record.follow_ups if f.status in OPEN)
    if open_now:
        world.record = edited(
            world.record,
            open_now[which % len(open_now)],
            owner=SECOND_COORDINATOR.reference,
            status=FollowUpStatus.REQUESTED,
            changed_at=world.now,
        )
