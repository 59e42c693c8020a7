"""Rows made of rows: counts over a window, all of, none of, levels, fields that are missing or complete."""

from __future__ import annotations

from service.domain.evidence import Recorded
from service.domain.needs import (
    AllOf,
    AtLeast,
    FieldsComplete,
    FieldsMissing,
    NoneOf,
    OnField,
    OnLevel,
    OnTask,
    TaskState,
)
from service.domain.pathway import Criterion, RequiredField
from service.domain.vocabulary import FieldId, Reference, RoleId, TaskId
from tests.domain.an_imaginary_record import World, edited, world
from tests.domain.builders import (
    ENROLMENT,
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    in_record,
    later,
    on_task,
    pathway,
    record,
    stage,
    task,
)

MISSED_VISIT = in_record("Appointment", status="noshow")
WINDOWED = AtLeast(
    count=2,
    within=days(10),
    of=(in_record("Appointment", windowed=True, status="noshow"),),
)
DATASET = tuple(
    RequiredField(id=FieldId(name), title=name, needs=(), ask=RoleId("clinician"))
    for name in ("risk", "plan")
)


def asked_when(*needs, **more) -> World:
    """A pathway that asks for `closer-look` when these hold."""
    closer = task("closer-look", opens_when=needs, clock="opened")
    return world(
        pathway(stage("received", task("contact"), closer), STABLE, **more), record(discharge()), NOW
    )


def missed(name: str, at):
    return fact("Appointment", name, at, status="noshow")


def recorded(life: World, **said: str) -> World:
    values = tuple(
        Recorded(field=FieldId(name), value=value, at=life.now, source=Reference("Task/x"))
        for name, value in said.items()
    )
    life.record = edited(life.record, f"{ENROLMENT}/contact/1", recorded=values)
    return life.wake()


def test_so_many_must_have_happened_and_each_resource_counts_once():
    twice = AtLeast(count=2, of=(MISSED_VISIT, in_record("Appointment", status="noshow")))
    life = asked_when(twice).told(missed("a", NOW))
    assert "closer-look/1" not in life.follow_ups(), "one visit fits both rows and is one visit"

    life.told(missed("b", NOW))

    assert "closer-look/1" in life.follow_ups()


def test_a_window_looks_back_before_the_enrolment():
    life = asked_when(WINDOWED).told(missed("a", later(days=-3)), missed("b", later(days=-2)))

    assert "closer-look/1" in life.follow_ups()


def test_what_lies_before_the_window_does_not_count():
    life = asked_when(WINDOWED).told(missed("a", later(days=-12)), missed("b", later(days=-2)))

    assert "closer-look/1" not in life.follow_ups()


def test_a_count_that_lapses_is_noticed_when_it_does():
    criterion = Criterion(id="attendance", levels=(("chain", (WINDOWED,)),))
    review = task(
        "review", not_needed_when=(NoneOf(of=(OnLevel(criterion="attendance", levels=("chain",)),)),)
    )
    life = world(
        pathway(stage("received", task("contact"), review), STABLE, criteria={"attendance": criterion}),
        record(discharge(), missed("a", later(days=-4)), missed("b", NOW)),
        NOW,
    )
    assert life.follow_ups()["review/1"] == "requested"

    life.passes(days=6, hours=8)

    assert life.follow_ups()["review/1"] == "cancelled", "the first missed visit has left the window"


def test_all_of_them_must_hold_and_it_is_met_when_the_last_one_was():
    both = AllOf(of=(MISSED_VISIT, in_record("Observation", says="worse")))
    late = stage("worse", task("visit", clock="stage"), enter=(both,))
    life = world(pathway(stage("received", task("contact")), late, STABLE), record(discharge()), NOW)
    life.told(missed("a", later(hours=1)))
    assert life.enrolment.stage == "received"

    life.told(fact("Observation", "o", later(hours=3), says="worse"))

    assert (life.enrolment.stage, life.enrolment.history[-1].entered_at) == ("worse", later(hours=3))


def test_what_came_about_together_is_counted_once():
    both = AllOf(of=(MISSED_VISIT, in_record("Observation", says="worse")))
    life = asked_when(AtLeast(count=2, of=(both,)))
    life.told(missed("a", later(hours=1)), fact("Observation", "o", later(hours=3), says="worse"))
    assert "closer-look/1" not in life.follow_ups()


def test_none_of_them_may_hold():
    life = asked_when(AllOf(of=(on_task("contact", TaskState.COMPLETED), NoneOf(of=(MISSED_VISIT,)))))
    life.told(missed("a", NOW)).set("contact", "completed")
    assert "closer-look/1" not in life.follow_ups()

    life.told(fact("Appointment", "a", NOW, void=True, status="noshow"))

    assert "closer-look/1" in life.follow_ups(), "the missed visit was corrected"


def test_none_is_no_evidence_of_its_own_so_it_never_makes_a_level_the_newest():
    risk = Criterion(
        id="risk",
        levels=(
            ("low", (AllOf(of=(in_record("Observation", says="low"), NoneOf(of=(MISSED_VISIT,)))),)),
            ("high", (in_record("Observation", says="high"),)),
        ),
    )
    life = asked_when(OnLevel(criterion="risk", levels=("high",)), criteria={"risk": risk})
    life.now = later(hours=2)
    life.told(
        fact("Observation", "l", NOW, says="low"), fact("Observation", "h", later(hours=1), says="high")
    )

    assert "closer-look/1" in life.follow_ups()


def test_a_field_that_is_missing_and_a_dataset_that_is_complete():
    missing = task("clarify", opens_when=(FieldsMissing(fields=(FieldId("risk"), FieldId("plan"))),))
    complete = task("decide", opens_when=(FieldsComplete(fields=(FieldId("risk"), FieldId("plan"))),))
    plan = pathway(stage("received", task("contact"), missing, complete), STABLE, required=DATASET)
    life = world(plan, record(discharge()), NOW)
    assert set(life.follow_ups()) == {"contact/1", "clarify/1"}

    recorded(life, risk="low", plan="yes")

    assert "decide/1" in life.follow_ups()


def test_a_level_row_holds_only_at_the_level_that_is_newest():
    risk = Criterion(
        id="risk",
        levels=(
            ("high", (OnField(field=FieldId("risk"), says=("high",)),)),
            ("low", (OnField(field=FieldId("risk"), says=("low",)),)),
        ),
    )
    life = asked_when(OnLevel(criterion="risk", levels=("high",)), criteria={"risk": risk}, required=DATASET)
    recorded(life, risk="low")
    assert "closer-look/1" not in life.follow_ups()
    life.now = later(hours=1)

    recorded(life, risk="high")

    assert "closer-look/1" in life.follow_ups()


def test_a_state_may_be_asked_for_several_times():
    twice = OnTask(task=TaskId("contact"), state=TaskState.FAILED, times=2)
    closer = task("closer-look", opens_when=(twice,), clock="opened")
    plan = pathway(stage("received", task("contact", attempts=3), closer), STABLE)
    life = world(plan, record(discharge()), NOW).set("contact", "failed")
    assert "closer-look/1" not in life.follow_ups()

    life.set("contact", "failed", occurrence=2)

    assert "closer-look/1" in life.follow_ups()
