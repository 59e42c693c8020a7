"""What there is to escalate: a follow-up nobody accepted, did or could take on, a person nobody reached, a role nobody
holds. Each is one subject with its ladder, since when it has been missed, and whether it is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.attempts import is_still_owed, promised_by, under_way
from service.domain.evidence import EscalationSeen, FollowUp, Holder, Roster
from service.domain.owners import known_holder, resolve_owner
from service.domain.pathway import Ladder
from service.domain.standing import Standing, hold_ends_at, is_paused, refused
from service.domain.view import View
from service.domain.vocabulary import (
    AWAITING_ACCEPTANCE,
    OPEN,
    RUNNING_PLAN,
    Cause,
    FollowUpStatus,
    RoleId,
    TaskId,
)

UNOWNED_TASK = TaskId("unowned")

CAUSES = (Cause.ACCEPTANCE, Cause.COMPLETION, Cause.REFUSAL, Cause.UNREACHABLE)
_SILENCE = (Cause.ACCEPTANCE, Cause.COMPLETION)
"""Not accepted and not done are one silence about one follow-up, whichever attempt of it is under way."""


_WHY = {
    Cause.ACCEPTANCE: "{title}: nobody has accepted it by its time",
    Cause.COMPLETION: "{title}: not done by its time",
    Cause.REFUSAL: "{title}: it could not be taken on, so its timeframe is at risk",
    Cause.UNREACHABLE: "{title}: the agreed attempts have been made without success",
    Cause.UNOWNED: "{title}",
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an escalation is about: one follow-up (or the roles nobody holds) and why."""

    identifier: str
    task: TaskId
    title: str
    about: str
    cause: Cause
    missed_at: datetime
    ladder: Ladder
    why: str
    asked: str
    resolved: str = ""
    """Why it is over; empty while it is not."""
    existing: EscalationSeen | None = None
    rests_until: datetime | None = None
    """No further rung before this, because the follow-up is on hold."""


def subjects_of(view: View, standing: Standing, standings: tuple[Standing, ...]) -> Iterator[Subject]:
    template, follow_up = standing.template, standing.follow_up
    if template.escalation is None:
        return
    ladder = view.pathway.ladders[template.escalation]
    for cause in CAUSES:
        identifier = f"{follow_up.identifier}/{cause.value}"
        existing = next((e for e in view.escalations if e.identifier == identifier), None)
        missed_at = _missed_at(view, standing, cause)
        if existing is None and (missed_at is None or _covered(view, standing, cause, standings)):
            continue
        current = under_way(view, follow_up)
        yield Subject(
            identifier=identifier,
            task=template.id,
            title=template.title,
            about=follow_up.identifier,
            cause=cause,
            missed_at=existing.missed_at if existing else missed_at or view.now,
            ladder=ladder,
            why=_WHY[cause].format(title=template.title),
            asked=template.ask,
            resolved=_resolved(view, standing, cause, standings),
            existing=existing,
            rests_until=hold_ends_at(current) if current.status is FollowUpStatus.ON_HOLD else None,
        )


def _missed_at(view: View, standing: Standing, cause: Cause) -> datetime | None:
    """Since when the cause has held; None when it does not hold now."""
    due_at = silence_ends_at(view, standing, cause)
    return due_at if due_at is not None and due_at <= view.now else None


def silence_ends_at(view: View, standing: Standing, cause: Cause) -> datetime | None:
    """When silence about this follow-up becomes, or became, an escalation; None when it cannot."""
    follow_up = standing.follow_up
    if standing.done_at is not None or standing.template.escalation is None:
        return None
    match cause:
        case Cause.REFUSAL:
            return follow_up.changed_at if refused(follow_up) else None
        case Cause.UNREACHABLE:
            exhausted = standing.is_latest and follow_up.status is FollowUpStatus.FAILED
            return follow_up.changed_at if exhausted and not _tries_left(view, standing) else None
        case Cause.ACCEPTANCE:
            return follow_up.accept_by if follow_up.status in AWAITING_ACCEPTANCE else None
        case _:
            return _completion_due_at(view, standing)


def _completion_due_at(view: View, standing: Standing) -> datetime | None:
    follow_up = standing.follow_up
    due_at = follow_up.complete_by
    if standing.template.escalation is not None and is_still_owed(view, standing):
        return promised_by(view, standing, view.pathway.ladders[standing.template.escalation])
    if due_at is None or follow_up.status not in OPEN:
        return None
    if is_paused(follow_up, view.now) or follow_up.status is FollowUpStatus.ON_HOLD:
        return max(due_at, hold_ends_at(follow_up))
    taken_on_late = follow_up.status not in AWAITING_ACCEPTANCE and follow_up.changed_at > due_at
    if taken_on_late and standing.template.escalation is not None:
        # Somebody has just taken on what was overdue: one response time before the ladder starts on them.
        first = view.pathway.ladders[standing.template.escalation].rungs[0]
        return view.due(follow_up.changed_at, first.respond_within)
    # Of what was opened when its time had already passed, nobody could know before: the ladder starts at its foot.
    return max(due_at, follow_up.opened_at)


def _tries_left(view: View, standing: Standing) -> bool:
    attempts = view.attempts_with(standing.follow_up)
    failed = sum(f.status is FollowUpStatus.FAILED for f in attempts)
    return failed < standing.template.attempts


