"""Everything the two pathways out of hospital and out of crisis promise, typed here by hand, and where it stands.

The lists are the specification as it was agreed; they are not read from the files they judge. YAML is read plainly, so
that a fault of the product's own loader cannot hide here.
"""

from functools import cache

import pytest
import yaml

from tests.mappings.shipped import MAPPINGS

POST_DISCHARGE, CRISIS = "post-discharge-coordination", "crisis-to-outpatient"

STAGES = {
    POST_DISCHARGE: [
        "discharge-received",
        "outreach",
        "appointments-verified",
        "coordinating",
        "stable",
        "back-in-acute-care",
    ],
    CRISIS: [
        "crisis-closed",
        "intake-review",
        "appointment-assigned",
        "awaiting-first-contact",
        "engaged",
        "re-routed",
    ],
}
FINAL = {POST_DISCHARGE: {"stable", "back-in-acute-care"}, CRISIS: {"engaged", "re-routed"}}

REQUIRED_FIELDS = {
    (POST_DISCHARGE, "discharge date"): "discharge-date",
    (POST_DISCHARGE, "inpatient facility"): "inpatient-facility",
    (POST_DISCHARGE, "discharge diagnosis where available"): "discharge-diagnosis",
    (POST_DISCHARGE, "medication plan"): "medication-plan",
    (POST_DISCHARGE, "safety plan status"): "safety-plan-status",
    (POST_DISCHARGE, "follow-up appointments"): "follow-up-appointments",
    (POST_DISCHARGE, "community support needs"): "community-support-needs",
    (POST_DISCHARGE, "contact attempts"): "contact-attempts",
    (POST_DISCHARGE, "accountable pathway lead"): "accountable-pathway-lead",
    (CRISIS, "crisis episode date"): "crisis-episode-date",
    (CRISIS, "presenting concern"): "presenting-concern",
    (CRISIS, "current risk level"): "current-risk-level",
    (CRISIS, "safety plan status"): "safety-plan-status",
    (CRISIS, "recommended pathway"): "recommended-pathway",
    (CRISIS, "outpatient appointment timeframe"): "outpatient-appointment-timeframe",
    (CRISIS, "contact preference"): "contact-preference",
    (CRISIS, "barriers to attendance"): "barriers-to-attendance",
    (CRISIS, "named follow-up owner"): "named-follow-up-owner",
}

GATES = {
    (POST_DISCHARGE, "confirmed receipt of discharge information"): ("receipt-confirmed", "outreach"),
    (POST_DISCHARGE, "person outreach"): ("person-outreach", "appointments-verified"),
    (POST_DISCHARGE, "appointment verification"): ("appointment-verification", "appointments-verified"),
    (POST_DISCHARGE, "escalation done if the person cannot be reached"): (
        "unreached-escalated",
        "coordinating",
    ),
    (POST_DISCHARGE, "higher-risk discharge: supervisor review before stable"): (
        "supervisor-reviewed",
        "stable",
    ),
    (CRISIS, "receiving-team acknowledgment"): ("receiving-team-acknowledged", "intake-review"),
    (CRISIS, "intake review before appointment assignment"): ("intake-reviewed", "appointment-assigned"),
    (CRISIS, "documented person communication"): ("person-communication", "awaiting-first-contact"),
    (CRISIS, "contingency plan for a missed first appointment"): (
        "contingency-planned",
        "awaiting-first-contact",
    ),
    (CRISIS, "unresolved risk stays open until responsibility is accepted"): (
        "responsibility-accepted",
        "engaged",
    ),
}

TASKS = {
    (POST_DISCHARGE, "review the discharge plan"): ("review-discharge-plan", "transition-coordinator"),
    (POST_DISCHARGE, "confirm appointments"): ("confirm-appointments", "transition-coordinator"),
    (POST_DISCHARGE, "contact the person"): ("contact-person", "transition-coordinator"),
    (POST_DISCHARGE, "risk and treatment needs before the first session"): (
        "review-clinical-needs",
        "outpatient-clinician",
    ),
    (POST_DISCHARGE, "transport and benefits"): ("arrange-practical-support", "case-manager"),
    (POST_DISCHARGE, "medication access check"): ("check-medication-access", "transition-coordinator"),
    (POST_DISCHARGE, "confirm receipt"): ("confirm-receipt", "transition-coordinator"),
    (POST_DISCHARGE, "supervisor review of higher risk"): ("supervisor-review", "clinical-supervisor"),
    (CRISIS, "document the crisis for the next team"): ("crisis-handover", "crisis-clinician"),
    (CRISIS, "intake review"): ("intake-review", "outpatient-intake-clinician"),
    (CRISIS, "book the appointment within the timeframe"): (
        "book-appointment",
        "outpatient-intake-clinician",
    ),
    (CRISIS, "first contact"): ("first-contact", "outpatient-clinician"),
    (CRISIS, "outreach if it is missed"): ("outreach", "outpatient-clinician"),
    (CRISIS, "tell the person"): ("tell-person", "crisis-clinician"),
    (CRISIS, "plan for a missed first appointment"): ("contingency-plan", "outpatient-clinician"),
    (CRISIS, "accept responsibility"): ("accept-responsibility", "outpatient-clinician"),
}

