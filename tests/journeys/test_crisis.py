"""Crisis to outpatient, lived through: handed over, reviewed, booked by risk, seen; each gate, each way it can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.practice_folder import in_use
from tests.journeys.record import CRISIS
from tests.journeys.world import World, open_world

GATES = {
    "receiving-team-acknowledged",
    "intake-reviewed",
    "person-communication",
    "contingency-planned",
    "responsibility-accepted",
}
HANDOVER = {
    "safety-plan-status": "written with the person",
    "recommended-pathway": "outpatient",
    "outpatient-appointment-timeframe": "72 hours",
    "contact-preference": "text message, then a call",
    "barriers-to-attendance": "works nights",
    "named-follow-up-owner": "Omar Lindqvist",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site that uses this pathway alone: beside others, some of its follow-ups would be asked for by them."""
    with open_world(tmp_path, env=in_use(tmp_path, CRISIS)) as world:
        yield world


def test_a_crisis_visit_ends_on_friday_and_the_person_is_engaged_in_outpatient_care_on_monday(
    world: World,
) -> None:
    clinic, record = world.clinic, world.record
    world.hospital.ends_crisis_contact("carl")
    world.hospital.assesses_risk("carl", "moderate")
    carl = record.enrolment("carl")
    assert (carl.stage, carl.status, carl.unmet, carl.missing) == (
        "crisis-closed",
        "active",
        GATES,
        set(HANDOVER),
    )
    assert {"Safety plan status", "Named follow-up owner"} <= set(carl.words.splitlines())
    assert {task: (f.owner, f.due) for task, f in record.follow_ups("carl").items()} == {
        "crisis-handover/1": ("Kofi Asante", "Fri 06 20:30"),
        "tell-person/1": ("Kofi Asante", "Fri 06 20:30"),
        "intake-review/1": ("Ines Marchetti", "Sat 07 04:30"),
        "contingency-plan/1": ("Omar Lindqvist", "Sat 07 16:30"),
        "first-contact/1": ("Omar Lindqvist", "Mon 09 17:30"),
    }

    world.until("2026-03-06 16:40")
    clinic.accepts("carl", "intake-review")
    carl = record.enrolment("carl")
    assert (carl.stage, carl.unmet) == ("intake-review", GATES - {"receiving-team-acknowledged"})

    world.until("2026-03-06 16:50")
    for number, (field, value) in enumerate(HANDOVER.items(), start=1):
        clinic.notes("carl", "crisis-handover", **{field.replace("-", "_"): value})
        assert len(record.enrolment("carl").missing) == len(HANDOVER) - number
        world.time_passes(seconds=1)
    carl = record.enrolment("carl")
    assert (carl.missing, "Still to be recorded" in carl.words) == (set(), False)
    clinic.completes("carl", "crisis-handover")

    world.until("2026-03-06 17:05")
    world.hospital.records(
        "carl",
        "Communication",
        "told",
        status="completed",
        encounter={"reference": "Encounter/carl-crisis"},
        recipient=[{"reference": "Patient/carl"}],
        sent=world.now().isoformat(),
    )
    told = record.follow_up("carl", "tell-person")
    assert told.status == "completed"
    assert "Communication/carl-told" in str(told.task["output"])
    assert "person-communication" not in record.enrolment("carl").unmet

    world.until("2026-03-06 17:20")
    clinic.completes("carl", "intake-review", records={"recommended-pathway": "outpatient"})
    booking = record.follow_up("carl", "book-appointment")
    assert (booking.status, booking.owner, booking.due) == ("requested", "Ines Marchetti", "Sat 07 16:30")
    assert record.enrolment("carl").stage == "intake-review"
    clinic.completes("carl", "contingency-plan")

    world.until("2026-03-06 17:45")
    world.hospital.books("carl")
    carl = record.enrolment("carl")
    assert (carl.stage, carl.unmet) == ("awaiting-first-contact", {"responsibility-accepted"})
    assert record.follow_up("carl", "book-appointment").status == "completed"
    assert record.follow_up("carl", "accept-responsibility").due == "Mon 09 17:30"
    world.until("2026-03-06 18:00")
    clinic.accepts("carl", "first-contact", "accept-responsibility")

    world.until("2026-03-09 11:00")
    world.hospital.books("carl", status="fulfilled", start=world.now())
    carl = record.enrolment("carl")
    # Seen, but nobody has said yet that the open risk is theirs.
    assert (carl.stage, carl.reached, carl.status) == ("awaiting-first-contact", "engaged", "active")
    world.until("2026-03-09 11:10")
    clinic.completes("carl", "accept-responsibility")
    carl = record.enrolment("carl")
    assert (carl.status, carl.stage, carl.ended_because) == (
        "completed",
        "engaged",
        "Engaged in outpatient care",
    )
    assert carl.stages == [
        "crisis-closed",
        "intake-review",
        "appointment-assigned",
        "awaiting-first-contact",
        "engaged",
    ]
    assert (carl.variances, record.open_follow_ups("carl"), record.escalations("carl")) == ({}, set(), {})
    assert len(record.provenance("carl")) == carl.revision


