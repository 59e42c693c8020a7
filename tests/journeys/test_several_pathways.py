"""All shipped pathways in use at once: a crisis begins several, of which one lead answers, and nobody is asked twice."""

from __future__ import annotations

from tests.builders import a_service_request, coded
from tests.journeys.hospital import SNOMED
from tests.journeys.record import (
    CRISIS,
    STABILIZATION,
    STEP_DOWN_AFTER_CRISIS,
    WARM_HANDOFF,
)
from tests.journeys.world import World

HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
STABILIZATION_PER_DIEM = (HCPCS, "S9485")
MENTAL_HEALTH_TEAM = (SNOMED, "390866009")
AT_FIRST = {
    # The handover serves all three pathways, the acceptance and the first contact as well.
    STEP_DOWN_AFTER_CRISIS: {
        "hand-over/1", "accept-responsibility/1", "first-contact/1", "review-crisis-plan/1", "agree-triggers/1",
    },
    CRISIS: {"tell-person/1", "intake-review/1", "contingency-plan/1"},
    # The appointment is booked for both.
    WARM_HANDOFF: {"confirm-consent-and-contact/1", "book-touchpoint/1", "reconcile-medication/1"},
}  # fmt: skip


def test_after_an_emergency_visit_three_pathways_run_one_lead_answers_and_nothing_is_asked_twice(
    world: World,
) -> None:
    clinic, record = world.clinic, world.record
    world.hospital.ends_crisis_contact("petra")
    world.hospital.assesses_risk("petra", "moderate")
    assert record.asked("petra") == AT_FIRST
    assert _leads(world, "petra") == {
        STEP_DOWN_AFTER_CRISIS: ("Kofi Asante", "Kofi Asante"),
        CRISIS: ("Omar Lindqvist", "Kofi Asante"),
        WARM_HANDOFF: ("Tess Okafor", "Kofi Asante"),
    }
    answers = "Accountable for the person as a whole: Kofi Asante"
    assert answers in record.enrolment("petra", CRISIS).words.splitlines()

    # One handover moves all on: the acceptance hands the lead over, and the summary is routed.
    world.until("2026-03-06 16:50")
    found = {"contact-preference": "text", "safety-plan-status": "made with her"}
    clinic.completes("petra", "hand-over", records=found)
    clinic.completes("petra", "accept-responsibility")
    assert {accountable for _, accountable in _leads(world, "petra").values()} == {"Mona Vasquez"}
    for pathway in (CRISIS, STEP_DOWN_AFTER_CRISIS):
        assert not found.keys() & record.enrolment("petra", pathway).missing
    assert record.follow_up("petra", "route-summary").owner == "Tess Okafor"

    world.until("2026-03-06 17:20")
    clinic.completes("petra", "tell-person", "intake-review", "contingency-plan")
    clinic.completes("petra", "route-summary", "reconcile-medication")
    agreed = {"consent-status": "active", "contact-details": "mobile telephone"}
    clinic.completes("petra", "confirm-consent-and-contact", records=agreed)
    world.hospital.books("petra")
    world.until("2026-03-06 17:30")
    clinic.completes("petra", "clinician-acknowledges", "coordinator-acknowledges")
    clinic.completes("petra", "review-crisis-plan", "agree-triggers")
    clinic.accepts("petra", "first-contact")
    assert record.asked("petra") == {STEP_DOWN_AFTER_CRISIS: {"first-contact/1"}}
    assert record.enrolment("petra", CRISIS).stage == "awaiting-first-contact"
    assert record.enrolment("petra", WARM_HANDOFF).stage == "handed-over"

    # The contact fails: one person reaches out, for all three.
    world.until("2026-03-07 11:00")
    clinic.fails("petra", "first-contact")
    assert record.asked("petra") == {STEP_DOWN_AFTER_CRISIS: {"outreach/1"}}
    world.until("2026-03-07 11:10")
    clinic.completes("petra", "outreach")

    # A day later it is asked for again, once. It is the first contact of all three: two end with it, one goes on.
    world.until("2026-03-08 12:00")  # 24 elapsed hours; clocks have gone forward
    assert record.asked("petra") == {STEP_DOWN_AFTER_CRISIS: {"first-contact/2"}}
    world.until("2026-03-08 12:10")
    clinic.completes("petra", "first-contact")
    assert {e.identifier.split("/")[0]: (e.status, e.reached) for e in record.enrolments("petra")} == {
        CRISIS: ("completed", "engaged"),
        WARM_HANDOFF: ("completed", "followed-up"),
        STEP_DOWN_AFTER_CRISIS: ("active", "stabilisation"),
    }
    assert record.escalations("petra") == {}


def test_a_stabilization_stay_takes_over_what_the_emergency_visit_began(world: World) -> None:
    clinic, record = world.clinic, world.record
    world.hospital.ends_crisis_contact("stella")
    assert record.asked("stella") == AT_FIRST
    world.until("2026-03-06 17:00")
    clinic.accepts("stella", "tell-person", "first-contact")

    # Two days later she comes home from a stabilization service, and needs therapy.
    world.until("2026-03-08 09:00")
    therapy = a_service_request(
        "stella-therapy",
        subject={"reference": "Patient/stella"},
        encounter={"reference": "Encounter/stella-stabilization"},
        code=coded(*MENTAL_HEALTH_TEAM),
        authoredOn=world.now().isoformat(),
        meta=None,
    )
    world.hospital.writes(therapy)
    world.hospital.ends_crisis_contact(
        "stella", visit="stabilization", class_="AMB", type=[coded(*STABILIZATION_PER_DIEM)]
    )
    ended = {
        e.identifier: (e.status, e.ended_because) for e in record.enrolments("stella") if e.status != "active"
    }
    assert ended == {
        f"{CRISIS}/Encounter/stella-crisis": ("revoked", "superseded by Crisis stabilization follow-up"),
        f"{WARM_HANDOFF}/Encounter/stella-crisis": (
            "revoked",
            "superseded by Crisis stabilization follow-up",
        ),
        f"{STEP_DOWN_AFTER_CRISIS}/Encounter/stella-crisis": (
            "completed",
            "Another crisis; its own step-down begins",
        ),
    }
    cut_off = {
        name: follow_up.why_closed
        for name, follow_up in record.every_follow_up("stella").items()
        if name.split("/")[2] == "stella-crisis"
    }
    assert set(cut_off.values()) == {f"the pathway ended: {reason}" for _, reason in ended.values()}
    asked = record.asked("stella")
    assert asked.keys() == {STABILIZATION, STEP_DOWN_AFTER_CRISIS}
    assert asked[STEP_DOWN_AFTER_CRISIS] == {"review-crisis-plan/1", "agree-triggers/1"}
    assert {"transition-summary/1", "accept-responsibility/1", "first-appointment/1"} < asked[STABILIZATION]
    running = {e.identifier: e.accountable for e in record.enrolments("stella") if e.status == "active"}
    assert running == {
        f"{STABILIZATION}/Encounter/stella-stabilization": "Lara Dunmore",
        f"{STEP_DOWN_AFTER_CRISIS}/Encounter/stella-stabilization": "Lara Dunmore",
    }


def _leads(world: World, person: str) -> dict[str, tuple[str, str]]:
    """Pathway -> its own lead, and who answers for the person as a whole."""
    return {e.identifier.split("/")[0]: (e.lead, e.accountable) for e in world.record.enrolments(person)}
