"""Every governance measure that the domain's sources name is counted by some shipped pathway."""

from __future__ import annotations

import pytest

from tests.mappings.test_worked_cases_cover_the_pathways import pathway

GOVERNANCE = {
    "crisis-to-outpatient follow-up time": [
        ("crisis-to-outpatient", "engaged-within-7-days"),
        ("crisis-to-outpatient", "engaged-within-30-days"),
    ],
    "first-appointment attendance": [
        ("post-discharge-coordination", "first-appointment-attended"),
        ("crisis-stabilization-follow-up", "first-appointment-attended-within-7-days"),
    ],
    "missed-contact escalation": [
        ("post-discharge-coordination", "missed-contact-escalated"),
        ("crisis-step-down", "missed-contact-escalated"),
    ],
    "multidisciplinary review completion": [("multidisciplinary-review", "decided-within-14-days")],
    "pathway movement": [
        ("step-up", "stabilized-after-step-up"),
        ("step-down", "stability-sustained"),
        ("protected-middle-step", "exit-decided-in-time"),
    ],
    "hospitalisation follow-up": [
        ("post-discharge-coordination", "follow-up-within-7-days"),
        ("post-discharge-coordination", "follow-up-within-30-days"),
    ],
    "medication access issues": [("post-discharge-coordination", "medication-access-at-risk")],
    "person feedback": [
        ("crisis-to-outpatient", "person-feedback-recorded"),
        ("multidisciplinary-review", "person-feedback-recorded"),
        ("post-discharge-coordination", "person-feedback-recorded"),
    ],
    "assigned-lead rate": [("coordination-ownership", "lead-assigned")],
    "action completion": [
        ("moderate-coordination", "actions-completed-rate"),
        ("multidisciplinary-review", "assigned-actions-completed"),
        ("deterioration-step-up", "actions-completed"),
    ],
    "external referral follow-up": [("coordination-ownership", "referrals-followed-up")],
    "transition completion": [("crisis-stabilization-follow-up", "transition-completed-within-30-days")],
    "crisis re-contact": [("crisis-stabilization-follow-up", "crisis-re-contact-within-30-days")],
    "time to triage": [("single-front-door", "triaged-within-5-working-days")],
    "redirect rate": [("single-front-door", "redirect-rate")],
    "minimum dataset compliance": [
        ("single-front-door", "minimum-dataset-complete"),
        ("crisis-step-down", "handover-complete"),
    ],
    "step-up responsiveness": [("step-up", "threshold-to-action-3-working-days")],
}


@pytest.mark.parametrize("wanted", GOVERNANCE)
def test_a_governance_measure_is_counted(wanted):
    for name, measure in GOVERNANCE[wanted]:
        found = [each for each in pathway(name)["measures"] if each["id"] == measure]
        assert [each["numerator"] for each in found] != [], f"{name} has no measure {measure}"
