"""The words of the domain as types: ids, statuses and priorities.

Codes with a FHIR value set carry FHIR's own codes (R4 task-status, request-status, request-priority).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

PathwayId = NewType("PathwayId", str)
StageId = NewType("StageId", str)
TaskId = NewType("TaskId", str)
GateId = NewType("GateId", str)
FieldId = NewType("FieldId", str)
RoleId = NewType("RoleId", str)
LadderId = NewType("LadderId", str)
MeasureId = NewType("MeasureId", str)
CapacityId = NewType("CapacityId", str)
Reference = NewType("Reference", str)
"""A literal FHIR reference, `Type/id`, without a version."""


class Priority(StrEnum):
    """FHIR R4 request-priority, from least to most urgent."""

    ROUTINE = "routine"
    URGENT = "urgent"
    ASAP = "asap"
    STAT = "stat"


class FollowUpStatus(StrEnum):
    """FHIR R4 Task.status (task-status)."""

    DRAFT = "draft"
    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    READY = "ready"
    CANCELLED = "cancelled"
    IN_PROGRESS = "in-progress"
    ON_HOLD = "on-hold"
    FAILED = "failed"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"


AWAITING_ACCEPTANCE = frozenset({FollowUpStatus.DRAFT, FollowUpStatus.REQUESTED, FollowUpStatus.RECEIVED})
OPEN = AWAITING_ACCEPTANCE | {
    FollowUpStatus.ACCEPTED,
    FollowUpStatus.READY,
    FollowUpStatus.IN_PROGRESS,
    FollowUpStatus.ON_HOLD,
}
ACKNOWLEDGED = frozenset(
    {FollowUpStatus.ACCEPTED, FollowUpStatus.READY, FollowUpStatus.IN_PROGRESS, FollowUpStatus.COMPLETED}
)


class PlanStatus(StrEnum):
    """FHIR R4 CarePlan.status (request-status), as far as Throughline writes or reads it."""

    DRAFT = "draft"
    ACTIVE = "active"
    ON_HOLD = "on-hold"
    REVOKED = "revoked"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"


RUNNING_PLAN = frozenset({PlanStatus.DRAFT, PlanStatus.ACTIVE, PlanStatus.ON_HOLD, PlanStatus.UNKNOWN})


class Timeliness(StrEnum):
    """Task.businessStatus of a follow-up: where it stands against its two clocks. Never a closing state."""

    AWAITING_ACCEPTANCE = "awaiting-acceptance"
    ACCEPTANCE_OVERDUE = "acceptance-overdue"
    ON_TRACK = "on-track"
    ON_HOLD = "on-hold"
    OVERDUE = "overdue"


class Cause(StrEnum):
    """Why an escalation was raised."""

    ACCEPTANCE = "acceptance"
    """The owner did not accept by the accept-by time."""
    COMPLETION = "completion"
    """The follow-up was not done by its complete-by time."""
    REFUSAL = "refusal"
    """The owner rejected the follow-up, so its timeframe cannot be met by that owner."""
    UNREACHABLE = "unreachable"
    """The configured attempts are used up without success."""
    UNOWNED = "unowned"
    """Nobody holds the role that should own the follow-up; the accountable person holds it meanwhile."""


class VarianceKind(StrEnum):
    """A departure from the pathway, kept on the enrolment with its reason."""

    GATE_UNMET = "gate-unmet"
    GATE_WAIVED = "gate-waived"
    COMPLETED_LATE = "completed-late"
    ACCEPTED_LATE = "accepted-late"
    CANCELLED_BY_OWNER = "cancelled-by-owner"
    CLOCK_ASSUMED = "clock-assumed"
    ALREADY_DONE = "already-done"
    UNOWNED = "unowned"
    ENDED_EARLY = "ended-early"
