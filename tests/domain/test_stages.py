"""Where the person is: stages by evidence, gates that hold the stage and never the care, required fields."""

from __future__ import annotations

from dataclasses import replace

from service.domain.evidence import Recorded, Waived
from service.domain.needs import OnField, OnStage, TaskState
from service.domain.pathway import Gate, IfUnmet, RequiredField
from service.domain.vocabulary import FieldId, Reference, RoleId, StageId
from tests.domain.an_imaginary_record import World, edited, world
from tests.domain.builders import (
    CLINICIAN,
    CONTACT,
    ENROLMENT,
    NOW,
    STABLE,
    SUPERVISOR,
    discharge,
    fact,
    gate,
    hours,
    in_record,
    later,
    on_task,
    pathway,
    record,
    stage,
    task,
)

CONTACTED = in_record("Communication", topic="contact")
BOOKED = in_record("Appointment", status="booked")
COORDINATING = stage("coordinating", task("book"), enter=(CONTACTED,))
HANDED_OVER = stage("handed-over", task("summary"), enter=(BOOKED,))
STAGES = (stage("received", task("contact")), COORDINATING, HANDED_OVER, STABLE)
CONSENT = gate("consent", "coordinating", in_record("Consent"), waived_by=(RoleId("supervisor"),))


def living(*gates: Gate, facts=(), stages=STAGES, **more) -> World:
    return world(pathway(*stages, gates=gates, **more), record(discharge(), *facts), NOW)


def contact(at=NOW):
    return fact("Communication", "c", at, topic="contact")


def booking(at=NOW):
    return fact("Appointment", "a", at, status="booked")


def stable(at=NOW):
    return fact("Observation", "s", at, says="stable")


def went(life: World) -> list[tuple[str, object]]:
    return [(entry.stage, entry.entered_at) for entry in life.enrolment.history]


def test_the_first_stage_is_entered_when_the_trigger_happened():
    assert went(living()) == [("received", NOW)]


def test_a_stage_is_entered_when_its_evidence_happened_and_not_when_it_was_read():
    life = living().passes(hours=20).told(contact(later(hours=3)))

    assert went(life) == [("received", NOW), ("coordinating", later(hours=3))]
    assert (life.enrolment.stage, life.enrolment.reached) == ("coordinating", "coordinating")


def test_stages_that_passed_quickly_still_count():
    life = living().passes(hours=20).told(contact(later(hours=3)), booking(later(hours=5)))

    assert went(life) == [
        ("received", NOW),
        ("coordinating", later(hours=3)),
        ("handed-over", later(hours=5)),
    ]


def test_a_stage_may_be_skipped_and_its_follow_ups_are_still_owed():
    life = living(facts=[booking()])

    assert [name for name, _ in went(life)] == ["received", "handed-over"]
    assert set(life.follow_ups()) == {"contact/1", "book/1", "summary/1"}


def test_nobody_goes_back_when_evidence_is_corrected():
    life = living(facts=[contact()]).told(replace(contact(), void=True))

    assert life.enrolment.stage == "coordinating"


def test_what_happened_before_the_enrolment_counts_only_where_the_pathway_says_ever():
    before = later(days=-30)
    assert living(facts=[contact(before)]).enrolment.stage == "received"

    ever = replace(COORDINATING, enter=(replace(CONTACTED, ever=True),))
    life = living(facts=[contact(before)], stages=(STAGES[0], ever, STABLE))
    assert life.enrolment.stage == "coordinating"
    assert went(life)[-1] == ("coordinating", NOW), "nobody enters a stage before the enrolment"


# --- gates ---


def test_a_gate_holds_the_stage_and_never_the_care():
    life = living(CONSENT, facts=[contact()])

    assert (life.enrolment.stage, life.enrolment.reached) == ("received", "coordinating")
    assert life.enrolment.unmet_gates == ("consent",)
    assert "book/1" in life.follow_ups()


def test_a_gate_that_is_fulfilled_lets_the_person_in_at_that_moment():
    life = living(CONSENT, facts=[contact()]).passes(hours=9)
    life.told(fact("Consent", "k", later(hours=8)))

    assert went(life)[-1] == ("coordinating", later(hours=8))
    assert life.enrolment.unmet_gates == ()
    assert life.variances() == []


