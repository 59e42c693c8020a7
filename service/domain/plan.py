"""Which follow-ups there must be: opened with a named owner and two clocks, kept up to date, never quietly dropped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from service.domain.enrolment import Variance
from service.domain.evidence import FollowUp, Roster
from service.domain.intents import ChangeFollowUp
from service.domain.opening import ask_again_from, complete_by_of, open_again, open_first, possible_times
from service.domain.owners import is_held
from service.domain.pathway import FollowUpTask, Stage
from service.domain.place import Placement, position
from service.domain.planned import Plan, future_clocks, together
from service.domain.standing import cut_off, standings_of, timeliness
from service.domain.view import View, misses_of
from service.domain.vocabulary import OPEN, FollowUpStatus, Reference, RoleId, VarianceKind


def plan(view: View, placement: Placement, roster: Roster) -> Plan:
    """Follow-ups of every stage that is reached, each looked at on its own."""
    parts = [
        _plan_one(view, stage, template, placement, roster) for stage, template in _templates(view, placement)
    ]
    # A follow-up that is closed but not done is still missed when its time comes, and others may open on that.
    closed = {f.task for f in view.follow_ups if f.status not in OPEN}
    misses = sorted(at for task in closed for at in misses_of(view, task) if at > view.now)
    return together([*parts, Plan(wake_at=tuple(misses))])


def close_all(view: View, because: str) -> Plan:
    """When an enrolment ends: what the record shows as done is completed, the rest cancelled with the reason."""
    parts = [_close(view, follow_up, because) for follow_up in view.follow_ups if follow_up.status in OPEN]
    late = [
        variance
        for template in (t for stage in view.pathway.stages for t in stage.tasks)
        for variance in _lateness(template, view.occurrences(template.id))
        if variance.reason != because  # our own cancellation, of a closing that a crash interrupted
    ]
    return together([*parts, Plan(variances=tuple(late))])


def _close(view: View, follow_up: FollowUp, because: str) -> Plan:
    template = view.template(follow_up.task)
    done_at = view.done_at(template) if template else None
    if template is not None and done_at is not None:
        return _found_done(view, template, follow_up, done_at)
    change = ChangeFollowUp(
        identifier=follow_up.identifier,
        reference=follow_up.reference or Reference(""),
        version=follow_up.version,
        status=FollowUpStatus.CANCELLED,
        because=because,
        changed_at=view.now,
    )
    return Plan(changes=(change,))


def _templates(view: View, placement: Placement) -> Iterator[tuple[Stage, FollowUpTask]]:
    furthest = max(position(view.pathway, placement.reached), position(view.pathway, placement.stage))
    for stage in view.pathway.stages[: furthest + 1]:
        yield from ((stage, template) for template in stage.tasks)
    for stage in view.pathway.stages[furthest + 1 :]:
        # Opened while the evidence reached further (it has been corrected since): not given up by silence.
        yield from ((stage, template) for template in stage.tasks if view.occurrences(template.id))


def _plan_one(view: View, stage: Stage, template: FollowUpTask, placement: Placement, roster: Roster) -> Plan:
    occurrences = view.occurrences(template.id)
    done_at = view.done_at(template)
    earlier = standings_of(template, occurrences[:-1], done_at, latest=False)
    if not occurrences:
        return open_first(view, stage, template, placement, roster, done_at)
    latest = occurrences[-1]
    if latest.status in OPEN:
        part = _keep(view, template, latest, done_at, placement, stage)
    elif done_at is None and (again := ask_again_from(view, template, latest)) is not None:
        part = open_again(view, stage, template, placement, roster, latest, not_before=again)
    else:
        part = Plan(standings=standings_of(template, [latest], done_at, latest=True))
    late = _lateness(template, occurrences)
    return Plan(
        open=part.open,
        changes=part.changes,
        standings=(*earlier, *part.standings),
        variances=(*part.variances, *late),
        wake_at=part.wake_at,
        rules=part.rules,
    )


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
    standings = standings_of(template, [current], None, latest=True)
    wake_at = tuple(future_clocks(current, view.now))
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


def _replanned(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, latest: FollowUp
) -> datetime | None:
    """The new due time where a criterion decides it and has changed. A date that people moved by hand is theirs.

    A level that is raised late may ask for a time that is over: it is due now, and what is overdue already stays so.
    Otherwise every rung of the ladder would fire at once, at people who could not have known.
    """
    if template.due_in.criterion is None:
        return None
    due = complete_by_of(view, stage, template, placement, opened_at=latest.opened_at)
    ours = possible_times(view, stage, template, placement, opened_at=latest.opened_at)
    if latest.complete_by == due or latest.complete_by not in {None, *ours}:
        return None
    if due >= view.now:
        return due
    return view.now if latest.complete_by is None or latest.complete_by > view.now else None


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
        standings=standings_of(template, [completed], done_at, latest=True),
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
        if f.status is FollowUpStatus.CANCELLED and f.reason and not cut_off(f)
    ]


def unowned_roles(plan_made: Plan, roster: Roster) -> tuple[RoleId, ...]:
    """Roles of open follow-ups that nobody holds in their own right."""
    roles = [s.template.owner for s in plan_made.standings if s.is_latest and s.follow_up.status in OPEN]
    return tuple(dict.fromkeys(role for role in roles if not is_held(role, roster)))
