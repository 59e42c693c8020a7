"""Silence escalates: which rungs of which ladders must stand in the record now, and when the next one is due.

Rungs rise by time until somebody acknowledges. An acknowledgement is itself a promise with a time: when the response
is not finished by then, the next rung follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from service.domain.attempts import under_way
from service.domain.escalation_subjects import (
    CAUSES,
    Subject,
    remembered,
    silence_ends_at,
    subjects_of,
    told_of,
    unowned_subject,
)
from service.domain.evidence import Holder, Roster, RungSeen, highest
from service.domain.intents import ChangeFollowUp, KeepEscalation, RaiseRung
from service.domain.owners import known_holder, resolve_owner
from service.domain.pathway import Ladder, LadderRung
from service.domain.standing import Standing
from service.domain.view import View
from service.domain.vocabulary import (
    AWAITING_ACCEPTANCE,
    OPEN,
    RUNNING_PLAN,
    Cause,
    FollowUpStatus,
    PlanStatus,
    Priority,
    RoleId,
)

_ORDER = tuple(Priority)


@dataclass(frozen=True, kw_only=True)
class Escalations:
    """What must be written about escalations, and when to look again."""

    plans: tuple[KeepEscalation, ...] = ()
    rungs: tuple[RaiseRung, ...] = ()
    changes: tuple[ChangeFollowUp, ...] = ()
    wake_at: tuple[datetime, ...] = ()
    rules: tuple[str, ...] = ()


def escalate(
    view: View, standings: Iterable[Standing], unowned: tuple[RoleId, ...], roster: Roster
) -> Escalations:
    """All escalations of one enrolment as they should be now."""
    standings = tuple(standings)
    coming = [
        at for s in standings for cause in CAUSES if (at := silence_ends_at(view, s, cause)) and at > view.now
    ]
    subjects = [subject for standing in standings for subject in subjects_of(view, standing, standings)]
    subjects.extend(unowned_subject(view, standings, unowned))
    raised = [_one(view, subject, roster) for subject in subjects]
    return _together([*raised, Escalations(wake_at=tuple(coming))])


def close_all(view: View, because: str) -> Escalations:
    """End every running escalation because its enrolment ended."""
    return _together(_closed(view, remembered(view, seen), because) for seen in view.escalations)


def next_rung_at(
    view: View, ladder: Ladder, missed_at: datetime, rungs: tuple[RungSeen, ...]
) -> datetime | None:
    """When the rung after those already raised is due; None at the top of the ladder."""
    number = highest(rungs)
    if number >= len(ladder.rungs):
        return None
    if not rungs:
        return view.due(missed_at, ladder.rungs[0].after)
    on_schedule = view.due(missed_at, ladder.rungs[number].after)
    newest = max(rungs, key=lambda rung: (_is_acknowledged(rung), rung.number))
    if not _is_acknowledged(newest):
        return on_schedule
    # The ladder stops here. Whoever took it on has their response time from then on, and whoever finished while the
    # follow-up is still not done has shown that more is needed by then; only after that does silence count again.
    rests_until = view.due(newest.changed_at, ladder.rungs[newest.number - 1].respond_within)
    return max(on_schedule, rests_until)


def _is_acknowledged(rung: RungSeen) -> bool:
    held = rung.status in OPEN and rung.status not in AWAITING_ACCEPTANCE
    return held or rung.status is FollowUpStatus.COMPLETED


def _one(view: View, subject: Subject, roster: Roster) -> Escalations:
    seen = subject.existing
    if seen is not None and seen.status not in RUNNING_PLAN and seen.reference is not None:
        # Closed, by us or by people. Responses that a crash left open under it are no longer asked for.
        return _closed(view, subject, "the escalation was closed")
    if subject.resolved:
        return _closed(view, subject, subject.resolved) if seen is not None else Escalations()
    raised = _rungs_due(view, subject, roster)
    rungs = seen.rungs if seen else ()
    coming = _next_rung_at(view, subject, _as_seen(rungs, raised))
    wake_at = (coming,) if coming is not None and coming > view.now else ()
    mended = _missing_notices(subject, rungs, roster)
    # A vacancy has no time of its own in the record, so its plan keeps it from the first moment on.
    is_remembered = seen is not None or subject.cause is not Cause.UNOWNED
    incomplete = not is_remembered or (
        seen is not None and (seen.reference is None or seen.listed < len(rungs))
    )
    if not (raised or incomplete):
        return Escalations(rungs=tuple(mended), wake_at=wake_at)
    kept = _keep(view, subject, rungs, raised, roster)
    return Escalations(
        plans=(kept,),
        rungs=(*mended, *raised),
        changes=tuple(_reassigned(view, subject, raised)),
        wake_at=wake_at,
        rules=tuple(f"rung {r.number} of {subject.ladder.id}: {r.why}" for r in raised),
    )


def _next_rung_at(view: View, subject: Subject, rungs: tuple[RungSeen, ...]) -> datetime | None:
    """The ladder rests while the follow-up is on hold, for as long as a hold may last."""
    at = next_rung_at(view, subject.ladder, subject.missed_at, rungs)
    return max(at, subject.rests_until) if at is not None and subject.rests_until is not None else at


def _rungs_due(view: View, subject: Subject, roster: Roster) -> list[RaiseRung]:
    seen = subject.existing.rungs if subject.existing else ()
    due: list[RaiseRung] = []
    while True:
        at = _next_rung_at(view, subject, _as_seen(seen, due))
        if at is None or at > view.now:
            return due
        number = highest(_as_seen(seen, due)) + 1
        due.append(_raise(view, subject, subject.ladder.rungs[number - 1], number, roster))


def _raise(view: View, subject: Subject, rung: LadderRung, number: int, roster: Roster) -> RaiseRung:
    return RaiseRung(
        escalation=subject.identifier,
        number=number,
        recipient=told_of(view, subject, rung.notify, roster),
        recipient_role=rung.notify,
        priority=rung.priority,
        raised_at=view.now,
        respond_by=view.due(view.now, rung.respond_within),
        why=subject.why,
        asked=subject.asked,
    )


def _as_seen(seen: tuple[RungSeen, ...], raised: Iterable[RaiseRung]) -> tuple[RungSeen, ...]:
    return seen + tuple(rung_as_seen(rung) for rung in raised)


def rung_as_seen(rung: RaiseRung) -> RungSeen:
    """A rung that is just being raised, as it will read on the record."""
    return RungSeen(
        number=rung.number,
        reference=None,
        version="",
        status=FollowUpStatus.REQUESTED,
        owner=rung.recipient.reference,
        raised_at=rung.raised_at,
        changed_at=rung.raised_at,
        respond_by=rung.respond_by,
    )


def _missing_notices(subject: Subject, rungs: tuple[RungSeen, ...], roster: Roster) -> list[RaiseRung]:
    """A crash between two writes can leave a response Task without its Communication; it is sent now."""
    return [
        RaiseRung(
            escalation=subject.identifier,
            number=rung.number,
            recipient=_recipient(rung, subject.ladder, roster),
            recipient_role=subject.ladder.rungs[min(rung.number, len(subject.ladder.rungs)) - 1].notify,
            priority=subject.ladder.rungs[min(rung.number, len(subject.ladder.rungs)) - 1].priority,
            raised_at=rung.raised_at,
            respond_by=rung.respond_by or rung.raised_at,
            why=subject.why,
            asked=subject.asked,
            write_task=False,
        )
        for rung in rungs
        if not rung.notice_exists
    ]


def _recipient(rung: RungSeen, ladder: Ladder, roster: Roster) -> Holder:
    if rung.owner is not None:
        return known_holder(rung.owner, roster)
    return resolve_owner(ladder.rungs[min(rung.number, len(ladder.rungs)) - 1].notify, roster).holder


def _keep(
    view: View, subject: Subject, rungs: tuple[RungSeen, ...], raised: list[RaiseRung], roster: Roster
) -> KeepEscalation:
    number = highest(rungs) + len(raised)
    up_to = subject.ladder.rungs[:number]
    addressed = [_recipient(rung, subject.ladder, roster) for rung in rungs] + [
        rung.recipient for rung in raised
    ]
    newest = max((r.respond_by for r in raised), default=rungs[-1].respond_by if rungs else None)
    seen = subject.existing
    return KeepEscalation(
        identifier=subject.identifier,
        reference=seen.reference if seen else None,
        version=seen.version if seen else "",
        status=PlanStatus.ACTIVE,
        task=subject.task,
        task_title=subject.title,
        about=subject.about,
        cause=subject.cause,
        missed_at=subject.missed_at,
        priority=max((r.priority for r in up_to), key=_ORDER.index, default=Priority.URGENT),
        support=tuple(dict.fromkeys(action for rung in up_to for action in rung.plan)),
        rungs=number,
        addressed_to=tuple({holder.reference: holder for holder in addressed}.values()),
        respond_by=newest,
        because=subject.why,
        changed_at=view.now,
    )


def _reassigned(view: View, subject: Subject, raised: list[RaiseRung]) -> Iterator[ChangeFollowUp]:
    """Where the ladder says so, its newest holder is asked for the follow-up, also if somebody else had accepted it."""
    moving = [rung for rung in raised if subject.ladder.rungs[rung.number - 1].reassign]
    about = next((f for f in view.follow_ups if f.identifier == subject.about), None)
    follow_up = under_way(view, about) if about is not None else None
    if not moving or follow_up is None or follow_up.reference is None or follow_up.status not in OPEN:
        return
    moves = moving[-1].recipient.reference != follow_up.owner
    yield ChangeFollowUp(
        identifier=follow_up.identifier,
        reference=follow_up.reference,
        version=follow_up.version,
        status=FollowUpStatus.REQUESTED if moves and follow_up.status not in AWAITING_ACCEPTANCE else None,
        owner=moving[-1].recipient,
        priority=moving[-1].priority,
        because=f"moved by the escalation: {subject.why}",
        changed_at=view.now,
    )


def _closed(view: View, subject: Subject, because: str) -> Escalations:
    seen = subject.existing
    if seen is None:
        return Escalations()
    open_responses = [rung for rung in seen.rungs if rung.status in OPEN and rung.reference is not None]
    changes = [
        ChangeFollowUp(
            identifier=f"{seen.identifier}/{rung.number}",
            reference=rung.reference,
            version=rung.version,
            status=FollowUpStatus.CANCELLED,
            because=f"no longer needed: {because}",
            changed_at=view.now,
        )
        for rung in open_responses
        if rung.reference is not None
    ]
    if seen.status not in RUNNING_PLAN:
        return Escalations(changes=tuple(changes))
    kept = KeepEscalation(
        identifier=seen.identifier,
        reference=seen.reference,
        version=seen.version,
        status=PlanStatus.COMPLETED,
        task=seen.task,
        task_title=subject.title,
        about=subject.about,
        cause=seen.cause,
        missed_at=seen.missed_at,
        priority=Priority.ROUTINE,
        support=(),
        rungs=highest(seen.rungs),
        addressed_to=(),
        respond_by=None,
        because=because,
        changed_at=view.now,
    )
    return Escalations(plans=(kept,), changes=tuple(changes), rules=(f"escalation closed: {because}",))


def _together(parts: Iterable[Escalations]) -> Escalations:
    found = list(parts)
    return Escalations(
        plans=tuple(x for part in found for x in part.plans),
        rungs=tuple(x for part in found for x in part.rungs),
        changes=tuple(x for part in found for x in part.changes),
        wake_at=tuple(x for part in found for x in part.wake_at),
        rules=tuple(x for part in found for x in part.rules),
    )