ESCALATIONS = {
    (POST_DISCHARGE, "missed contact"): ("contact-person", "missed-contact"),
    (POST_DISCHARGE, "unreachable after the configured attempts"): ("contact-person", "missed-contact"),
    (POST_DISCHARGE, "receipt not confirmed"): ("confirm-receipt", "receipt-not-confirmed"),
    (CRISIS, "the timeframe cannot be met: booking"): ("book-appointment", "timeframe-not-met"),
    (CRISIS, "the timeframe cannot be met: review"): ("intake-review", "timeframe-not-met"),
    (CRISIS, "the timeframe cannot be met: contact"): ("first-contact", "missed-first-contact"),
}

EVIDENCE = {
    (POST_DISCHARGE, "contact within 72 hours"): "contact-within-72-hours",
    (POST_DISCHARGE, "contact within 48 hours at higher risk"): "higher-risk-contact-within-48-hours",
    (POST_DISCHARGE, "follow-up within 7 days"): "follow-up-within-7-days",
    (POST_DISCHARGE, "follow-up within 30 days"): "follow-up-within-30-days",
    (POST_DISCHARGE, "medication needs reviewed"): "medication-needs-reviewed",
    (POST_DISCHARGE, "appointment needs reviewed"): "appointment-needs-reviewed",
    (POST_DISCHARGE, "barriers addressed"): "barriers-addressed",
    (POST_DISCHARGE, "missed contact escalated"): "missed-contact-escalated",
    (POST_DISCHARGE, "readmissions"): "readmitted-within-30-days",
    (POST_DISCHARGE, "crisis contacts"): "crisis-contact-within-30-days",
    (POST_DISCHARGE, "first-appointment attendance"): "first-appointment-attended",
    (CRISIS, "reviewed within timeframe"): "reviewed-within-timeframe",
    (CRISIS, "higher risk reviewed within its timeframe"): "higher-risk-reviewed-within-4-hours",
    (CRISIS, "appointment scheduled"): "appointment-scheduled",
    (CRISIS, "missed first contact triggered outreach"): "missed-contact-outreach",
    (CRISIS, "unresolved risk stayed open until responsibility was accepted"): "risk-open-until-accepted",
    (CRISIS, "crisis closure against engagement, 7 days"): "engaged-within-7-days",
    (CRISIS, "crisis closure against engagement, 30 days"): "engaged-within-30-days",
    (CRISIS, "crisis re-contact"): "crisis-re-contact-within-30-days",
}


@cache
def pathway(name):
    path = MAPPINGS / "pathways" / name / "pathway.yaml"
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


@cache
def cases(name):
    folder = MAPPINGS / "pathways" / name / "cases"
    return [
        yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        for path in sorted(folder.glob("*.yaml"))
    ]


def expectations(name):
    return [step["expect"] for case in cases(name) for step in case["timeline"] if "expect" in step]


def tasks(name):
    return {task["id"]: task for stage in pathway(name)["stages"] for task in stage.get("tasks", [])}


def by_id(name, part):
    return {each["id"]: each for each in pathway(name)[part]}


def promised(table):
    return pytest.mark.parametrize(
        ("name", "stands_as"),
        [(name, found) for (name, _), found in table.items()],
        ids=[f"{name}: {words}" for name, words in table],
    )


each_pathway = pytest.mark.parametrize("name", [POST_DISCHARGE, CRISIS])


# ---------------------------------------------------------------- what is promised is there


@each_pathway
def test_the_stages_are_those_that_were_agreed_in_their_order(name):
    assert [stage["id"] for stage in pathway(name)["stages"]] == STAGES[name]
    assert {stage["id"] for stage in pathway(name)["stages"] if stage.get("final") == "true"} == FINAL[name]