def test_each_gate_holds_its_stage_until_it_is_met_or_the_supervisor_waives_it(world: World) -> None:
    clinic, record = world.clinic, world.record
    for person in ("gus", "wanda"):
        world.hospital.ends_crisis_contact(person)
        world.hospital.assesses_risk(person, "moderate")
    world.until("2026-03-06 16:40")
    for person in ("gus", "wanda"):
        world.hospital.books(person)  # before anybody has reviewed the handover
        early = record.enrolment(person)
        assert (early.stage, early.reached, early.unmet) == (
            "crisis-closed",
            "awaiting-first-contact",
            GATES,
        )
        assert "already-done book-appointment" in early.variances
        clinic.completes(person, "crisis-handover")
        clinic.accepts(person, "first-contact")
    clinic.hands_over("wanda", "intake-review", "sam")
    assert record.follow_up("wanda", "intake-review").owner == "Sam Whitlock"
    clinic.accepts("gus", "intake-review")
    gus = record.enrolment("gus")
    assert (gus.stage, gus.unmet) == ("intake-review", GATES - {"receiving-team-acknowledged"})

    world.until("2026-03-06 16:50")
    clinic.completes("gus", "intake-review")
    gus = record.enrolment("gus")
    assert gus.stage == "appointment-assigned"
    assert gus.unmet == {"person-communication", "contingency-planned", "responsibility-accepted"}
    clinic.waives("wanda", "tell-person", "person-communication", "She had left")
    wanda = record.enrolment("wanda")
    assert (wanda.stage, wanda.unmet) == ("crisis-closed", GATES)  # the crisis clinician has no say over it

    world.until("2026-03-06 17:00")
    clinic.completes("gus", "tell-person")
    gus = record.enrolment("gus")
    assert (gus.stage, gus.unmet) == (
        "appointment-assigned",
        {"contingency-planned", "responsibility-accepted"},
    )
    stages = {
        "receiving-team-acknowledged": "intake-review",
        "intake-reviewed": "appointment-assigned",
        "person-communication": "appointment-assigned",
        "contingency-planned": "awaiting-first-contact",
        "responsibility-accepted": "awaiting-first-contact",
    }
    for gate, stage in stages.items():
        clinic.waives("wanda", "intake-review", gate, f"Agreed by telephone: {gate}")
        wanda = record.enrolment("wanda")
        assert (wanda.stage, gate in wanda.unmet) == (stage, False)
        world.time_passes(minutes=1)

    world.until("2026-03-06 17:10")
    clinic.completes("gus", "contingency-plan")
    gus = record.enrolment("gus")
    assert (gus.stage, gus.unmet) == ("awaiting-first-contact", {"responsibility-accepted"})
    for person in ("gus", "wanda"):
        clinic.completes(person, "first-contact")
    gus, wanda = record.enrolment("gus"), record.enrolment("wanda")
    assert (gus.stage, gus.status) == ("awaiting-first-contact", "active")
    assert (wanda.stage, wanda.status) == ("engaged", "completed")
    assert {f"gate-waived {gate}" for gate in GATES} <= set(wanda.variances)
    assert wanda.variances["gate-waived intake-reviewed"] == "Agreed by telephone: intake-reviewed"
    clinic.completes("gus", "accept-responsibility")
    assert record.enrolment("gus").stage == "engaged"


def test_risk_decides_how_soon_a_refused_booking_is_escalated_and_another_service_takes_over(
    world: World,
) -> None:
    clinic, record = world.clinic, world.record
    for person in ("rita", "tina", "rolf"):
        world.hospital.ends_crisis_contact(person)
    for person in ("tina", "rolf"):
        world.hospital.assesses_risk(person, "moderate")
    world.until("2026-03-06 16:40")
    for person in ("rita", "tina", "rolf"):
        clinic.completes(person, "crisis-handover", "tell-person")
        clinic.accepts(person, "contingency-plan", "first-contact")
        found = {"recommended-pathway": "re-route" if person == "rolf" else "outpatient"}
        clinic.completes(person, "intake-review", records=found)
    world.until("2026-03-06 16:50")
    clinic.accepts("rita", "book-appointment")
    clinic.accepts("rolf", "book-appointment", "confirm-re-route")

    def rita_is_due() -> list[str]:
        return [
            record.follow_up("rita", task).due
            for task in ("book-appointment", "contingency-plan", "first-contact")
        ]

    assert rita_is_due() == ["Sat 07 04:30", "Sat 07 04:30", "Sat 07 16:30"]  # no level counts as high

    # Tina: intake cannot book in time and says so. The supervisor plans interim support and takes the booking on.
    clinic.rejects("tina", "book-appointment", "No appointment before Thursday")
    refusal = record.escalation("tina", "book-appointment/1/refusal")
    assert refusal.told == [("Fri 06 16:50", "Sam Whitlock", "urgent")]
    assert refusal.support[0].startswith("Plan interim support until the appointment")
    asked = record.follow_up("tina", "book-appointment")
    assert (asked.occurrence, asked.owner, asked.due) == (2, "Sam Whitlock", "Sat 07 16:30")

    world.until("2026-03-06 17:00")
    clinic.accepts("tina", "book-appointment")
    assert record.escalation("tina", "book-appointment/1/refusal").status == "completed"
    world.hospital.assesses_risk("rita", "moderate")
    assert rita_is_due() == ["Sat 07 16:30", "Sat 07 16:30", "Mon 09 17:30"]
    rolf = record.enrolment("rolf")
    assert (rolf.stage, rolf.status) == ("intake-review", "active")  # until the other service has accepted
    assert record.follow_up("rolf", "confirm-re-route").owner == "Ines Marchetti"

    world.until("2026-03-06 18:00")
    world.hospital.assesses_risk("rita", "low")
    assert rita_is_due() == ["Mon 09 17:30", "Mon 09 17:30", "Fri 13 23:59"]
    clinic.completes("rolf", "confirm-re-route")
    rolf = record.enrolment("rolf")
    assert (rolf.stage, rolf.status) == ("re-routed", "completed")
    assert (
        record.follow_up("rolf", "first-contact").why_closed
        == "the pathway ended: Re-routed to another service"
    )

    world.until("2026-03-06 19:00")
    world.hospital.assesses_risk("rita", "high")
    assert rita_is_due() == ["Sat 07 04:30", "Sat 07 04:30", "Sat 07 16:30"]
    world.until("2026-03-06 19:10")
    world.hospital.admits("rita")  # to a psychiatric bed: the hospital has her now
    rita = record.enrolment("rita")
    assert (rita.stage, rita.status, record.open_follow_ups("rita")) == ("re-routed", "completed", set())


