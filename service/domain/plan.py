"""Which follow-ups there must be: opened with a named owner and two clocks, kept up to date, never quietly dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.enrolment import Variance
from service.domain.evidence import FollowUp, Roster
from service.domain.intents import ChangeFollowUp, OpenFollowUp
from service.domain.owners import Ownership, is_held, resolve_owner
from service.domain.pathway import FollowUpTask, Stage
from service.domain.place import Placement, position
from service.domain.view import View
from service.domain.vocabulary import (
    AWAITING_ACCEPTANCE,
    OPEN,
    FollowUpStatus,
    Reference,
    RoleId,
    Timeliness,
    VarianceKind,
)

HOLD_LIMIT = timedelta(days=3)
"""A follow-up on hold pauses its clock; an obligation is not given up by pausing, so the pause itself is bounded."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A follow-up as it stands after this decision: on the record already, or just being opened."""

    template: FollowUpTask
    follow_up: FollowUp
    is_latest: bool
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `plan` found for all follow-ups of one enrolment."""

    open: tuple[OpenFollowUp, ...] = ()
    changes: tuple[ChangeFollowUp, ...] = ()
    standings: tuple[Standing, ...] = ()
    variances: tuple[Variance, ...] = ()
    wake_at: tuple[datetime, ...] = ()
    rules: tuple[str, ...] = ()


def plan(view: View, placement: Placement, roster: Roster) -> Plan:
    """Follow-ups of every stage that is reached, each looked at on its own."""
    parts = [
        _plan_one(view, stage, template, placement, roster) for stage, template in _templates(view, placement)
    ]
    return Plan(
        open=tuple(x for part in parts for x in part.open),
        changes=tuple(x for part in parts for x in part.changes),
        standings=tuple(x for part in parts for x in part.standings),
        variances=tuple(x for part in parts for x in part.variances),
        wake_at=tuple(x for part in parts for x in part.wake_at),
        rules=tuple(x for part in parts for x in part.rules),
    )


def close_all(view: View, because: str) -> tuple[ChangeFollowUp, ...]:
    """Cancel what is still open when an enrolment ends, with the reason."""
    return tuple(
        ChangeFollowUp(
            identifier=f.identifier,
            reference=f.reference,
            version=f.version,
            status=FollowUpStatus.CANCELLED,
            because=because,
            changed_at=view.now,
        )
        for f in view.follow_ups
        if f.status in OPEN and f.reference is not None
    )


def timeliness(follow_up: FollowUp, now: datetime) -> Timeliness:
    """Where an open follow-up stands against its clocks."""
    if is_paused(follow_up, now):
        return Timeliness.ON_HOLD
    if follow_up.complete_by is not None and follow_up.complete_by <= now:
        return Timeliness.OVERDUE
    if follow_up.status not in AWAITING_ACCEPTANCE:
        return Timeliness.ON_TRACK
    if follow_up.accept_by is not None and follow_up.accept_by <= now:
        return Timeliness.ACCEPTANCE_OVERDUE
    return Timeliness.AWAITING_ACCEPTANCE


def is_paused(follow_up: FollowUp, now: datetime) -> bool:
    """On hold, and not for longer than a hold may last."""
    return follow_up.status is FollowUpStatus.ON_HOLD and now < follow_up.changed_at + HOLD_LIMIT


def refused(follow_up: FollowUp) -> bool:
    """Rejected, or cancelled without a word why: the obligation stands and needs another owner."""
    if follow_up.status is FollowUpStatus.CANCELLED:
        return not follow_up.reason
    return follow_up.status is FollowUpStatus.REJECTED


def _templates(view: View, placement: Placement) -> Iterator[tuple[Stage, FollowUpTask]]:
    furthest = max(position(view.pathway, placement.reached), position(view.pathway, placement.stage))
    for stage in view.pathway.stages[: furthest + 1]:
        for template in stage.tasks:
            yield stage, template


def _plan_one(view: View, stage: Stage, template: FollowUpTask, placement: Placement, roster: Roster) -> Plan:
    occurrences = view.occurrences(template.id)
    done_at = view.done_at(template)
    earlier = _standings(template, occurrences[:-1], done_at, latest=False)
    if not occurrences:
        return _first(view, stage, template, placement, roster, done_at)
    latest = occurrences[-1]
    if latest.status in OPEN:
        part = _keep(view, template, latest, done_at, placement, stage)
    elif done_at is None and (again := _again(view, template, latest)) is not None:
        part = _reopen(view, stage, template, placement, roster, latest, not_before=again)
    else:
        part = Plan(standings=_standings(template, [latest], done_at, latest=True))
    late = _lateness(template, occurrences)
    return Plan(
        open=part.open,
        changes=part.changes,
        standings=(*earlier, *part.standings),
        variances=(*part.variances, *late),
        wake_at=part.wake_at,
        rules=part.rules,
    )


def _standings(
    template: FollowUpTask, follow_ups: list[FollowUp], done_at: datetime | None, *, latest: bool
) -> tuple[Standing, ...]:
    return tuple(
        Standing(template=template, follow_up=f, is_latest=latest, done_at=done_at) for f in follow_ups
    )


# --- opening ---


def _first(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    roster: Roster,
    done_at: datetime | None,
) -> Plan:
    if done_at is not None:
        reason = f"{template.title}: the record shows it was done already"
        done = Variance(kind=VarianceKind.ALREADY_DONE, subject=template.id, at=done_at, reason=reason)
        return Plan(variances=(done,))
    if template.opens_when and not view.is_met(template.opens_when):
        return Plan()
    if template.opens_after is not None:
        opens_at = view.due(_clock(view, stage, template, placement), template.opens_after)
        if opens_at > view.now:
            return Plan(wake_at=(opens_at,))
    ownership = resolve_owner(template.owner, roster)
    return _open(view, stage, template, placement, ownership, occurrence=1, because=_reason(view, template))


def _reopen(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    roster: Roster,
    latest: FollowUp,
    *,
    not_before: datetime,
) -> Plan:
    standing = _standings(template, [latest], None, latest=False)
    if not_before > view.now:
        return Plan(standings=standing, wake_at=(not_before,))
    ownership = _next_owner(view, template, roster, latest)
    because = f"{template.title} is still needed: the earlier request is {latest.status.value}"
    opened = _open(
        view,
        stage,
        template,
        placement,
        ownership,
        occurrence=latest.occurrence + 1,
        because=because,
        after=latest,
    )
    return Plan(
        open=opened.open,
        standings=(*standing, *opened.standings),
        wake_at=opened.wake_at,
        rules=opened.rules,
    )


def _again(view: View, template: FollowUpTask, latest: FollowUp) -> datetime | None:
    """From when a closed follow-up must be asked for again; None when it need not."""
    if refused(latest) or latest.status is FollowUpStatus.ENTERED_IN_ERROR:
        return latest.changed_at
    if latest.status is FollowUpStatus.FAILED and _failed(view, template) < template.attempts:
        every = template.attempt_every
        return view.due(latest.changed_at, every) if every else latest.changed_at
    return None


def _failed(view: View, template: FollowUpTask) -> int:
    return sum(f.status is FollowUpStatus.FAILED for f in view.occurrences(template.id))


def _next_owner(view: View, template: FollowUpTask, roster: Roster, latest: FollowUp) -> Ownership:
    """After a failed attempt the same role goes on; after a refusal somebody else: same role, ladder, then lead."""
    if not refused(latest):
        return resolve_owner(template.owner, roster)
    not_again = _refusers(view, template)
    roles: list[RoleId] = [template.owner]
    if template.escalation is not None:
        roles.extend(rung.notify for rung in view.pathway.ladders[template.escalation].rungs)
    for role in (*roles, view.pathway.lead):
        ownership = resolve_owner(role, roster, not_again=not_again)
        if not ownership.is_stand_in:
            return ownership
    return resolve_owner(template.owner, roster, not_again=not_again)


def _refusers(view: View, template: FollowUpTask) -> list[Reference]:
    return [f.owner for f in view.occurrences(template.id) if refused(f) and f.owner is not None]


def _open(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    ownership: Ownership,
    *,
    occurrence: int,
    because: str,
    after: FollowUp | None = None,
) -> Plan:
    opened_at = view.now
    complete_by = _complete_by(view, stage, template, placement, opened_at=opened_at, after=after)
    accept_by = view.due(opened_at, template.accept_within)
    if opened_at < complete_by < accept_by:
        accept_by = complete_by
    follow_up = FollowUp(
        identifier=f"{view.identifier}/{template.id}/{occurrence}",
        task=template.id,
        occurrence=occurrence,
        reference=None,
        version="",
        status=FollowUpStatus.REQUESTED,
        owner=ownership.holder.reference,
        opened_at=opened_at,
        changed_at=opened_at,
        accept_by=accept_by,
        complete_by=complete_by,
        priority=template.priority,
        timeliness=None,
    )
    opened = OpenFollowUp(
        identifier=follow_up.identifier,
        task=template,
        occurrence=occurrence,
        owner=ownership.holder,
        owner_found_by=ownership.found_by.value,
        owner_role_title=view.pathway.role_titles.get(template.owner, str(template.owner)),
        opened_at=opened_at,
        accept_by=accept_by,
        complete_by=complete_by,
        priority=template.priority,
        timeliness=timeliness(follow_up, view.now).value,
        because=because,
    )
    return Plan(
        open=(opened,),
        standings=_standings(template, [follow_up], None, latest=True),
        rules=(f"opened {template.id}/{occurrence}: {because}",),
        wake_at=tuple(_future(follow_up, view.now)),
    )


def _reason(view: View, template: FollowUpTask) -> str:
    return view.pathway.sources.get(template.why, "") or template.title


def _clock(view: View, stage: Stage, template: FollowUpTask, placement: Placement) -> datetime:
    if template.clock == "stage":
        entered = [e.entered_at for e in placement.history if e.stage == stage.id]
        # A stage that is reached but held by a gate has no entry yet; its evidence starts the clock all the same.
        return entered[0] if entered else view.met_at(stage.enter) or view.situation.started_at
    return view.situation.started_at


def _complete_by(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    *,
    opened_at: datetime,
    after: FollowUp | None = None,
) -> datetime:
    within = template.due_in.otherwise
    if template.due_in.criterion is not None:
        level = view.level(template.due_in.criterion)
        within = template.due_in.by_level.get(level or "", within)
    if after is not None and after.status is FollowUpStatus.FAILED and template.attempt_every is not None:
        return view.due(opened_at, template.attempt_every)
    start_at = opened_at if template.clock == "opened" else _clock(view, stage, template, placement)
    return view.due(start_at, within)


# --- keeping what is open up to date ---


def _keep(
    view: View,
    template: FollowUpTask,
    latest: FollowUp,
    done_at: datetime | None,
    placement: Placement,
    stage: Stage,
) -> Plan:
    if done_at is not None:
        return _found_done(view, template, latest, done_at)
    due = _replanned(view, stage, template, placement, latest)
    now_due = due or latest.complete_by
    current = FollowUp(**{**vars(latest), "complete_by": now_due})
    status = timeliness(current, view.now)
    standings = _standings(template, [current], None, latest=True)
    wake_at = tuple(_future(current, view.now))
    if due is None and status.value == latest.timeliness:
        return Plan(standings=standings, wake_at=wake_at)
    because = f"{template.title}: {status.value}" + (
        f", due {due.isoformat()} by its criterion" if due else ""
    )
    change = ChangeFollowUp(
        identifier=latest.identifier,
        reference=latest.reference or Reference(""),
        version=latest.version,
        complete_by=due,
        timeliness=status.value,
        because=because,
        changed_at=view.now,
    )
    return Plan(changes=(change,), standings=standings, wake_at=wake_at, rules=(because,))


def _future(follow_up: FollowUp, now: datetime) -> Iterator[datetime]:
    times = [follow_up.complete_by]
    if follow_up.status in AWAITING_ACCEPTANCE:
        times.append(follow_up.accept_by)
    if follow_up.status is FollowUpStatus.ON_HOLD:
        times.append(follow_up.changed_at + HOLD_LIMIT)
    yield from (at for at in times if at is not None and at > now)


def _replanned(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, latest: FollowUp
) -> datetime | None:
    """The new due time where a criterion decides it and has changed. A date that people moved by hand is theirs."""
    if template.due_in.criterion is None:
        return None
    due = _complete_by(view, stage, template, placement, opened_at=latest.opened_at)
    return due if latest.complete_by is None or due != latest.complete_by else None


def _found_done(view: View, template: FollowUpTask, latest: FollowUp, done_at: datetime) -> Plan:
    evidence = view.found(template.done_when)
    because = f"{template.title}: the record shows it was done"
    change = ChangeFollowUp(
        identifier=latest.identifier,
        reference=latest.reference or Reference(""),
        version=latest.version,
        status=FollowUpStatus.COMPLETED,
        found=evidence.reference if evidence else None,
        because=because,
        changed_at=max(done_at, latest.opened_at),
    )
    completed = FollowUp(
        **{**vars(latest), "status": FollowUpStatus.COMPLETED, "changed_at": change.changed_at}
    )
    return Plan(
        changes=(change,),
        standings=_standings(template, [completed], done_at, latest=True),
        rules=(because,),
        variances=tuple(_lateness(template, [completed])),
    )


def _lateness(template: FollowUpTask, occurrences: list[FollowUp]) -> list[Variance]:
    """Late completion stays possible and stays visible."""
    return [
        Variance(
            kind=VarianceKind.COMPLETED_LATE,
            subject=f"{template.id}/{f.occurrence}",
            at=f.changed_at,
            reason=f"{template.title}: done after its time",
        )
        for f in occurrences
        if f.status is FollowUpStatus.COMPLETED and f.complete_by is not None and f.changed_at > f.complete_by
    ] + [
        Variance(
            kind=VarianceKind.CANCELLED_BY_OWNER,
            subject=f"{template.id}/{f.occurrence}",
            at=f.changed_at,
            reason=f.reason or "",
        )
        for f in occurrences
        if f.status is FollowUpStatus.CANCELLED and f.reason
    ]


def unowned_roles(plan_made: Plan, roster: Roster) -> tuple[RoleId, ...]:
    """Roles of open follow-ups that nobody holds in their own right."""
    roles = [s.template.owner for s in plan_made.standings if s.is_latest and s.follow_up.status in OPEN]
    return tuple(dict.fromkeys(role for role in roles if not is_held(role, roster)))
