"""What the other thirteen pathways promise, typed here by hand, and where it stands in their files.

As for the first two: the lists are the specification as it was agreed and are not read from the files they judge.
"""

from functools import cache
from typing import Any

import pytest
import yaml

from tests.mappings.shipped import MAPPINGS

PROMISES: dict[str, dict[str, Any]] = {
    "multidisciplinary-review": {
        "starts": {"request for a review": "ServiceRequest", "complexity rule": "rule"},
        "stages": ["called", "contributions", "decision", "plan-updated", "next-review", "closed"],
        "required": {
            "reason for review": "reason-for-review",
            "current pathway": "current-pathway",
            "active risks": "active-risks",
            "service components": "service-components",
            "clinical recommendations": "clinical-recommendations",
            "person preferences": "person-preferences",
            "pathway decision": "pathway-decision",
            "assigned responsibilities": "assigned-responsibilities",
            "review date": "review-date",
        },
        "gates": {
            "documented supervisor decision": "supervisor-decision",
            "updated plan": "plan-is-updated",
            "every follow-up task assigned": "follow-ups-assigned",
        },
        "tasks": {
            "therapist: symptom pattern and engagement": ("therapist-contribution", "therapist"),
            "psychiatric provider: medication": ("psychiatric-contribution", "psychiatric-provider"),
            "case manager: practical barriers": ("case-manager-contribution", "case-manager"),
            "crisis team: recent contacts": ("crisis-team-contribution", "crisis-clinician"),
            "decision by the clinical supervisor": ("decide-pathway", "clinical-supervisor"),
        },
        "escalates": {"no agreement or decision overdue": ("decide-pathway", "clinical-director")},
        "evidence": {
            "timely review": "decided-within-14-days",
            "decision supported by evidence": "decision-supported-by-evidence",
            "assigned actions completed": "assigned-actions-completed",
            "change evaluated at the next review": "change-evaluated-at-next-review",
            "crisis use before": "crisis-use-on-record",
            "crisis use after": "crisis-use-after",
        },
    },
    "coordination-ownership": {
        "starts": {"two or more active needs": "rule", "request for coordination": "ServiceRequest"},
        "stages": ["needs-identified", "lead-named", "coordinating", "ended"],
        "required": {
            "coordination lead": "coordination-lead",
            "active service components": "active-service-components",
            "priority needs": "priority-needs",
            "current risks": "active-risks",
            "external partners": "external-partners",
            "consent status": "consent-status",
            "next coordination action": "next-coordination-action",
            "review date": "review-date",
        },
        "gates": {
            "named ownership": "ownership-named",
            "documented consent decisions": "consent-documented",
            "current shared action plan": "plan-shared",
        },
        "tasks": {
            "clinical oversight of a case manager's lead": ("clinical-oversight", "therapist"),
            "planned contact": ("planned-contact", "by coordination-need"),
            "barrier tracking": ("track-barriers", "case-manager"),
            "scheduled review": ("review-coordination", "by coordination-need"),
            "multidisciplinary meetings": ("multidisciplinary-meeting", "clinical-supervisor"),
            "crisis-linked planning": ("crisis-linked-plan", "crisis-clinician"),
            "senior oversight": ("senior-oversight", "clinical-supervisor"),
        },
        "escalates": {
            "disagreement on who leads": ("confirm-lead", "clinical-supervisor"),
            "supervisor decision overdue": ("decide-lead", "clinical-director"),
            "unresolved barriers": ("track-barriers", "clinical-supervisor"),
        },
        "evidence": {
            "assigned-lead rate": "lead-assigned",
            "plans updated after major change": "plan-updated-after-change",
            "external referrals followed up": "referrals-followed-up",
            "barriers escalated": "barriers-escalated",
        },
    },
    "moderate-coordination": {
        "starts": {"three concerns together": "rule"},
        "stages": ["concerns-joined", "acting", "reviewed", "settled", "intensified"],
        "required": {
            "clinical concern": "clinical-concern",
            "medication status": "medication-status",
            "housing risk": "housing-risk",
            "person priorities": "person-priorities",
            "active actions": "active-actions",
            "responsible staff": "responsible-staff",
            "escalation indicators": "escalation-indicators",
            "review date": "review-date",
        },
        "gates": {
            "medication concern routed": "medication-routed",
            "housing actions assigned": "housing-assigned",
            "the person knows whom to contact": "person-informed",
        },
        "tasks": {
            "therapist: plan, symptom change": ("update-clinical-plan", "therapist"),
            "psychiatric provider: side effects, adherence": ("review-medication", "psychiatric-provider"),
            "case manager: housing, benefits": ("housing-actions", "case-manager"),
            "lead: review at seven days": ("seven-day-review", "coordination-lead"),
        },
        "escalates": {
            "safety concern: urgent clinical review": ("urgent-clinical-review", "clinical-supervisor"),
            "review overdue": ("seven-day-review", "clinical-supervisor"),
            "escalation indicator met": ("apply-escalation-criteria", "clinical-director"),
        },
        "evidence": {
            "actions completed": "actions-completed-rate",
            "review on time": "reviewed-within-7-days",
            "criteria applied": "criteria-applied",
        },
    },
    "crisis-stabilization-follow-up": {
        "starts": {"stabilisation Encounter closes": "Encounter"},
        "stages": [
            "stabilization-ended",
            "handed-over",
            "awaiting-first-contact",
            "transition-complete",
            "back-in-acute-care",
        ],
        "required": {
            "crisis episode summary": "crisis-episode-summary",
            "current risk status": "current-risk-status",
            "safety plan": "safety-plan",
            "receiving pathway": "receiving-pathway",
            "first appointment date": "first-appointment-date",
            "medication follow-up": "medication-follow-up",
            "practical barriers": "practical-barriers",
            "coordination lead": "coordination-lead",
            "contingency actions": "contingency-actions",
        },
        "gates": {
            "receiving-team acceptance": "receiving-team-accepted",
            "documented person communication": "person-communication",
            "missed-contact plan": "missed-contact-planned",
        },
        "tasks": {
            "transition summary": ("transition-summary", "crisis-clinician"),
            "confirm first appointment": ("confirm-first-appointment", "outpatient-intake-clinician"),
            "medication needs": ("medication-needs", "psychiatric-provider"),
            "transport and phone access": ("transport-and-phone", "case-manager"),
            "same-day outreach": ("same-day-outreach", "coordination-lead"),
            "supervisor review where risk is active": ("supervisor-review", "clinical-supervisor"),
        },
        "escalates": {"first appointment not attended": ("first-appointment", "clinical-supervisor")},
        "evidence": {
            "actions completed": "transition-actions-completed",
            "responsibility accepted": "responsibility-accepted-rate",
            "barriers addressed": "barriers-addressed",
            "open concerns visible until closed": "concerns-open-until-closed",
            "first-appointment attendance": "first-appointment-attended-within-7-days",
            "crisis re-contact": "crisis-re-contact-within-30-days",
            "transition completion": "transition-completed-within-30-days",
        },
    },
    "post-ed-warm-handoff": {
        "starts": {"ED or crisis presentation": "Encounter"},
        "stages": ["presented", "left-acute-care", "handed-over", "followed-up", "admitted", "died"],
        "required": {
            "consent": "consent-status",
            "contact details": "contact-details",
            "follow-up touchpoint": "follow-up-touchpoint",
            "risk factors": "risk-factors",
            "current medication": "current-medication",
            "immediate stressors": "immediate-stressors",
            "safety plan": "safety-plan",
            "next-step recommendation": "next-step-recommendation",
        },
        "gates": {
            "consent and contact details confirmed": "consent-and-contact-confirmed",
            "touchpoint booked": "touchpoint-booked",
            "summary routed and acknowledged": "summary-acknowledged",
        },
        "tasks": {
            "confirm consent and contact details": ("confirm-consent-and-contact", "transition-coordinator"),
            "book the touchpoint in its window": ("book-touchpoint", "transition-coordinator"),
            "summary written": ("write-summary", "crisis-clinician"),
            "summary routed": ("route-summary", "transition-coordinator"),
            "acknowledged by the assigned clinician": ("clinician-acknowledges", "outpatient-clinician"),
            "acknowledged by the care coordinator": ("coordinator-acknowledges", "care-coordinator"),
            "medication reconciliation": ("reconcile-medication", "psychiatric-provider"),
        },
        "escalates": {
            "silent discharge": ("follow-up-touchpoint", "clinical-supervisor"),
            "missed touchpoint": ("missed-touchpoint-outreach", "clinical-supervisor"),
        },
        "evidence": {
            "time to first contact, 72 hours": "contact-within-72-hours",
            "time to first contact, 7 days": "contact-within-7-days",
            "time to first contact, 30 days": "contact-within-30-days",
            "attendance": "touchpoint-attended",
            "medication reconciliation completed": "medication-reconciled-within-30-days",
            "repeat crisis contacts within 30 days": "crisis-contact-within-30-days",
            "repeat crisis contacts within 90 days": "crisis-contact-within-90-days",
            "who owned it": "handoff-owned",
        },
    },
    "step-up": {
        "starts": {"threshold rule": "rule", "request": "ServiceRequest"},
        "stages": [
            "threshold-met",
            "step-up-decided",
            "stepped-up",
            "routine-care",
            "stabilized",
            "acute-care",
        ],
        "required": {
            "why": "threshold-reason",
            "current risk": "current-risk-level",
            "contact frequency": "contact-frequency",
        },
        "gates": {"lead named": "lead-named", "reserved slot allocated": "slot-allocated"},
        "tasks": {
            "huddle: primary clinician": ("hold-huddle", "outpatient-clinician"),
            "huddle: supervisor": ("supervisor-view", "clinical-supervisor"),
            "huddle: care coordination": ("coordination-view", "care-coordinator"),
            "lead assigned": ("accept-lead", "step-up-lead"),
            "contact frequency raised": ("raise-contact-frequency", "outpatient-clinician"),
        },
        "escalates": {
            "waiting for capacity past the limit": ("allocate-slot", "clinical-supervisor"),
            "huddle overdue": ("hold-huddle", "clinical-supervisor"),
        },
        "evidence": {
            "threshold-to-action time": "threshold-to-action-3-working-days",
            "crisis referrals from the cohort": "crisis-contact-within-30-days",
            "engagement after the change": "engaged-after-change",
        },
    },
    "step-down": {
        "starts": {"stabilisation definition met, with agreement": "rule", "request": "ServiceRequest"},
        "stages": [
            "stabilization-agreed",
            "tapering",
            "fast-track",
            "taper-resumed",
            "sustained",
            "fast-tracked",
            "acute-care",
        ],
        "required": {
            "symptom control": "symptom-control",
            "function": "daily-function",
            "adherence": "medication-adherence",
            "safety plan reliability": "safety-plan-reliability",
            "agreement": "step-down-agreement",
            "taper": "taper-plan",
            "contingency plan": "contingency-plan",
            "early warning signs": "early-warning-signs",
        },
        "gates": {
            "contingency plan documented": "contingency-documented",
            "monitoring owner accepted": "monitoring-accepted",
        },
        "tasks": {
            "taper contacts": ("taper-contact", "monitoring-clinician"),
            "named monitor": ("accept-monitoring", "monitoring-clinician"),
            "fast track back": ("return-to-closer-support", "outpatient-clinician"),
        },
        "escalates": {
            "missed taper contact": ("taper-contact", "clinical-supervisor"),
            "early warning sign": ("fast-track-review", "clinical-supervisor"),
        },
        "evidence": {
            "sustained stability": "stability-sustained",
            "urgent contacts": "urgent-contact-within-90-days",
            "crisis presentations after step-down": "crisis-contact-within-30-days",
            "taper plan complete": "taper-plan-documented",
            "monitoring log complete": "monitoring-log-complete",
        },
    },
    "single-front-door": {
        "starts": {"any referral": "ServiceRequest"},
        "stages": ["received", "screened", "clarification", "triaged", "allocated", "redirected"],
        "required": {
            "contact details": "contact-details",
            "referrer": "referrer",
            "reason": "reason-for-referral",
            "risks": "current-risks",
            "urgency": "urgency",
            "consent": "consent-to-referral",
            "decision": "triage-decision",
            "rationale": "decision-rationale",
        },
        "gates": {
            "redirect only with written rationale": "redirect-written",
            "safe signposting": "signposted-safely",
            "urgent routes communicated": "urgent-routes-known",
        },
        "tasks": {
            "clarification call": ("clarification-call", "intake-coordinator"),
            "triage huddle decision": ("triage-huddle", "triage-clinician"),
            "lead professional": ("accept-allocation", "allocated-lead"),
        },
        "escalates": {
            "borderline case to senior oversight": ("senior-decision", "clinical-director"),
            "triage overdue": ("triage-huddle", "clinical-supervisor"),
            "crisis presentation while awaiting allocation": ("crisis-while-waiting", "clinical-director"),
        },
        "evidence": {
            "time to triage": "triaged-within-5-working-days",
            "redirect rate": "redirect-rate",
            "crisis presentations while waiting": "crisis-before-allocation",
            "audit sample of decisions": "decisions-with-reason",
        },
    },
    "deterioration-step-up": {
        "starts": {"escalation by request": "ServiceRequest", "escalation by Task": "Task"},
        "stages": ["raised", "decided", "plan-agreed", "reviewed", "not-stepped-up", "acute-care"],
        "required": {
            "what has changed": "what-has-changed",
            "current risks": "current-risks",
            "protective factors": "protective-factors",
            "what has been tried": "what-has-been-tried",
        },
        "gates": {
            "decision recorded with rationale": "decision-reasoned",
            "out-of-hours contingency present": "out-of-hours-covered",
            "MDT date set": "review-dated",
            "never closed as vague": "prompts-complete",
        },
        "tasks": {
            "named clinician applies the threshold": ("apply-threshold", "escalation-clinician"),
            "plan agreed": ("agree-plan", "escalation-clinician"),
            "urgent clinical review": ("clinical-review", "outpatient-clinician"),
            "medication liaison": ("medication-liaison", "psychiatric-provider"),
            "crisis interface": ("crisis-interface", "crisis-clinician"),
            "MDT review dated": ("set-review-date", "care-coordinator"),
            "proportionate welfare action": ("welfare-action", "escalation-clinician"),
            "clarification to the sender": ("clarify-escalation", "asks sender"),
        },
        "escalates": {
            "clinical review overdue": ("clinical-review", "clinical-supervisor"),
            "safeguarding trigger": ("safeguarding", "clinical-supervisor"),
        },
        "evidence": {
            "rejected escalations": "not-stepped-up",
            "time to clinical review": "clinical-review-within-72-hours",
            "action completion": "actions-completed",
        },
    },
    "crisis-step-down": {
        "starts": {"discharge home after a crisis": "Encounter"},
        "stages": [
            "handover",
            "accepted",
            "stabilisation",
            "tapering",
            "ready-review",
            "stepped-down",
            "back-in-acute-care",
            "re-presented",
        ],
        "required": {
            "named community lead": "named-community-lead",
            "re-escalation triggers": "re-escalation-triggers",
            "whom they were communicated to": "triggers-communicated-to",
            "safeguarding": "safeguarding-indicators",
            "safety plan": "safety-plan-status",
        },
        "gates": {
            "minimum dataset handed over": "dataset-handed-over",
            "acceptance by the named community lead": "community-lead-accepted",
            "triggers documented and communicated": "triggers-agreed",
            "safeguarding actions tracked": "safeguarding-tracked",
        },
        "tasks": {
            "first contact within timeframe": ("first-contact", "community-lead"),
            "crisis plan review": ("review-crisis-plan", "community-lead"),
            "stabilisation actions": ("stabilisation-actions", "community-lead"),
            "practical support": ("practical-support", "case-manager"),
            "tapered contacts over weeks": ("taper-contact", "community-lead"),
            "readiness review": ("readiness-review", "community-lead"),
        },
        "escalates": {
            "no acceptance": ("accept-responsibility", "clinical-supervisor"),
            "missed contact": ("first-contact", "clinical-supervisor"),
            "re-escalation trigger": ("respond-to-trigger", "clinical-supervisor"),
        },
        "evidence": {
            "follow-up standard met": "contact-within-72-hours",
            "re-presentation within 30 days": "re-presented-within-30-days",
            "post-crisis review completed": "post-crisis-review-completed",
            "complete handovers": "handover-complete",
        },
    },
    "smi-continuity": {
        "starts": {"criteria met": "rule", "request": "ServiceRequest"},
        "stages": ["criteria-met", "owners-named", "continuity", "moving-on", "moved-on"],
        "required": {
            "lead clinician": "named-lead-clinician",
            "care coordinator": "named-care-coordinator",
            "medication oversight": "named-medication-oversight",
            "engagement": "engagement",
            "medication continuity": "medication-continuity",
            "housing": "housing-situation",
            "early warning signs": "early-warning-signs",
        },
        "gates": {
            "all three named": "three-owners-named",
            "all three have accepted": "three-owners-accepted",
        },
        "tasks": {
            "lead clinician": ("accept-lead", "lead-clinician"),
            "care coordinator": ("accept-coordination", "care-coordinator"),
            "medication oversight": ("accept-medication-oversight", "medication-oversight"),
            "weekly caseload review": ("weekly-review", "lead-clinician"),
            "planned touchpoints": ("touchpoint", "care-coordinator"),
            "rapid response": ("rapid-response", "lead-clinician"),
        },
        "escalates": {
            "review missed": ("weekly-review", "clinical-supervisor"),
            "touchpoint missed": ("touchpoint", "lead-clinician"),
            "early warning": ("rapid-response", "clinical-supervisor"),
        },
        "evidence": {
            "engagement stability": "engagement-stable",
            "medication reconciliation rate": "medication-reconciled",
            "avoidable hospital use": "hospital-use",
            "timely step-up decisions": "timely-step-up-decision",
        },
    },
    "co-occurring-needs": {
        "starts": {"co-occurring needs or a second plan": "rule", "request": "ServiceRequest"},
        "stages": ["recognised", "coordinating", "integrated", "settled"],
        "required": {
            "shared goals": "shared-goals",
            "appointment sequence": "appointment-sequence",
            "medication oversight": "medication-oversight-agreed",
            "relapse triggers": "relapse-triggers",
            "coordinator": "coordinator",
        },
        "gates": {
            "coordinator accepted": "coordinator-accepted",
            "each parallel plan named": "plans-named",
            "each parallel plan folded in or closed": "plans-resolved",
        },
        "tasks": {
            "one accountable coordinator": ("accept-coordination", "care-coordinator"),
            "parallel plans detected": ("find-parallel-plans", "care-coordinator"),
            "parallel plans resolved": ("resolve-parallel-plans", "care-coordinator"),
        },
        "escalates": {
            "unresolved parallel plans": ("resolve-parallel-plans", "clinical-supervisor"),
            "chain of missed appointments": ("answer-missed-chain", "clinical-supervisor"),
        },
        "evidence": {
            "missed-appointment chains": "missed-appointment-chain",
            "plan adherence": "plan-kept",
            "avoidable acute episodes": "acute-episode",
        },
    },
    "protected-middle-step": {
        "starts": {"request to the middle level": "ServiceRequest"},
        "stages": [
            "requested",
            "allocated",
            "middle-step",
            "leaving",
            "stepped-down",
            "stepped-up",
            "in-hospital",
            "redirected",
            "withdrawn",
        ],
        "required": {"explicit duration": "planned-length", "step-down planned at entry": "exit-plan"},
        "gates": {"exit planned at entry": "exit-planned", "reviewed at mid-point": "mid-point-reviewed"},
        "tasks": {
            "queue review": ("review-queue", "middle-step-lead"),
            "allocation": ("allocate-slot", "middle-step-lead"),
            "mid-point review": ("mid-point-review", "middle-step-clinician"),
            "planned exit": ("decide-exit", "middle-step-clinician"),
        },
        "escalates": {
            "no slot within the limit": ("allocate-slot", "clinical-supervisor"),
            "exit date passed without a decision": ("decide-exit", "clinical-supervisor"),
        },
        "evidence": {
            "wait time for step-up": "step-up-within-limit",
            "utilisation of the middle step": "middle-step-used",
            "crisis referrals from the cohort": "crisis-from-cohort",
            "stabilisation markers": "markers-improved",
        },
    },
}


