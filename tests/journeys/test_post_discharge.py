"""Post-discharge coordination, lived through: from the ward to stable community care, with every gate on the way."""

from __future__ import annotations

from service.fhir.systems import BASE
from tests.builders import coded
from tests.journeys.hospital import AGAINST_ADVICE, CONTACT_KIND, ICD_10_CM, SERVICE_TYPE
from tests.journeys.world import World

SELF_HARM = (ICD_10_CM, "X78.9XXA")
BEFORE_STABLE = {"medication-needs-reviewed", "barriers-addressed"}
GATES = {
    "receipt-confirmed",
    "person-outreach",
    "appointment-verification",
    "unreached-escalated",
} | BEFORE_STABLE


def test_a_stay_ends_on_friday_and_the_person_is_stable_in_community_care_on_thursday(world: World) -> None:
    clinic, record = world.clinic, world.record
    world.hospital.discharges(
        "ada", class_="NONAC", reason=None, serviceType=coded(SERVICE_TYPE, "140"), serviceProvider=None
    )
    ada = record.enrolment("ada")
    assert ada.plan["instantiatesCanonical"] == [
        f"{BASE}/PlanDefinition/post-discharge-coordination|2026.1.0"
    ]
    assert (ada.stage, ada.status, ada.unmet) == ("discharge-received", "active", GATES)
    assert ada.missing == {
        "inpatient-facility", "discharge-diagnosis", "medication-plan", "safety-plan-status", "follow-up-appointments",
        "community-support-needs", "contact-attempts", "accountable-pathway-lead", "current-risk-level",
    }  # fmt: skip
    assert {"Inpatient facility", "Medication plan", "Contact attempts"} <= set(ada.words.splitlines())
    assert {task: (f.owner, f.due) for task, f in record.follow_ups("ada").items()} == {
        "confirm-receipt/1": ("Tess Okafor", "Mon 09 12:00"),
        "review-discharge-plan/1": ("Tess Okafor", "Mon 09 17:00"),
        "contact-person/1": ("Tess Okafor", "Mon 09 17:30"),  # 72 elapsed hours; clocks go forward on Sunday
        "confirm-appointments/1": ("Tess Okafor", "Mon 09 17:30"),
        "check-medication-access/1": ("Tess Okafor", "Mon 09 17:30"),
        "review-clinical-needs/1": ("Omar Lindqvist", "Mon 09 17:30"),
        "arrange-practical-support/1": ("Cora Benitez", "Fri 13 23:59"),
        "first-appointment/1": ("Omar Lindqvist", "Fri 13 23:59"),
    }

    world.until("2026-03-06 16:40")
    found = {
        "inpatient-facility": "North Valley Hospital",
        "discharge-diagnosis": "depression",
        "accountable-pathway-lead": "Lena Hofstad",
    }
    clinic.completes("ada", "confirm-receipt", records=found)
    ada = record.enrolment("ada")
    assert (ada.stage, ada.unmet) == ("outreach", GATES - {"receipt-confirmed"})
    assert ada.missing.isdisjoint(found)
    assert "Inpatient facility" not in ada.words

    world.until("2026-03-09 09:00")
    clinic.accepts_all_but("ada", "review-discharge-plan")
    found = {"current-risk-level": "low", "medication-plan": "14 days supplied", "safety-plan-status": "made"}
    clinic.completes("ada", "review-discharge-plan", records=found)
    assert record.enrolment("ada").missing == {
        "follow-up-appointments",
        "community-support-needs",
        "contact-attempts",
    }
    assert record.follow_up("ada", "review-clinical-needs").due == "Wed 11 23:59"  # low risk gives five days

    world.until("2026-03-09 10:30")
    clinic.completes("ada", "contact-person", records={"contact-attempts": "1"})
    ada = record.enrolment("ada")
    assert (ada.stage, ada.reached) == ("outreach", "appointments-verified")
    assert ada.unmet == {"appointment-verification"} | BEFORE_STABLE

    world.until("2026-03-09 11:00")
    clinic.completes("ada", "confirm-appointments", records={"follow-up-appointments": "Thursday, 10:00"})
    assert record.enrolment("ada").stage == "appointments-verified"

    world.until("2026-03-09 11:30")
    clinic.completes("ada", "check-medication-access")
    ada = record.enrolment("ada")
    assert (ada.stage, ada.unmet) == ("coordinating", {"barriers-addressed"})

    world.until("2026-03-10 10:00")
    clinic.completes("ada", "review-clinical-needs")
    clinic.completes("ada", "arrange-practical-support", records={"community-support-needs": "none"})
    ada = record.enrolment("ada")
    assert (ada.unmet, ada.missing) == (set(), set())

    world.until("2026-03-12 11:00")
    world.hospital.books("ada", status="fulfilled", start=world.now())
    assert record.follow_up("ada", "first-appointment").status == "completed"
    deciding = record.follow_up("ada", "decide-stable")
    assert (deciding.status, deciding.owner, deciding.due) == ("requested", "Lena Hofstad", "Sun 05 23:59")

    world.until("2026-03-12 12:00")
    clinic.completes("ada", "decide-stable")
    ada = record.enrolment("ada")
    assert (ada.status, ada.stage) == ("completed", "stable")
    assert ada.stages == ["discharge-received", "outreach", "appointments-verified", "coordinating", "stable"]
    assert ada.ended_because == "Stable in community care"
    assert (ada.variances, record.open_follow_ups("ada"), record.escalations("ada")) == ({}, set(), {})
    assert len(record.provenance("ada")) == ada.revision


