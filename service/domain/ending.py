"""Why an enrolment ends before its last stage, and when such an end is taken back because the record was corrected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from service.domain.alongside import SUPERSEDED, Alongside, superseded_by
from service.domain.enrolment import Enrolment, Variance
from service.domain.evidence import PersonRecord
from service.domain.vocabulary import PlanStatus, VarianceKind


def ended_because(enrolment: Enrolment, record: PersonRecord, alongside: Alongside) -> str:
    """What the record says ends it, in words; empty while nothing does."""
    if record.deceased_at is not None:
        return "the person has died"
    if enrolment.anchor in record.gone:
        return "the resource that began this pathway was deleted from the record"
    anchor = next((fact for fact in record.facts if fact.reference == enrolment.anchor), None)
    if anchor is not None and anchor.void:
        return "the resource that began this pathway was cancelled or entered in error"
    other = superseded_by(enrolment, alongside)
    return f"{SUPERSEDED}{other}" if other else ""


def end_was_taken_back(enrolment: Enrolment, record: PersonRecord, alongside: Alongside) -> bool:
    """We ended it early for a reason of the record (death, a void anchor), and the record no longer says so.

    A CarePlan that people revoked, or whose anchor is not to be seen, stays as it is.
    """
    if enrolment.status is not PlanStatus.REVOKED or not enrolment.ended_reason:
        return False
    is_there = any(fact.reference == enrolment.anchor for fact in record.facts)
    return is_there and not ended_because(enrolment, record, alongside)


def taken_up_again(enrolment: Enrolment, now: datetime) -> Enrolment:
    """An enrolment whose end was taken back, as it goes on."""
    reason = f"it had ended because {enrolment.ended_reason}; the record was corrected, so it goes on"
    corrected = Variance(
        kind=VarianceKind.ENDED_EARLY, subject=f"revision-{enrolment.revision}", at=now, reason=reason
    )
    variances = (*enrolment.variances, corrected)
    return replace(enrolment, status=PlanStatus.ACTIVE, ended_reason="", ended_at=None, variances=variances)
