"""A series of which the record shows contacts that were made before anybody was asked: it goes on from the last one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.follow_up_task import Series
from service.domain.needs import FieldsMissing, OnTask, TaskState
from service.domain.pathway import RequiredField
from service.domain.vocabulary import OPEN, FieldId, RoleId, TaskId
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    DISCHARGED,
    ENROLMENT,
    NOW,
    STABLE,
    days,
    discharge,
    fact,
    gate,
    hours,
    in_record,
    later,
    local,
    pathway,
    record,
    stage,
    task,
)

CONTACTED = in_record("Communication", topic="contact")
TAPER = task(
    "taper",
    series=Series(steps=(days(7), days(14))),
    done_when=(CONTACTED,),
    attempts=2,
    attempt_every=hours(24),
)
OVER = stage("over", enter=(OnTask(task=TaskId("taper"), state=TaskState.SERIES_COMPLETED),), final=True)
TAPERING = pathway(stage("received", TAPER), OVER)


def contact(at: datetime, name: str = "c1"):
    return fact("Communication", name, at, topic="contact")


def first_seen(at: datetime, *contacts, plan=TAPERING) -> World:
    """The person was discharged at the house instant; throughline sees it, and these contacts, only now."""
    starts = (replace(DISCHARGED, within=days(30)),)
    return world(replace(plan, starts=starts), record(discharge(), *contacts), at)


def test_the_next_contact_is_asked_for_and_due_from_the_one_that_was_made():
    life = first_seen(later(days=3), contact(later(days=1)))

    assert life.follow_ups() == {"taper/2": "requested"}, "the first was made already; nobody is asked for it"
    assert life.is_due("taper", 2) == local("2026-03-14 23:59:59"), (
        "seven days after the 7th, not after today"
    )
    assert ("already-done", "taper/1") in life.variances()


def test_it_stands_as_it_would_if_it_had_been_seen_from_the_beginning():
    late = first_seen(later(days=20), contact(later(days=1)), contact(later(days=8), "c2"))
    live = first_seen(NOW)
    for name, at in (("c1", later(days=1)), ("c2", later(days=8))):
        live.passes_until(at).told(contact(at, name))
    live.passes_until(later(days=20))

    assert late.follow_ups() == {"taper/3": "requested"}
    assert live.follow_ups() == {"taper/1": "completed", "taper/2": "completed", "taper/3": "requested"}
    assert late.is_due("taper", 3) == live.is_due("taper", 3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sets(st.integers(1, 600), max_size=5), st.sets(st.integers(0, 700), max_size=6))
def test_whoever_looks_rarely_asks_for_the_same_contact_by_the_same_time(made, looks):
    often, rarely = first_seen(NOW), None
    for hour in sorted({*made, *looks, 701}):
        often.passes_until(later(hours=hour))
        if hour in made:
            often.told(contact(later(hours=hour), f"c{hour}"))
        if hour in {*looks, 701}:
            contacts = [contact(later(hours=h), f"c{h}") for h in made if h <= hour]
            rarely = rarely or first_seen(later(hours=hour), *contacts)
            rarely.now = later(hours=hour)
            rarely.told(*contacts)

    assert rarely is not None
    assert rarely.enrolment.stage == often.enrolment.stage
    assert _asked(rarely) == _asked(often)


def _asked(life: World) -> list[tuple[str, datetime | None]]:
    return [(f.identifier, f.complete_by) for f in life.record.follow_ups if f.status in OPEN]


def test_a_contact_that_was_made_is_no_missed_contact_however_late_it_is_seen():
    life = first_seen(later(days=20), contact(later(days=1)), contact(later(days=8), "c2"))

    assert life.escalations() == {}


def test_looking_again_changes_nothing():
    life = first_seen(later(days=3), contact(later(days=1)))
    before = life.record

    assert life.wake().record == before
    assert life.passes(hours=1).follow_ups() == {"taper/2": "requested"}


def test_the_series_counts_what_was_made_and_comes_to_its_end():
    life = first_seen(later(days=3), contact(later(days=1)))
    life.passes(days=4).set("taper", "completed", occurrence=2)
    life.passes(days=7).told(contact(life.now, "c3"))

    assert life.follow_ups() == {"taper/2": "completed", "taper/3": "completed"}
    assert life.enrolment.stage == "over", "three contacts: one that was found, two that were asked for"


def test_a_series_that_was_made_to_its_end_asks_nobody():
    made = [contact(later(days=n), f"c{n}") for n in (1, 8, 20)]
    life = first_seen(later(days=25), *made)

    assert life.follow_ups() == {}
    assert life.enrolment.stage == "over"


def test_contacts_that_came_in_together_while_one_was_asked_for_all_count():
    life = first_seen(NOW)
    life.now = later(days=9)
    life.told(contact(later(days=1)), contact(later(days=8), "c2"))

    assert life.follow_ups() == {"taper/1": "completed", "taper/3": "requested"}
    assert life.is_due("taper", 3) == local("2026-03-28 23:59:59"), "fourteen days after the 14th"
    assert life.escalations() == {}


def test_a_contact_from_before_the_task_was_written_but_seen_after_it_is_the_one_that_was_asked_for():
    life = first_seen(later(hours=2)).passes(days=1).told(contact(later(hours=1)))

    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "requested"}


def test_a_contact_seen_only_after_the_attempts_failed_lets_the_series_go_on():
    life = first_seen(NOW).passes(hours=20).set("taper", "failed").passes(hours=30)
    life.set("taper", "failed", occurrence=2)

    life.passes(hours=1).told(contact(later(hours=10)))

    assert life.follow_ups() == {"taper/1": "failed", "taper/2": "failed", "taper/4": "requested"}
    assert life.is_due("taper", 4) == local("2026-03-14 23:59:59"), "seven days after the contact of the 7th"
    assert life.wake().passes(hours=1).follow_ups()["taper/4"] == "requested"
    assert life.set("taper", "completed", occurrence=4).follow_ups()["taper/5"] == "requested"


def test_a_contact_that_the_record_takes_back_is_asked_for_after_all():
    life = first_seen(later(days=3), contact(later(days=1)))
    life.told(fact("Communication", "c1", later(days=1), void=True, topic="contact"))
    life.passes(days=1).set("taper", "completed", occurrence=2)

    assert life.follow_ups() == {"taper/2": "completed", "taper/3": "requested"}
    assert life.is_due("taper", 3) == local("2026-03-17 23:59:59"), (
        "the second of three, seven days after the first"
    )


def test_a_note_of_the_contact_that_was_just_completed_is_no_second_contact():
    life = first_seen(NOW).passes(days=1).set("taper", "completed")
    life.passes(hours=1).told(contact(life.now))
    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "requested"}

    life.passes(days=6).told(contact(life.now, "c2"))
    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "completed", "taper/3": "requested"}


def test_in_a_series_of_hours_each_contact_counts():
    often = replace(TAPER, series=Series(steps=(hours(4), hours(4))))
    life = first_seen(NOW, plan=pathway(stage("received", often), OVER))
    for name in ("c1", "c2"):
        life.passes(hours=1).told(contact(life.now, name))

    assert life.follow_ups() == {"taper/1": "completed", "taper/2": "completed", "taper/3": "requested"}


# --- what was too early to be one of the series ---


def test_a_contact_from_before_the_enrolment_is_none_of_the_series():
    ever = pathway(stage("received", task("taper", series=TAPER.series,
                                          done_when=(in_record("Communication", ever=True, topic="contact"),))),
                   OVER)  # fmt: skip
    life = first_seen(later(days=1), contact(later(days=-30)), plan=ever)

    assert life.follow_ups() == {"taper/1": "requested"}


@pytest.mark.parametrize("seen_after", [4, 6, 20], ids=["live", "a day late", "weeks late"])
def test_contacts_of_an_earlier_stage_are_none_of_a_series_that_begins_later(seen_after):
    begins = in_record("Observation", says="taper")
    plan = pathway(stage("received", task("call")), stage("tapering", TAPER, enter=(begins,)), OVER)
    made = [contact(later(days=n), f"c{n}") for n in (1, 2, 3)]
    life = first_seen(later(days=seen_after), *made, plan=plan)
    if seen_after < 5:
        life.passes_until(later(days=5))

    life.told(fact("Observation", "o", later(days=5), says="taper"))

    assert life.enrolment.stage == "tapering"
    assert life.follow_ups()["taper/1"] == "requested", "nothing of the series was made yet"
    life.passes(hours=5).told(contact(life.now, "c9"))
    assert (life.follow_ups()["taper/1"], life.follow_ups()["taper/2"]) == ("completed", "requested")


def test_a_series_whose_stage_is_not_reached_is_never_over():
    begins = in_record("Observation", says="taper")
    plan = pathway(stage("received", task("call")), stage("tapering", TAPER, enter=(begins,)), OVER)
    made = [contact(later(days=n), f"c{n}") for n in (1, 2, 3, 4)]

    assert first_seen(later(days=5), *made, plan=plan).enrolment.stage == "received"


def test_a_stage_that_a_gate_holds_asks_for_its_series_and_counts_it():
    begins = in_record("Observation", says="taper")
    plan = pathway(
        stage("received", task("call")),
        stage("tapering", TAPER, enter=(begins,)),
        OVER,
        gates=(gate("agreed", "tapering", in_record("Consent")),),
    )
    life = first_seen(NOW, plan=plan)
    life.passes(days=1).told(fact("Observation", "o", life.now, says="taper"))
    assert (life.enrolment.stage, life.follow_ups()["taper/1"]) == ("received", "requested")

    life.passes(days=1).told(contact(life.now))
    assert life.follow_ups()["taper/2"] == "requested"

    life.passes(days=1).told(fact("Consent", "yes", life.now))
    assert life.enrolment.stage == "tapering"
    life.passes(days=1).told(contact(life.now, "c2"))
    assert life.follow_ups()["taper/3"] == "requested"


def test_contacts_from_before_there_was_a_reason_to_ask_are_none_of_the_series():
    worse = in_record("Observation", says="worse")
    closer = task("closer", series=Series(every=days(3), until=(in_record("Consent"),)), done_when=(CONTACTED,),
                  opens_when=(worse,), clock="opened")  # fmt: skip
    life = first_seen(later(days=2), contact(later(days=1)), plan=pathway(stage("received", closer), STABLE))

    life.told(fact("Observation", "o", life.now, says="worse"))

    assert life.follow_ups() == {"closer/1": "requested"}


# --- a question that is asked again ---


def test_a_call_that_answered_nothing_does_not_keep_the_question_from_being_asked():
    missing = (FieldsMissing(fields=(FieldId("risk"),)),)
    ask = task("clarify", opens_when=missing, again_while=missing, done_when=(CONTACTED,), clock="opened")
    dataset = (RequiredField(id=FieldId("risk"), title="Risk", needs=(), ask=RoleId("clinician")),)
    plan = pathway(stage("received", ask), STABLE, required=dataset)

    life = first_seen(later(days=1), contact(later(hours=1)), plan=plan)

    assert life.follow_ups() == {"clarify/2": "requested"}
    assert life.enrolment.identifier == ENROLMENT