def test_each_gate_holds_its_stage_until_it_is_met_or_the_supervisor_waives_it(world: World) -> None:
    clinic, record = world.clinic, world.record
    world.hospital.discharges("gil")
    world.hospital.discharges("hana", reason=SELF_HARM)
    world.hospital.discharges("wes", disposition=AGAINST_ADVICE)
    for higher_risk in ("hana", "wes"):
        assert record.enrolment(higher_risk).unmet == GATES | {"supervisor-reviewed"}
        assert record.follow_up(higher_risk, "contact-person").due == "Sun 08 17:30"  # 48 hours
        assert record.follow_up(higher_risk, "supervisor-review").owner == "Sam Whitlock"
    assert "supervisor-review/1" not in record.follow_ups("gil")

    world.until("2026-03-06 16:40")
    for person in ("gil", "hana", "wes"):
        clinic.accepts_all_but(person)
    world.until("2026-03-06 16:50")
    clinic.completes("gil", "confirm-appointments")
    gil = record.enrolment("gil")
    assert (gil.stage, gil.reached) == ("discharge-received", "appointments-verified")
    assert "receipt-confirmed" in gil.unmet
    clinic.waives("wes", "confirm-appointments", "receipt-confirmed", "It will come on Monday")
    wes = record.enrolment("wes")
    assert (wes.stage, wes.variances) == ("discharge-received", {})  # a coordinator has no say over this gate

    world.until("2026-03-06 17:00")
    clinic.completes("gil", "confirm-receipt")
    gil = record.enrolment("gil")
    assert (gil.stage, "person-outreach" in gil.unmet) == ("outreach", True)
    clinic.waives("wes", "supervisor-review", "receipt-confirmed", "The ward told me by telephone")
    wes = record.enrolment("wes")
    assert (wes.stage, wes.unmet) == ("outreach", (GATES | {"supervisor-reviewed"}) - {"receipt-confirmed"})
    assert wes.variances == {"gate-waived receipt-confirmed": "The ward told me by telephone"}
    assert "The ward told me by telephone" in wes.words

    world.until("2026-03-06 17:10")
    clinic.fails("gil", "contact-person", records={"contact-attempts": "17:10, no answer"})
    gil = record.enrolment("gil")
    assert (gil.stage, "unreached-escalated" in gil.unmet) == ("appointments-verified", True)
    clinic.completes("hana", "confirm-receipt", "contact-person", "confirm-appointments", "first-appointment")
    clinic.completes("hana", "check-medication-access", "review-clinical-needs", "arrange-practical-support")
    clinic.completes("wes", "first-appointment", "review-clinical-needs")
    assert record.enrolment("hana").unmet == {"supervisor-reviewed"}

    world.until("2026-03-06 17:20")
    clinic.completes("gil", "review-clinical-needs")
    assert (
        record.enrolment("gil").stage == "appointments-verified"
    )  # not reached, and that not escalated either
    clinic.completes("hana", "decide-stable")
    assert record.enrolment("hana").stage == "coordinating"
    still = sorted(record.enrolment("wes").unmet)
    for gate in still:
        world.time_passes(seconds=1)
        clinic.waives("wes", "supervisor-review", gate, f"Agreed with the team: {gate}")
    wes = record.enrolment("wes")
    assert (wes.stage, wes.unmet) == ("coordinating", set())
    assert {
        f"gate-waived {gate}" for gate in still if gate not in BEFORE_STABLE | {"supervisor-reviewed"}
    } <= set(wes.variances)

    world.until("2026-03-06 17:30")
    clinic.completes("hana", "supervisor-review")
    clinic.completes("wes", "decide-stable")
    for person in ("hana", "wes"):
        ended = record.enrolment(person)
        assert (ended.status, ended.stage, record.open_follow_ups(person)) == ("completed", "stable", set())
    assert set(record.enrolment("wes").variances) == {
        f"gate-waived {gate}" for gate in GATES | {"supervisor-reviewed"}
    }

    world.until("2026-03-07 17:10")  # a day after the attempt, the contact is asked for again
    again = record.follow_up("gil", "contact-person")
    assert (again.occurrence, again.status, again.due) == (2, "requested", "Sun 08 18:10")
    world.until("2026-03-07 17:20")
    clinic.completes("gil", "contact-person")
    assert record.enrolment("gil").stage == "coordinating"
    world.until("2026-03-09 09:00")
    clinic.completes("gil", "first-appointment")
    world.until("2026-03-09 09:10")
    clinic.completes("gil", "decide-stable")
    gil = record.enrolment("gil")
    assert (gil.stage, gil.reached, gil.unmet) == ("coordinating", "stable", BEFORE_STABLE)
    world.until("2026-03-09 09:20")
    clinic.completes("gil", "check-medication-access")
    assert record.enrolment("gil").unmet == {"barriers-addressed"}
    world.until("2026-03-09 09:30")
    clinic.completes("gil", "arrange-practical-support")
    gil = record.enrolment("gil")
    assert (gil.stage, gil.status, gil.unmet) == ("stable", "completed", set())