@cache
def pathway(name: str) -> dict[str, Any]:
    path = MAPPINGS / "pathways" / name / "pathway.yaml"
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return found


def tasks(name: str) -> dict[str, Any]:
    return {task["id"]: task for stage in pathway(name)["stages"] for task in stage.get("tasks", [])}


def ids(name: str, part: str) -> set[str]:
    return {each["id"] for each in pathway(name)[part]}


def promised(part: str) -> Any:
    rows = [(name, words, found) for name, all_ in PROMISES.items() for words, found in all_[part].items()]
    return pytest.mark.parametrize(
        ("name", "words", "stands_as"), rows, ids=[f"{name}: {words}" for name, words, _ in rows]
    )


each = pytest.mark.parametrize("name", PROMISES)


def test_all_fifteen_are_here():
    folders = {path.parent.name for path in (MAPPINGS / "pathways").glob("*/pathway.yaml")}
    assert folders == {*PROMISES, "crisis-to-outpatient", "post-discharge-coordination"}
    assert all(pathway(name)["status"] == "active" for name in folders)


@promised("starts")
def test_a_start_is_there(name, words, stands_as):
    starts = pathway(name)["starts"]
    kinds = {start.get("resource", "rule") for start in starts}
    # A rule that asks about one resource is written as a start about that resource.
    assert stands_as in kinds or (stands_as == "rule" and len(starts) > 1), words