def test_a_first_contact_that_does_not_come_about_brings_outreach_and_is_offered_again(world: World) -> None:
    clinic, record = world.clinic, world.record
    people = ("mo", "una", "lea")
    for person in people:
        world.hospital.ends_crisis_contact(person)
        world.hospital.assesses_risk(person, "moderate")
    world.until("2026-03-06 16:40")
    for person in people:
        clinic.completes(person, "crisis-handover", "tell-person", "intake-review", "contingency-plan")
        clinic.accepts(person, "first-contact")
        world.hospital.books(person)
    world.until("2026-03-06 16:50")
    for person in people:
        clinic.completes(person, "accept-responsibility")
        assert record.enrolment(person).stage == "awaiting-first-contact"

    world.until("2026-03-07 10:00")
    world.hospital.books("mo", status="noshow", start=world.now())
    outreach = record.follow_up("mo", "outreach")
    assert (outreach.status, outreach.priority, outreach.due) == ("requested", "asap", "Sun 08 11:00")
    assert record.follow_up("mo", "first-contact").status == "accepted"
    world.until("2026-03-07 10:10")
    for person in ("mo", "una"):
        clinic.fails(person, "first-contact")
        assert record.follow_up(person, "outreach").status == "requested"
        assert record.escalations(person) == {}
    world.until("2026-03-07 10:20")
    for person in ("mo", "una"):
        clinic.completes(person, "outreach", records={"barriers-to-attendance": "no car, comes by video"})

    world.until("2026-03-08 11:10")  # 24 elapsed hours; clocks have gone forward
    again = record.follow_up("mo", "first-contact")
    assert (again.occurrence, again.status, again.due) == (2, "requested", "Mon 09 11:10")
    world.until("2026-03-08 11:20")
    clinic.completes("mo", "first-contact")
    mo = record.enrolment("mo")
    assert (mo.stage, mo.status, record.escalations("mo")) == ("engaged", "completed", {})
    clinic.fails("una", "first-contact")
    world.until("2026-03-09 11:20")
    assert record.follow_up("una", "first-contact").occurrence == 3
    world.until("2026-03-09 11:30")
    clinic.fails("una", "first-contact")  # the third time
    unreachable = "first-contact/3/unreachable"
    assert record.escalation("una", unreachable).told == [("Mon 09 11:30", "Sam Whitlock", "urgent")]
    world.until("2026-03-09 15:30")
    assert record.escalation("una", unreachable).told[1] == ("Mon 09 15:30", "Kofi Asante", "asap")

    world.until("2026-03-09 17:30")  # 72 hours
    late = record.escalation("lea", "first-contact/1/completion")
    assert late.told == [("Mon 09 17:30", "Sam Whitlock", "urgent")]
    assert record.follow_up("lea", "outreach").status == "requested"
    world.until("2026-03-09 18:00")
    clinic.completes("lea", "first-contact")
    lea = record.enrolment("lea")
    assert (lea.stage, lea.status) == ("engaged", "completed")
    assert "completed-late first-contact/1" in lea.variances
    assert record.follow_up("lea", "outreach").status == "cancelled"
    assert record.escalation("lea", "first-contact/1/completion").status == "completed"

    world.until("2026-03-10 11:30")
    assert record.escalation("una", unreachable).told[2] == ("Tue 10 11:30", "Dara Quill", "stat")
    assert record.enrolment("una").status == "active"