def test_a_gate_fulfilled_beforehand_delays_nothing():
    life = living(CONSENT, facts=[fact("Consent", "k", NOW)]).passes(hours=2)

    assert went(life.told(contact(later(hours=1))))[-1] == ("coordinating", later(hours=1))


def test_skipping_a_stage_does_not_skip_its_gate():
    life = living(CONSENT, facts=[booking()])

    assert (life.enrolment.stage, life.enrolment.reached) == ("received", "handed-over")
    assert set(life.follow_ups()) == {"contact/1", "book/1", "summary/1"}


def waive(life: World, by, reason: str = "seen in person") -> World:
    waived = Waived(gate="consent", reason=reason, by=by.reference, roles=by.roles, at=life.now)
    life.record = edited(life.record, f"{ENROLMENT}/contact/1", waived=(waived,))
    return life.wake()


def test_a_gate_waived_by_the_right_role_opens_with_a_variance():
    life = waive(living(CONSENT, facts=[contact()]).passes(hours=1), SUPERVISOR)

    assert went(life)[-1] == ("coordinating", later(hours=1))
    (variance,) = life.enrolment.variances
    assert (variance.kind.value, variance.subject, variance.reason) == (
        "gate-waived",
        "consent",
        "seen in person",
    )


def test_a_waiver_without_a_reason_says_so():
    life = waive(living(CONSENT, facts=[contact()]), SUPERVISOR, reason="")

    assert [v.reason for v in life.enrolment.variances] == ["no reason was given"]


def test_a_gate_waived_by_another_role_holds():
    life = waive(living(CONSENT, facts=[contact()]), CLINICIAN)

    assert life.enrolment.stage == "received"
    assert life.enrolment.unmet_gates == ("consent",)
    assert life.variances() == []


def test_a_gate_that_may_be_passed_with_a_variance_is_passed_with_one():
    life = living(replace(CONSENT, if_unmet=IfUnmet.PROCEED), facts=[contact()])

    assert life.enrolment.stage == "coordinating"
    (variance,) = life.enrolment.variances
    assert (variance.kind.value, variance.subject) == ("gate-unmet", "consent")
    assert variance.reason == "Consent: not yet in the record when the next stage came about"


def test_the_variance_stays_when_the_gate_is_fulfilled_later():
    life = living(replace(CONSENT, if_unmet=IfUnmet.PROCEED), facts=[contact()]).passes(hours=1)
    life.told(fact("Consent", "k", later(hours=1)))

    assert life.variances() == [("gate-unmet", "consent")]


def test_a_gate_applies_only_when_its_condition_says_so():
    high = in_record("RiskAssessment", level="high")
    review = gate("review", "coordinating", in_record("Consent"), applies_when=(high,))

    assert living(review, facts=[contact()]).enrolment.stage == "coordinating"

    held = living(review, facts=[contact(), fact("RiskAssessment", "r", NOW, level="high")])
    assert held.enrolment.stage == "received"
    assert held.enrolment.unmet_gates == ("review",)


def test_a_gate_may_ask_for_the_state_of_a_follow_up():
    accepted = gate("receipt", "coordinating", on_task("contact", TaskState.ACCEPTED))
    life = living(accepted, facts=[])
    life.told(booking())
    assert life.enrolment.stage == "received"

    assert life.set("contact", "accepted").enrolment.stage == "handed-over"


def test_gates_further_ahead_are_told_before_they_hold():
    later_gate = gate("summary-sent", "handed-over", in_record("DocumentReference"))

    assert living(CONSENT, later_gate).enrolment.unmet_gates == ("consent", "summary-sent")


# --- the end ---


def test_the_end_completes_the_enrolment_and_withdraws_what_is_open_with_the_reason():
    life = living().passes(hours=5).told(stable(later(hours=5)))

    assert life.enrolment.status.value == "completed"
    assert life.enrolment.ended_reason == "Stable"
    assert life.follow_ups() == {"contact/1": "cancelled"}
    assert life.follow_up("contact").reason == "the pathway ended: Stable"
    assert life.escalations() == {"contact/1/acceptance": ("completed", 1)}
    assert [r.status.value for r in life.escalation("contact/1/acceptance").rungs] == ["cancelled"]
    assert life.next_due_at() is None


def test_nothing_is_decided_about_an_enrolment_that_has_ended():
    life = living().told(stable())
    count = len(life.decided)

    life.passes(days=30)

    assert len(life.decided) == count