@each
def test_the_stages_are_those_that_were_agreed_in_their_order(name):
    assert [stage["id"] for stage in pathway(name)["stages"]] == PROMISES[name]["stages"]


@promised("required")
def test_a_required_field_is_asked_for_by_name(name, words, stands_as):
    field = next(field for field in pathway(name)["required"] if field["id"] == stands_as)
    assert field["ask"], words
    assert field.get("where-available") != "true"


@promised("gates")
def test_a_gate_stands_before_a_stage_and_somebody_may_waive_it(name, words, stands_as):
    gate = next(gate for gate in pathway(name)["gates"] if gate["id"] == stands_as)
    assert gate["before"] in PROMISES[name]["stages"], words
    assert gate["if-unmet"] == "proceed-with-variance" or gate["waived-by"]


@promised("tasks")
def test_a_task_has_its_owner_two_clocks_and_a_ladder(name, words, stands_as):
    task_id, owner = stands_as
    task = tasks(name)[task_id]
    asked = task.get("owner", f"asks {task.get('asks')}")
    assert owner == (asked if isinstance(asked, str) else f"by {asked['by']}"), words
    assert task["accept-within"]
    assert task["due-in"]
    assert task["escalation"] in pathway(name)["escalations"]


@promised("escalates")
def test_an_escalation_reaches_whom_it_should_with_support_in_words(name, words, stands_as):
    task_id, role = stands_as
    rungs = pathway(name)["escalations"][tasks(name)[task_id]["escalation"]]["rungs"]
    assert role in {rung.get("notify") or rung.get("reassign-to") for rung in rungs}, words
    assert len(rungs) >= 2
    assert rungs[0]["plan"]