def test_one_call_is_refused_one_comes_late_and_one_person_cannot_be_reached(world: World) -> None:
    clinic, record = world.clinic, world.record
    paperwork = (
        "confirm-receipt", "review-discharge-plan", "confirm-appointments", "check-medication-access", "review-clinical-needs",
    )  # fmt: skip
    world.hospital.names_care_team("rae", toby="transition-coordinator", lena="pathway-lead")
    for person in ("rae", "lou", "una"):
        world.hospital.discharges(person)
    # Who is named around the person comes before who has the role at the clinic.
    assert record.follow_up("rae", "contact-person").task["owner"]["reference"] == "Practitioner/toby"
    assert (
        record.follow_up("lou", "contact-person").task["owner"]["reference"] == "PractitionerRole/tess-role"
    )
    assert "accountable-pathway-lead" not in record.enrolment("rae").missing
    world.until("2026-03-06 16:40")
    for person in ("rae", "lou", "una"):
        clinic.completes(person, *paperwork)
        clinic.accepts(person, "arrange-practical-support", "first-appointment")
    clinic.accepts("lou", "contact-person")
    clinic.accepts("una", "contact-person")

    # Rae: refused, so somebody else is asked and the lead is told, until the other one takes it on.
    clinic.rejects("rae", "contact-person", "On leave from tomorrow")
    asked = record.follow_up("rae", "contact-person")
    assert (asked.occurrence, asked.status, asked.owner) == (2, "requested", "Tess Okafor")
    refusal = record.escalation("rae", "contact-person/1/refusal")
    assert (refusal.status, refusal.told) == ("active", [("Fri 06 16:40", "Lena Hofstad", "urgent")])
    assert refusal.support[0].startswith("Try another number")
    world.until("2026-03-06 16:50")
    clinic.accepts("rae", "contact-person")
    assert record.escalation("rae", "contact-person/1/refusal").status == "completed"
    [response] = record.responses("rae", "contact-person/1/refusal")
    assert (response.owner, response.status) == ("Lena Hofstad", "cancelled")
    assert "accepted by another owner" in response.why_closed
    clinic.fails("una", "contact-person", records={"contact-attempts": "Friday 16:50, no answer"})
    assert record.escalations("una") == {}

    # Una: three attempts a day apart; only then does she count as unreachable, and every rung follows in its time.
    world.until("2026-03-07 16:50")
    assert record.follow_up("una", "contact-person").occurrence == 2
    world.until("2026-03-07 17:10")
    clinic.fails("una", "contact-person")
    world.until("2026-03-08 18:09")  # 24 elapsed hours; clocks have gone forward
    assert record.follow_up("una", "contact-person").status == "failed"
    world.until("2026-03-08 18:10")
    assert record.follow_up("una", "contact-person").occurrence == 3
    world.until("2026-03-08 18:30")
    clinic.fails("una", "contact-person")
    assert record.escalation("una", "contact-person/3/unreachable").told == [
        ("Sun 08 18:30", "Lena Hofstad", "urgent")
    ]
    assert (
        record.enrolment("una").stage == "coordinating"
    )  # not reached, but escalated: coordination may go on
    world.until("2026-03-08 22:30")
    world.record.escalation("una", "contact-person/3/unreachable")

    # Lou: the call is due on Monday at 17:30, and comes half an hour later.
    world.until("2026-03-09 17:30")
    late = record.escalation("lou", "contact-person/1/completion")
    assert late.told == [("Mon 09 17:30", "Lena Hofstad", "urgent")]
    assert record.follow_up("lou", "contact-person").standing == "overdue"
    world.until("2026-03-09 18:00")
    clinic.completes("lou", "contact-person")
    assert record.escalation("lou", "contact-person/1/completion").status == "completed"
    assert record.responses("lou", "contact-person/1/completion")[0].status == "cancelled"
    lou = record.enrolment("lou")
    assert lou.variances == {"completed-late contact-person/1": "Reach the person: done after its time"}

    world.until("2026-03-09 18:30")
    assert record.escalation("una", "contact-person/3/unreachable").told == [
        ("Sun 08 18:30", "Lena Hofstad", "urgent"),
        ("Sun 08 22:30", "Sam Whitlock", "asap"),
        ("Mon 09 18:30", "Kofi Asante", "stat"),
    ]
    assert record.follow_up("una", "contact-person").occurrence == 3

    world.until("2026-03-09 19:00")  # she calls back
    patient = {"reference": "Patient/una"}
    world.hospital.records(
        "una",
        "Communication",
        "calls-back",
        status="completed",
        category=[coded(CONTACT_KIND, "follow-up-contact")],
        sender=patient,
        sent=world.now().isoformat(),
    )
    assert record.escalation("una", "contact-person/3/unreachable").status == "completed"