def test_what_the_record_shows_as_done_is_completed_by_the_end_and_not_cancelled():
    stages = (stage("received", CONTACT), STABLE)
    life = living(stages=stages).passes(hours=5).told(stable(later(hours=5)), contact(later(hours=4)))

    assert life.follow_ups()["contact/1"] == "completed"


def test_a_late_completion_that_brings_the_end_about_still_leaves_its_variance():
    end = replace(STABLE, enter=(on_task("contact", TaskState.COMPLETED),))
    life = living(stages=(stage("received", CONTACT), end)).set("contact", "accepted").passes(hours=80)
    life.set("contact", "completed")

    assert life.enrolment.status.value == "completed"
    assert life.variances() == [("completed-late", "contact/1")]


def test_the_end_has_come_about_in_the_world_so_gates_on_the_way_become_variances():
    life = living(CONSENT).told(stable())

    assert life.enrolment.status.value == "completed"
    assert life.variances() == [("gate-unmet", "consent")]


def test_a_gate_of_the_end_itself_keeps_it_closed_and_the_care_going():
    reviewed = gate("reviewed", "stable", in_record("Composition"))
    life = living(reviewed).told(stable())
    assert (life.enrolment.status.value, life.enrolment.stage) == ("active", "received")
    assert life.enrolment.reached == "stable"
    assert "summary/1" in life.follow_ups()

    life.passes(hours=1).told(fact("Composition", "r", later(hours=1)))

    assert life.enrolment.status.value == "completed"
    assert went(life)[-1] == ("stable", later(hours=1))


def test_of_two_ends_the_one_that_came_about_counts():
    rerouted = stage("re-routed", enter=(in_record("ServiceRequest"),), final=True)
    life = living(stages=(*STAGES, rerouted)).told(fact("ServiceRequest", "elsewhere", NOW))

    assert life.enrolment.stage == "re-routed"
    assert life.enrolment.status.value == "completed"


# --- required fields ---

CONSENTED = RequiredField(
    id=FieldId("consent"), title="Consent", needs=(in_record("Consent"),), ask=RoleId("lead")
)
RISK = RequiredField(id=FieldId("risk"), title="Risk", needs=(), ask=RoleId("clinician"))
DIAGNOSIS = RequiredField(
    id=FieldId("diagnosis"), title="Diagnosis", needs=(in_record("Condition"),), ask=RoleId("lead"),
    where_available=True,
)  # fmt: skip


def test_missing_fields_are_told_by_name_in_the_order_of_the_file():
    life = living(required=(CONSENTED, RISK, DIAGNOSIS))

    assert life.enrolment.missing == ("consent", "risk", "diagnosis")


def test_a_field_is_there_when_the_record_holds_it_or_somebody_recorded_it():
    life = living(required=(CONSENTED, RISK, DIAGNOSIS), facts=[fact("Consent", "k", NOW)])
    said = Recorded(field=FieldId("risk"), value="moderate", at=NOW, source=Reference("Task/x"))
    life.record = edited(life.record, f"{ENROLMENT}/contact/1", recorded=(said,))

    assert life.wake().enrolment.missing == ("diagnosis",)


def test_what_was_recorded_on_a_task_entered_in_error_does_not_count():
    life = living(required=(RISK,))
    said = Recorded(field=FieldId("risk"), value="moderate", at=NOW, source=Reference("Task/x"))
    life.record = edited(life.record, f"{ENROLMENT}/contact/1", recorded=(said,))

    assert life.set("contact", "entered-in-error").enrolment.missing == ("risk",)


def test_a_missing_field_holds_nothing_unless_a_gate_asks_for_it():
    asked = gate("risk-known", "coordinating", OnField(field=FieldId("risk")))

    assert living(required=(RISK,), facts=[contact()]).enrolment.stage == "coordinating"
    assert living(asked, required=(RISK,), facts=[contact()]).enrolment.stage == "received"


def test_a_gate_may_wait_for_a_stage_and_a_follow_up_for_it_too():
    after = task("review", opens_when=(OnStage(stage=StageId("coordinating")),))
    life = living(stages=(stage("received", CONTACT, after), COORDINATING, STABLE))
    assert "review/1" not in life.follow_ups()

    assert "review/1" in life.passes(hours=1).told(contact(later(hours=1))).follow_ups()
    assert life.follow_up("review").opened_at == later(hours=1)
    assert life.follow_up("review").complete_by == later(hours=72)
    assert hours(72) == after.due_in.otherwise