@promised("evidence")
def test_a_line_of_evidence_is_a_measure(name, words, stands_as):
    assert stands_as in ids(name, "measures"), words


@each
def test_everything_says_why_with_a_source_of_the_file_and_every_source_is_used(name):
    file = pathway(name)
    parts = [*tasks(name).values(), *file["required"], *file["gates"], *file["measures"]]
    parts += [*file["escalations"].values(), *file.get("capacity", {}).values()]
    assert {part["why"] for part in parts} == set(file["governance"]["sources"])


# ---------------------------------------------------------------- rules that are more than a list


def test_the_review_comes_again():
    repeats = [s["id"] for s in pathway("multidisciplinary-review")["stages"] if s.get("repeats") == "true"]
    assert repeats == ["contributions", "decision", "plan-updated", "next-review"]


def test_who_leads_the_coordination_follows_the_needs():
    lead = pathway("coordination-ownership")["lead"]
    assert lead == {
        "by": "coordination-need",
        "high-risk": "licensed-clinician",
        "practical": "case-manager",
        "otherwise": "therapist",
    }


def test_after_a_stabilization_the_lead_stays_until_the_first_completed_contact():
    lead = pathway("crisis-stabilization-follow-up")["lead"]
    assert lead["role"] == "coordination-lead"
    assert lead["until"] == [{"task": "first-appointment", "is": "completed"}]