@promised(REQUIRED_FIELDS)
def test_a_required_field_is_asked_for_by_name(name, stands_as):
    field = by_id(name, "required")[stands_as]
    assert field["ask"]
    assert any(stands_as in task.get("records", []) for task in tasks(name).values())


def test_only_the_diagnosis_of_the_minimum_datasets_is_asked_for_where_available():
    optional = [
        field
        for (name, _), field in REQUIRED_FIELDS.items()
        if by_id(name, "required")[field].get("where-available") == "true"
    ]
    assert optional == ["discharge-diagnosis"]


@promised(GATES)
def test_a_gate_holds_its_stage_and_names_who_may_waive_it(name, stands_as):
    gate_id, before = stands_as
    gate = by_id(name, "gates")[gate_id]
    assert gate["before"] == before
    assert gate["if-unmet"] == "hold"
    assert "clinical-supervisor" in gate["waived-by"]


def test_the_higher_risk_gate_and_its_review_apply_to_the_same_people():
    gate = by_id(POST_DISCHARGE, "gates")["supervisor-reviewed"]
    assert gate["applies-when"] == tasks(POST_DISCHARGE)["supervisor-review"]["opens-when"]


@promised(TASKS)
def test_a_task_has_its_owner_two_clocks_and_a_ladder(name, stands_as):
    task_id, owner = stands_as
    task = tasks(name)[task_id]
    assert task["owner"] == owner
    assert task["accept-within"]
    assert task["due-in"]
    assert task["escalation"] in pathway(name)["escalations"]


@promised(ESCALATIONS)
def test_an_escalation_has_a_ladder_with_support_in_words(name, stands_as):
    task_id, ladder = stands_as
    assert tasks(name)[task_id]["escalation"] == ladder
    rungs = pathway(name)["escalations"][ladder]["rungs"]
    assert len(rungs) >= 2
    assert all(rung["plan"] for rung in rungs)


@promised(EVIDENCE)
def test_a_line_of_evidence_is_a_measure(name, stands_as):
    assert by_id(name, "measures")[stands_as]["numerator"]


# ---------------------------------------------------------------- times, and where they come from


def test_the_first_contact_after_hospital_keeps_72_hours_and_48_at_higher_risk():
    due = tasks(POST_DISCHARGE)["contact-person"]["due-in"]
    assert due == {
        "by": "risk",
        "high": "48 hours",
        "moderate": "72 hours",
        "low": "72 hours",
        "otherwise": "72 hours",
    }


def test_after_a_crisis_risk_decides_how_soon_and_unknown_counts_as_high():
    due = tasks(CRISIS)["first-contact"]["due-in"]
    assert due == {
        "by": "risk",
        "high": "24 hours",
        "moderate": "72 hours",
        "low": "7 days",
        "otherwise": "24 hours",
    }
    assert all(
        task["due-in"]["otherwise"] == task["due-in"]["high"]
        for task in tasks(CRISIS).values()
        if isinstance(task["due-in"], dict)
    )


@pytest.mark.parametrize(("name", "task"), [(POST_DISCHARGE, "contact-person"), (CRISIS, "outreach")])
def test_outreach_is_tried_three_times_a_day_apart(name, task):
    assert tasks(name)[task]["attempts"] == {"count": "3", "every": "24 hours"}


def test_a_timeframe_that_cannot_be_met_goes_to_the_clinical_supervisor_first():
    for ladder in ("timeframe-not-met", "missed-first-contact"):
        assert pathway(CRISIS)["escalations"][ladder]["rungs"][0]["notify"] == "clinical-supervisor"


def test_the_same_day_counts_after_a_crisis_and_not_after_hospital():
    for days in ("7", "30"):
        after_hospital = by_id(POST_DISCHARGE, "measures")[f"follow-up-within-{days}-days"]
        after_crisis = by_id(CRISIS, "measures")[f"engaged-within-{days}-days"]
        assert (after_hospital["within"], after_hospital["same-day"]) == (f"{days} days", "does-not-count")
        assert (after_crisis["within"], after_crisis["same-day"]) == (f"{days} days", "counts")


