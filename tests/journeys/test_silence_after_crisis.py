"""Nobody answers after a crisis contact: every rung of every ladder at its instant, and what makes a ladder stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.ladders import climb
from tests.journeys.practice_folder import in_use
from tests.journeys.record import CRISIS
from tests.journeys.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site that uses this pathway alone: beside others, some of its follow-ups would be asked for by them."""
    with open_world(tmp_path, env=in_use(tmp_path, CRISIS)) as world:
        yield world


@pytest.fixture
def without_an_outpatient_clinician(tmp_path: Path) -> Iterator[World]:
    """The same, and nobody is an outpatient clinician."""
    with open_world(tmp_path, absent=frozenset({"omar"}), env=in_use(tmp_path, CRISIS)) as world:
        yield world


def test_when_nobody_does_anything_every_rung_speaks_up_at_its_own_time(
    without_an_outpatient_clinician: World,
) -> None:
    world, record = without_an_outpatient_clinician, without_an_outpatient_clinician.record
    world.hospital.ends_crisis_contact("nils")
    climb(
        world,
        "nils",
        {
            "2026-03-06 16:30": [("unowned/1/unowned", "Sam Whitlock", "urgent")],
            "2026-03-06 18:30": [
                ("crisis-handover/1/acceptance", "Ines Marchetti", "urgent"),
                ("tell-person/1/acceptance", "Ines Marchetti", "urgent"),
                ("intake-review/1/acceptance", "Sam Whitlock", "urgent"),
            ],
            "2026-03-06 20:30": [
                ("unowned/1/unowned", "Dara Quill", "asap"),
                ("contingency-plan/1/acceptance", "Ines Marchetti", "urgent"),
                ("first-contact/1/acceptance", "Sam Whitlock", "urgent"),
            ],
            "2026-03-06 22:30": [("intake-review/1/acceptance", "Dara Quill", "asap")],
            "2026-03-07 00:30": [
                ("first-contact/1/acceptance", "Kofi Asante", "asap"),
                # The review was due at 20:30; the booking was asked for then, and four hours later nobody has it.
                ("book-appointment/1/acceptance", "Sam Whitlock", "urgent"),
            ],
            "2026-03-07 02:30": [
                ("crisis-handover/1/acceptance", "Sam Whitlock", "asap"),
                ("tell-person/1/acceptance", "Sam Whitlock", "asap"),
            ],
            "2026-03-07 04:30": [
                ("contingency-plan/1/acceptance", "Sam Whitlock", "asap"),
                ("book-appointment/1/acceptance", "Dara Quill", "asap"),
            ],
            # 24 hours without a first contact: outreach is asked for, and nobody takes that on either.
            "2026-03-07 16:30": [],
            "2026-03-07 20:30": [
                ("first-contact/1/acceptance", "Dara Quill", "stat"),
                ("outreach/1/acceptance", "Sam Whitlock", "urgent"),
            ],
        },
    )
    nils = record.enrolment("nils")
    assert (nils.stage, nils.status) == ("crisis-closed", "active")
    assert "unowned outpatient-clinician" in nils.variances
    assert record.follow_up("nils", "first-contact").owner == "Dara Quill"  # the accountable person


def test_an_answer_stops_the_climb_and_open_risk_without_an_owner_goes_to_the_director(world: World) -> None:
    clinic, record = world.clinic, world.record
    for person in ("rosa", "saul"):
        world.hospital.ends_crisis_contact(person)
        world.hospital.assesses_risk(person, "moderate")
    world.until("2026-03-06 16:40")
    for person in ("rosa", "saul"):
        clinic.completes(person, "crisis-handover", "tell-person", "contingency-plan")
        clinic.accepts(person, "first-contact")
        clinic.completes(person, "intake-review")
    world.until("2026-03-06 17:20")
    clinic.completes("rosa", "book-appointment")

    # Saul: nobody takes the booking on until the supervisor answers; what she arranged gets its time to work.
    booking = "book-appointment/1/acceptance"
    world.until("2026-03-06 20:40")
    first = ("Fri 06 20:40", "Sam Whitlock", "urgent")
    assert record.escalation("saul", booking).told == [first]
    world.until("2026-03-06 23:50")
    clinic.acknowledges("saul", "book-appointment")
    world.until("2026-03-07 00:00")
    clinic.finishes_response("saul", "book-appointment")
    world.until("2026-03-07 00:40")  # the second rung's time
    assert record.escalation("saul", booking).told == [first]

    # Rosa: booked, but the open risk has no accepted owner.
    open_risk = "accept-responsibility/1/acceptance"
    assert record.escalations("rosa") == {}
    world.until("2026-03-07 01:20")
    supervisor = ("Sat 07 01:20", "Sam Whitlock", "urgent")
    assert record.escalation("rosa", open_risk).told == [supervisor]

    world.until("2026-03-07 03:50")
    clinic.completes("saul", "book-appointment")
    assert record.escalation("saul", booking).status == "completed"
    assert record.escalation("saul", booking).told == [first]
    world.until("2026-03-07 09:20")
    assert record.escalation("rosa", open_risk).told == [supervisor, ("Sat 07 09:20", "Dara Quill", "stat")]
    moved = record.follow_up("rosa", "accept-responsibility")
    assert (moved.owner, moved.priority) == ("Dara Quill", "stat")
    world.until("2026-03-07 09:30")
    clinic.completes("rosa", "accept-responsibility")
    assert record.escalation("rosa", open_risk).status == "completed"
    assert [each.status for each in record.responses("rosa", open_risk)] == ["cancelled", "cancelled"]
