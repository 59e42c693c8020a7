"""The other pathways that a person is on: what they share, which one ends or keeps out another, whose lead answers.

Everything here is read off the record again each time, so a change that was kept out once stays out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.domain.enrolment import Enrolment
from service.domain.evidence import FollowUp
from service.domain.intents import ChangeFollowUp, Decision
from service.domain.pathway import Pathway
from service.domain.standing import cut_off
from service.domain.versions import Versions
from service.domain.vocabulary import (
    ACKNOWLEDGED,
    OPEN,
    RUNNING_PLAN,
    FollowUpStatus,
    PlanStatus,
    Reference,
    TaskId,
)

SUPERSEDED = "superseded by "
"""How the reason begins with which an enrolment ended because another pathway took over."""


@dataclass(frozen=True, kw_only=True)
class Alongside:
    """What else is known about one person while one of their enrolments is decided."""

    pathways: Versions = field(default_factory=Versions)
    enrolments: tuple[Enrolment, ...] = ()
    """All of them, those that are about to begin included."""
    follow_ups: tuple[FollowUp, ...] = ()
    """All of them, as the decisions made so far leave them."""
    touched: frozenset[str] = frozenset()
    """Identifiers of follow-ups that these decisions change: each is written once, and then looked at again."""

    def after(self, decision: Decision) -> Alongside:
        """The same once a decision is written."""
        known = {f.identifier: f for f in self.follow_ups}
        for change in decision.changes:
            before = known.get(change.identifier)
            if before is not None:
                known[change.identifier] = _changed(before, change)
        for opened in decision.open:
            known[opened.identifier] = opened.follow_up
        others = (e for e in self.enrolments if e.identifier != decision.enrolment.identifier)
        touched = self.touched | {change.identifier for change in decision.changes}
        return replace(
            self, touched=touched, follow_ups=tuple(known.values()), enrolments=(*others, decision.enrolment)
        )


def _changed(before: FollowUp, change: ChangeFollowUp) -> FollowUp:
    """As it will read once the change is written."""
    after = replace(before, complete_by=change.complete_by or before.complete_by)
    if change.status is None:
        return after
    was_accepted = before.status in ACKNOWLEDGED and change.status is FollowUpStatus.CANCELLED
    return replace(
        after,
        status=change.status,
        changed_at=change.changed_at,
        reason=change.because,
        accepted_at=before.changed_at if was_accepted else before.accepted_at,
    )


def superseded_by(enrolment: Enrolment, alongside: Alongside) -> str:
    """The title of the pathway that took over this enrolment; empty while none did."""
    for other in alongside.enrolments:
        pathway = alongside.pathways.get(other)
        if pathway is None or enrolment.pathway not in pathway.supersedes:
            continue
        if _holds_from(other, enrolment.started_at):
            return pathway.title
    return ""


def is_kept_out(pathway: Pathway, at: datetime, alongside: Alongside) -> bool:
    """Whether what happened at `at` begins nothing here, because another pathway had the person then, or has them."""
    for other in alongside.enrolments:
        theirs = alongside.pathways.get(other)
        takes_over = theirs is not None and pathway.id in theirs.supersedes
        if (takes_over or other.pathway in pathway.excludes) and _holds_from(other, at):
            return True
    return False


def _holds_from(other: Enrolment, at: datetime) -> bool:
    """It runs, or it ran at `at` or later and came to its end. One that was revoked never had the person."""
    if other.status in RUNNING_PLAN:
        return True
    ended_at = other.ended_at or other.history[-1].entered_at
    return other.status is PlanStatus.COMPLETED and ended_at >= at


def borrowed(
    pathway: Pathway, enrolment: Enrolment, alongside: Alongside
) -> dict[TaskId, tuple[FollowUp, ...]]:
    """Follow-ups of the person's other running pathways that serve a purpose of this one, by the name they have here.

    Those that are open, and those that were completed, or tried in vain, since this enrolment began. Whoever asks for
    one sees to the next attempt as well, as long as that pathway goes on.
    """
    purposes = [task for _, task in pathway.templates.values() if task.purpose]
    found: dict[TaskId, list[FollowUp]] = {}
    for purpose, follow_up in _of_others({task.purpose for task in purposes}, enrolment, alongside):
        for task in purposes if _serves(follow_up, enrolment) else ():
            if task.purpose == purpose:
                found.setdefault(task.id, []).append(replace(follow_up, task=task.id))
    return {task: tuple(sorted(each, key=lambda f: f.identifier)) for task, each in found.items()}


def former_owners(pathway: Pathway, enrolment: Enrolment, alongside: Alongside) -> dict[TaskId, Reference]:
    """Who had accepted what serves a purpose of this pathway, until another pathway ended while this one ran.

    The person knows them, and they know what is to be done.
    """
    if all(e.status in RUNNING_PLAN for e in alongside.enrolments):
        return {}
    purposes = [task for _, task in pathway.templates.values() if task.purpose]
    left = [
        (follow_up.changed_at, follow_up.identifier, purpose, follow_up.owner)
        for purpose, follow_up in _of_others(
            {t.purpose for t in purposes}, enrolment, alongside, left_over=True
        )
        if cut_off(follow_up) and follow_up.accepted_at is not None
        if follow_up.owner is not None and follow_up.changed_at >= enrolment.started_at
    ]
    by_purpose = {purpose: owner for _, _, purpose, owner in sorted(left)}
    return {task.id: by_purpose[task.purpose] for task in purposes if task.purpose in by_purpose}


def _of_others(
    purposes: Collection[str], enrolment: Enrolment, alongside: Alongside, *, left_over: bool = False
) -> Iterator[tuple[str, FollowUp]]:
    """Their follow-ups with these purposes; `left_over`: those that their pathways did not come to do."""
    running = {
        e.identifier: pathway
        for e in alongside.enrolments
        if e.pathway != enrolment.pathway and (pathway := alongside.pathways.get(e)) is not None
    }
    ended = {e.identifier for e in alongside.enrolments if e.status not in RUNNING_PLAN}
    for follow_up in alongside.follow_ups if purposes and running else ():
        owner = follow_up.identifier.rsplit("/", 2)[0]
        found = running[owner].templates.get(follow_up.task) if owner in running else None
        is_left_over = owner in ended and follow_up.status is not FollowUpStatus.COMPLETED
        if found is not None and found[1].purpose in purposes and is_left_over is left_over:
            yield found[1].purpose, follow_up


def _serves(follow_up: FollowUp, enrolment: Enrolment) -> bool:
    if follow_up.status in OPEN:
        return True
    was_tried = follow_up.status in {FollowUpStatus.COMPLETED, FollowUpStatus.FAILED}
    return was_tried and follow_up.changed_at >= enrolment.started_at


def with_accountable_lead(decisions: Iterable[Decision], pathways: Versions) -> list[Decision]:
    """Each enrolment that goes on says whose lead answers for the person, where that is another pathway's."""
    found = list(decisions)
    running = [d.enrolment for d in found if d.enrolment.status in RUNNING_PLAN]
    first = min(running, key=lambda e: (-pathways[e].precedence, e.started_at, e.identifier), default=None)
    return [_answering_to(decision, first) for decision in found]


def _answering_to(decision: Decision, first: Enrolment | None) -> Decision:
    enrolment = decision.enrolment
    is_first = first is None or first.identifier == enrolment.identifier or first.lead == enrolment.lead
    lead, display = (None, "") if is_first or first is None else (first.lead, first.lead_display)
    if enrolment.status not in RUNNING_PLAN:
        return decision
    if (lead, display) == (enrolment.accountable, enrolment.accountable_display):
        return decision
    revision = enrolment.revision if decision.write_enrolment else enrolment.revision + 1
    answering = replace(enrolment, accountable=lead, accountable_display=display, revision=revision)
    return replace(decision, enrolment=answering, write_enrolment=True)