@pytest.mark.parametrize("name", ["step-up", "protected-middle-step"])
def test_a_reserved_place_is_waited_for_in_a_queue_whose_limit_escalates(name):
    (capacity,) = pathway(name)["capacity"].values()
    request = tasks(name)[capacity["request"]]
    assert int(capacity["count"]) > 0
    assert request["due-in"] == ("2 working-days" if name == "step-up" else "3 working-days")


@pytest.mark.parametrize(
    ("name", "task"), [("step-down", "taper-contact"), ("crisis-step-down", "taper-contact")]
)
def test_a_taper_grows_longer_from_contact_to_contact(name, task):
    lengths = [int(step.split()[0]) for step in tasks(name)[task]["series"]]
    assert lengths == sorted(lengths)
    assert lengths[0] == 7
    assert lengths[-1] > 7


def test_the_weekly_review_and_the_touchpoints_of_continuity_repeat():
    assert tasks("smi-continuity")["weekly-review"]["series"]["every"] == "7 days"
    assert tasks("smi-continuity")["touchpoint"]["series"]["every"]


def test_a_vague_escalation_comes_back_to_its_sender_until_the_four_prompts_are_answered():
    clarify = tasks("deterioration-step-up")["clarify-escalation"]
    prompts = ["what-has-changed", "current-risks", "protective-factors", "what-has-been-tried"]
    assert clarify["again-while"] == [{"missing": prompts}]