@each_pathway
def test_everything_says_why_with_a_source_of_the_file_and_every_source_is_used(name):
    file = pathway(name)
    parts = [*tasks(name).values(), *file["required"], *file["gates"], *file["measures"]]
    reasons = {part["why"] for part in [*parts, *file["escalations"].values()]}
    assert reasons == set(file["governance"]["sources"])


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        (POST_DISCHARGE, "NHS England"),
        (POST_DISCHARGE, "NICE NG53"),
        (POST_DISCHARGE, "HEDIS FUH"),
        (POST_DISCHARGE, "NPSG.15.01.01"),
        (CRISIS, "HEDIS FUM"),
        (CRISIS, "NPSG.15.01.01"),
    ],
)
def test_the_standards_behind_the_times_are_named(name, standard):
    assert any(standard in text for text in pathway(name)["governance"]["sources"].values())


# ---------------------------------------------------------------- what begins an enrolment


@each_pathway
def test_nobody_who_died_or_went_on_to_a_hospital_bed_is_followed_up_from_here(name):
    from_encounters = [start for start in pathway(name)["starts"] if start["resource"] == "Encounter"]
    for start in from_encounters:
        left_to = {row["coded"]["hospitalization.dischargeDisposition"] for row in start["unless"]}
        assert left_to == {"discharge-disposition-died", "discharge-disposition-transfer-to-hospital"}


@each_pathway
def test_a_start_finds_the_diagnosis_on_the_encounter_and_in_conditions_linked_either_way(name):
    starts = pathway(name)["starts"]
    assert any("reasonCode" in start.get("coded", {}) for start in starts)
    ways = {
        (way, row[way])
        for start in starts
        for row in start.get("also", [])
        for way in ("linked-by", "pointed-to-by")
        if row["resource"] == "Condition" and way in row
    }
    assert {("linked-by", "encounter"), ("pointed-to-by", "diagnosis.condition")} <= ways


@each_pathway
def test_a_site_can_name_its_own_places(name):
    assert [start["at-site"] for start in pathway(name)["starts"] if "at-site" in start] == [name]


def test_a_referral_for_follow_up_starts_from_the_crisis_it_refers_to():
    (start,) = [start for start in pathway(CRISIS)["starts"] if start["resource"] == "ServiceRequest"]
    assert start["anchor"] == "encounter"
    assert all(row["pointed-to-by"] == "encounter" for row in start["also"])


# ---------------------------------------------------------------- every promise has a worked case


@each_pathway
def test_some_case_shows_every_required_field_missing(name):
    shown = {field for expect in expectations(name) for field in expect.get("missing", [])}
    assert shown == set(by_id(name, "required"))


@each_pathway
def test_some_case_shows_every_gate_unmet(name):
    shown = {gate for expect in expectations(name) for gate in expect.get("unmet", [])}
    assert shown == set(by_id(name, "gates"))


@each_pathway
def test_some_case_reaches_every_stage(name):
    assert {expect["stage"] for expect in expectations(name) if "stage" in expect} == set(STAGES[name])


@each_pathway
def test_some_case_climbs_every_ladder_that_a_task_can_climb_to_its_top(name):
    highest: dict[str, int] = {}
    for expect in expectations(name):
        for task, rungs in expect.get("escalated", {}).items():
            ladder = tasks(name)[task]["escalation"]
            highest[ladder] = max(highest.get(ladder, 0), int(rungs))
    tops = {ladder: len(part["rungs"]) for ladder, part in pathway(name)["escalations"].items()}
    # A case counts every rung about a follow-up; a ladder may be climbed twice, overdue first and then unreachable.
    assert {ladder: min(rungs, tops[ladder]) for ladder, rungs in highest.items()} == {
        ladder: top for ladder, top in tops.items() if ladder != "unowned"
    }


@each_pathway
def test_some_case_counts_every_measure(name):
    counted = {
        measure
        for expect in expectations(name)
        for measure, (numerator, _) in expect.get("measures", {}).items()
        if int(numerator) == 1
    }
    assert counted == set(by_id(name, "measures"))


# Whoever belongs to these has met them by the very same evidence, so that no case can show the opposite.
MET_BY_BELONGING = {"missed-contact-escalated", "missed-contact-outreach", "timeframe-not-met-escalated"}


@each_pathway
def test_some_case_belongs_to_every_measure_without_meeting_it(name):
    unmet = {
        measure
        for expect in expectations(name)
        for measure, count in expect.get("measures", {}).items()
        if count == ["0", "1"]
    }
    assert unmet == set(by_id(name, "measures")) - MET_BY_BELONGING


@each_pathway
def test_some_case_begins_nothing(name):
    assert any(expect.get("tasks") == {} for expect in expectations(name))