def _covered(view: View, standing: Standing, cause: Cause, standings: tuple[Standing, ...]) -> bool:
    """A follow-up that nobody accepted and that is now overdue is one escalation, not two: the one that came first.

    So is one whose promised time has passed between two attempts, and whose next attempt is overdue as well.
    """
    mine = _silence(view, standing, cause)
    if cause not in _SILENCE or mine is None:
        return False
    others = [
        theirs
        for other in standings
        if other.template.id == standing.template.id
        for silence in _SILENCE
        if (other is not standing or silence is not cause)
        and (theirs := _silence(view, other, silence)) is not None
    ]
    return any(theirs < mine for theirs in others)


def _silence(view: View, standing: Standing, cause: Cause) -> tuple[bool, datetime, int, int] | None:
    """A silence that is broken now, in the order in which one of several speaks: a ladder that is being climbed goes on.
    None once its escalation was closed: it will not speak again, so it covers nothing.
    """
    missed_at = _missed_at(view, standing, cause)
    identifier = f"{standing.follow_up.identifier}/{cause.value}"
    existing = next((e for e in view.escalations if e.identifier == identifier), None)
    if missed_at is None or (existing is not None and existing.status not in RUNNING_PLAN):
        return None
    return existing is None, missed_at, standing.follow_up.occurrence, CAUSES.index(cause)


def _resolved(view: View, standing: Standing, cause: Cause, standings: tuple[Standing, ...]) -> str:
    follow_up = standing.follow_up
    if standing.done_at is not None:
        return f"{standing.template.title} is done"
    if cause is Cause.REFUSAL:
        return _taken_on(standing, standings)
    if cause is Cause.UNREACHABLE:
        return "" if _missed_at(view, standing, cause) else f"{standing.template.title} goes on"
    if cause is Cause.COMPLETION and is_still_owed(view, standing):
        return ""
    if follow_up.status is FollowUpStatus.FAILED:
        return "the attempt was made"
    if follow_up.status not in OPEN:
        return f"the follow-up was closed as {follow_up.status.value}"
    if cause is Cause.ACCEPTANCE and follow_up.status not in AWAITING_ACCEPTANCE:
        return "the follow-up was accepted"
    return ""


def _taken_on(standing: Standing, standings: tuple[Standing, ...]) -> str:
    for other in standings:
        same = other.template.id == standing.template.id
        if not same or other.follow_up.occurrence <= standing.follow_up.occurrence:
            continue
        status = other.follow_up.status
        if status in OPEN - AWAITING_ACCEPTANCE:
            return f"{standing.template.title} was accepted by another owner"
        if status is FollowUpStatus.FAILED or (
            status is FollowUpStatus.CANCELLED and not refused(other.follow_up)
        ):
            return f"{standing.template.title} was taken on by another owner and closed as {status.value}"
    return ""


def unowned_subject(
    view: View, standings: tuple[Standing, ...], unowned: tuple[RoleId, ...]
) -> Iterator[Subject]:
    """Roles that nobody holds. Once that was put right, a follow-up that is unowned again is a new escalation."""
    known = [e for e in view.escalations if e.task == UNOWNED_TASK]
    yield from (remembered(view, e) for e in known if e.status not in RUNNING_PLAN)
    running = next((e for e in known if e.status in RUNNING_PLAN), None)
    affected = [
        s.follow_up
        for s in standings
        if s.is_latest and s.follow_up.status in OPEN and s.template.owner in unowned
    ]
    if running is None and not any(f.opened_at > _last_told_at(known, f) for f in affected):
        return
    number = running.occurrence if running else 1 + max((e.occurrence for e in known), default=0)
    titles = ", ".join(view.pathway.role_titles.get(role, str(role)) for role in unowned)
    yield Subject(
        identifier=f"{view.identifier}/{UNOWNED_TASK}/{number}/{Cause.UNOWNED.value}",
        task=UNOWNED_TASK,
        title="Follow-ups without a holder of their role",
        about=affected[0].identifier if affected else view.identifier,
        cause=Cause.UNOWNED,
        missed_at=running.missed_at if running else view.now,
        ladder=view.pathway.unowned,
        why=f"nobody is named for: {titles}; until somebody is, the accountable person holds these follow-ups",
        asked="Name a person for each of these roles, in the care team or the practitioner directory.",
        resolved="" if unowned else "every role is held by a named person",
        existing=running,
    )


def told_of(view: View, subject: Subject, role: RoleId, roster: Roster) -> Holder:
    """Who hears of it: a holder of the role, but rather not the one whose silence it is."""
    about = next((f for f in view.follow_ups if f.identifier == subject.about), None)
    owner = under_way(view, about).owner if about is not None else None
    silent = known_holder(owner, roster) if owner is not None else None
    not_again = (silent.reference, silent.practitioner) if silent else ()
    other = resolve_owner(role, roster, not_again=not_again)
    return resolve_owner(role, roster).holder if other.is_stand_in else other.holder


def _last_told_at(known: list[EscalationSeen], follow_up: FollowUp) -> datetime:
    """When somebody was last told that a role is not held; before the follow-up itself when nobody ever was."""
    told = [rung.raised_at for e in known for rung in e.rungs]
    return max(told, default=follow_up.opened_at - timedelta(microseconds=1))


def remembered(view: View, seen: EscalationSeen) -> Subject:
    template = view.template(seen.task)
    ladder_id = template.escalation if template else None
    return Subject(
        identifier=seen.identifier,
        task=seen.task,
        title=template.title if template else "Follow-ups without a holder of their role",
        about=f"{view.identifier}/{seen.task}/{seen.occurrence}",
        cause=seen.cause,
        missed_at=seen.missed_at,
        ladder=view.pathway.ladders[ladder_id] if ladder_id else view.pathway.unowned,
        why="",
        asked="",
        existing=seen,
    )