def test_the_middle_step_lasts_four_to_eight_weeks():
    due = tasks("protected-middle-step")["decide-exit"]["due-in"]
    assert {due[level] for level in ("four-weeks", "six-weeks", "eight-weeks")} == {
        "4 weeks",
        "6 weeks",
        "8 weeks",
    }


ASSURANCE = {
    "weekly": {
        "missed first appointments after transition": [
            ("crisis-stabilization-follow-up", "missed-appointment-outreach"),
            ("crisis-to-outpatient", "missed-contact-outreach"),
            ("post-discharge-coordination", "first-appointment-attended"),
            ("post-ed-warm-handoff", "touchpoint-attended"),
        ],
        "delayed follow-ups after acute events": [
            ("post-discharge-coordination", "contact-within-72-hours"),
            ("crisis-step-down", "contact-within-72-hours"),
            ("post-ed-warm-handoff", "contact-within-72-hours"),
        ],
        "step-up requests waiting for capacity": [
            ("step-up", "waited-past-limit"),
            ("protected-middle-step", "step-up-within-limit"),
        ],
        "repeat crisis use linked to a recent step-down": [
            ("step-down", "crisis-contact-within-30-days"),
            ("crisis-step-down", "re-presented-within-30-days"),
        ],
    },
    "monthly": {
        "movement decisions against criteria": [
            ("single-front-door", "decisions-with-reason"),
            ("deterioration-step-up", "decision-with-reason"),
            ("smi-continuity", "timely-step-up-decision"),
        ],
        "delayed step-ups": [("step-up", "threshold-to-action-3-working-days")],
        "re-escalation after step-down": [("step-down", "back-in-closer-support")],
        "outcomes by intensity level": [
            ("step-up", "stabilized-after-step-up"),
            ("protected-middle-step", "markers-improved"),
            ("step-down", "stability-sustained"),
            ("smi-continuity", "engagement-stable"),
        ],
    },
}


@pytest.mark.parametrize(
    ("rhythm", "words", "name", "measure"),
    [
        (rhythm, words, name, measure)
        for rhythm, lines in ASSURANCE.items()
        for words, measures in lines.items()
        for name, measure in measures
    ],
)
def test_what_the_service_looks_at_together_is_marked(rhythm, words, name, measure):
    found = next(each for each in pathway(name)["measures"] if each["id"] == measure)
    assert found["assurance"] == rhythm, words


def test_no_pathway_puts_blame_into_words():
    for name in [*PROMISES, "crisis-to-outpatient", "post-discharge-coordination"]:
        text = (MAPPINGS / "pathways" / name / "pathway.yaml").read_text(encoding="utf-8").casefold()
        text = text.replace('never "non-compliance"', "")
        assert not [
            word for word in ("non-complian", "noncomplian", "fault", "failed to", "refuses") if word in text
        ]
