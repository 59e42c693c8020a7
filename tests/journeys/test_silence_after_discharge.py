"""Nobody answers after a discharge: every rung of every ladder at its instant, and what makes a ladder stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import a_practitioner_role
from tests.journeys.hospital import ICD_10_CM
from tests.journeys.ladders import climb
from tests.journeys.world import World, open_world

PAPERWORK = (
    "confirm-receipt", "review-discharge-plan", "confirm-appointments", "check-medication-access", "review-clinical-needs",
)  # fmt: skip
CONTACT = "contact-person/1/acceptance"
OVERDUE = "contact-person/1/completion"


def test_the_call_that_nobody_takes_on_climbs_every_rung_and_an_answer_stops_the_climb(world: World) -> None:
    clinic, record = world.clinic, world.record
    people = ("ida", "mona", "nell", "owen", "hal")
    for person in people:
        world.hospital.discharges(person)
    world.until("2026-03-06 16:40")
    for person in people:
        clinic.completes(person, *PAPERWORK)
        clinic.accepts(person, "arrange-practical-support", "first-appointment")
    for person in ("owen", "hal"):
        clinic.accepts(person, "contact-person")

    world.until("2026-03-09 11:59")
    assert [record.escalations(person) for person in people] == [{}] * 5
    world.until("2026-03-09 12:00")  # four working hours after Friday 16:30
    lead = ("Mon 09 12:00", "Lena Hofstad", "urgent")
    for person in ("ida", "mona", "nell"):
        assert record.escalation(person, CONTACT).told == [lead]
        assert record.follow_up(person, "contact-person").standing == "acceptance-overdue"
        [asked] = record.responses(person, CONTACT)
        assert (asked.status, asked.owner, asked.due) == ("requested", "Lena Hofstad", "Mon 09 16:00")
        assert record.follow_up(person, "contact-person").owner == "Tess Okafor"
    assert record.escalations("owen") == {}

    world.until("2026-03-09 12:10")
    clinic.acknowledges("mona", "contact-person")
    clinic.acknowledges("nell", "contact-person")
    world.until("2026-03-09 15:00")
    clinic.finishes_response("mona", "contact-person")  # a visit is arranged for the evening
    world.until("2026-03-09 15:59")
    assert record.escalation("ida", CONTACT).told == [lead]

    world.until("2026-03-09 16:00")
    supervisor = ("Mon 09 16:00", "Sam Whitlock", "asap")
    assert record.escalation("ida", CONTACT).told == [lead, supervisor]
    moved = record.follow_up("ida", "contact-person")
    assert (moved.owner, moved.priority, moved.status) == ("Sam Whitlock", "asap", "requested")
    # Nell's lead has taken it on at 12:10: the ladder stops, for the four hours in which it is to be done.
    assert record.escalation("nell", CONTACT).told == [lead]
    # Mona's lead has acted: no further rung while that takes effect.
    assert record.escalation("mona", CONTACT).told == [lead]

    world.until("2026-03-09 16:10")  # nothing has come of it: silence counts again
    assert record.escalation("nell", CONTACT).told == [lead, ("Mon 09 16:10", "Sam Whitlock", "asap")]

    world.until("2026-03-09 17:00")
    clinic.holds("hal", "contact-person", "Asks to be called on Wednesday")
    assert record.follow_up("hal", "contact-person").standing == "on-hold"
    world.until("2026-03-09 17:30")  # 72 hours
    assert record.escalation("owen", OVERDUE).told == [("Mon 09 17:30", "Lena Hofstad", "urgent")]
    assert record.follow_up("owen", "contact-person").standing == "overdue"
    assert (record.escalations("hal"), list(record.escalations("ida"))) == ({}, [CONTACT])
    world.until("2026-03-09 18:59")
    assert record.escalation("mona", CONTACT).told == [lead]
    clinic.completes("mona", "contact-person")
    assert record.escalation("mona", CONTACT).status == "completed"

    world.until("2026-03-09 21:30")
    assert record.escalation("owen", OVERDUE).told[1] == ("Mon 09 21:30", "Sam Whitlock", "asap")
    world.until("2026-03-10 11:59")
    assert record.escalation("ida", CONTACT).told == [lead, supervisor]
    world.until("2026-03-10 12:00")
    team = ("Tue 10 12:00", "Kofi Asante", "stat")
    assert record.escalation("ida", CONTACT).told == [lead, supervisor, team]
    assert record.follow_up("ida", "contact-person").status == "requested"  # overdue never closes anything
    world.until("2026-03-10 17:30")
    assert record.escalation("owen", OVERDUE).told[2] == ("Tue 10 17:30", "Kofi Asante", "stat")

    world.until("2026-03-11 12:00")
    assert record.escalation("ida", CONTACT).told == [lead, supervisor, team]
    assert record.escalation("mona", CONTACT).told == [lead]
    assert record.escalations("hal") == {}
    world.until("2026-03-12 17:00")  # a hold lasts three days at most
    assert record.escalation("hal", OVERDUE).told == [("Thu 12 17:00", "Lena Hofstad", "urgent")]


@pytest.fixture
def without_a_case_manager(tmp_path: Path) -> Iterator[World]:
    """The staff directory is read anew every time."""
    env = {"THROUGHLINE_DIRECTORY_SECONDS": "0"}
    with open_world(tmp_path, absent=frozenset({"cora"}), env=env) as world:
        yield world


def test_when_nobody_does_anything_each_step_speaks_up_at_its_own_time(without_a_case_manager: World) -> None:
    world, record = without_a_case_manager, without_a_case_manager.record
    world.hospital.discharges("nora", reason=(ICD_10_CM, "X78.9XXA"))
    climb(
        world,
        "nora",
        {
            "2026-03-06 16:30": [("unowned/1/unowned", "Lena Hofstad", "urgent")],
            "2026-03-06 20:30": [("supervisor-review/1/acceptance", "Lena Hofstad", "urgent")],
            "2026-03-07 00:30": [("supervisor-review/1/acceptance", "Dara Quill", "stat")],
            # Higher risk: 48 hours, which nobody had accepted either.
            "2026-03-08 17:30": [("contact-person/1/acceptance", "Lena Hofstad", "urgent")],
            "2026-03-08 21:30": [("contact-person/1/acceptance", "Sam Whitlock", "asap")],
            "2026-03-09 08:30": [("review-clinical-needs/1/acceptance", "Lena Hofstad", "urgent")],
            "2026-03-09 10:00": [("confirm-receipt/1/acceptance", "Lena Hofstad", "urgent")],
            "2026-03-09 12:00": [
                ("review-discharge-plan/1/acceptance", "Lena Hofstad", "urgent"),
                ("confirm-appointments/1/acceptance", "Lena Hofstad", "urgent"),
                ("unowned/1/unowned", "Sam Whitlock", "asap"),
            ],
            "2026-03-09 14:00": [("confirm-receipt/1/acceptance", "Sam Whitlock", "asap")],
            "2026-03-09 16:00": [
                ("check-medication-access/1/acceptance", "Lena Hofstad", "urgent"),
                ("arrange-practical-support/1/acceptance", "Lena Hofstad", "urgent"),
                ("first-appointment/1/acceptance", "Lena Hofstad", "urgent"),
            ],
        },
    )
    assert record.follow_up("nora", "supervisor-review").owner == "Dara Quill"
    assert record.follow_up("nora", "confirm-receipt").owner == "Sam Whitlock"
    support = record.follow_up("nora", "arrange-practical-support")
    assert support.owner == "Dara Quill"  # the accountable person, until somebody is named
    nora = record.enrolment("nora")
    assert "unowned case-manager" in nora.variances
    assert (nora.stage, nora.status) == ("discharge-received", "active")

    world.time_passes(minutes=10)
    world.fhir.put(a_practitioner_role("cora-role", "Practitioner/cora", "case-manager", meta=None))
    world.clinic.accepts("nora", "arrange-practical-support")
    assert record.escalation("nora", "unowned/1/unowned").status == "completed"
    assert record.escalation("nora", "arrange-practical-support/1/acceptance").status == "completed"
