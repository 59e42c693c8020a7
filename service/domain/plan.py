"""Which follow-ups there must be: opened with a named owner and two clocks, kept up to date, never quietly dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from service.domain.asked import as_asked, is_asked_by_name, new_owner, new_priority
from service.domain.enrolment import Variance
from service.domain.evidence import FollowUp, Holder, Roster
from service.domain.follow_up_task import FollowUpTask
from service.domain.intents import ChangeFollowUp
from service.domain.opening import (
    already_done,
    ask_again_from,
    complete_by_of,
    open_again,
    open_first,
    possible_times,
)
from service.domain.pathway import Stage
from service.domain.place import Placement
from service.domain.planned import Plan, future_clocks, together
from service.domain.rounds import Round, evidence_of, misses_of
from service.domain.standing import NOT_NEEDED, Standing, called_off, standings_of, timeliness
from service.domain.view import View
from service.domain.vocabulary import OPEN, FollowUpStatus, Priority, Reference, RoleId, VarianceKind


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
        for variance in _lateness(template, [f for f in view.follow_ups if f.task == template.id])
        if variance.reason != because  # our own cancellation, of a closing that a crash interrupted
    ]
    return together([*parts, Plan(variances=tuple(late))])


def _close(view: View, follow_up: FollowUp, because: str) -> Plan:
    template = view.template(follow_up.task)
    done_at = view.done_at(template) if template else None
    if template is not None and done_at is not None:
        return _found_done(view, template, follow_up, done_at)
    return Plan(changes=(_cancelled(view, follow_up, because),))


def _templates(view: View, placement: Placement) -> Iterator[tuple[Stage, FollowUpTask]]:
    pathway = view.pathway
    furthest = max(pathway.positions[placement.reached], pathway.positions[placement.stage])
    for stage in pathway.stages[: furthest + 1]:
        yield from ((stage, template) for template in stage.tasks)
    for stage in pathway.stages[furthest + 1 :]:
        # Opened while the evidence reached further (it has been corrected since): not given up by silence.
        here = view.during(stage)
        yield from ((stage, task) for task in stage.tasks if here.current(task).occurrences)


def _plan_one(view: View, stage: Stage, template: FollowUpTask, placement: Placement, roster: Roster) -> Plan:
    view = view.during(stage)
    template = as_asked(view, template)
    *before, asked = view.rounds(template)
    earlier = [standing for each in before for standing in _standings(view, template, each, each.occurrences)]
    mine = tuple(f for f in asked.occurrences if view.is_own(f))
    earlier += _standings(view, template, asked, mine[:-1])
    part = _plan_round(view, stage, template, placement, roster, asked)
    own = [f for f in view.occurrences(template.id) if view.is_own(f)]
    passed = already_done(view, template) if before else ()
    return Plan(
        open=part.open,
        changes=part.changes,
        standings=(*earlier, *part.standings),
        variances=(*part.variances, *_lateness(template, own), *passed),
        wake_at=part.wake_at,
        rules=part.rules,
    )


def _standings(
    view: View, template: FollowUpTask, asked: Round, follow_ups: tuple[FollowUp, ...]
) -> tuple[Standing, ...]:
    """How earlier Tasks stand; another pathway's are looked after there."""
    own = [f for f in follow_ups if view.is_own(f)]
    return standings_of(template, own, asked.done_at, latest=False)


def _plan_round(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, roster: Roster, asked: Round
) -> Plan:
    """The time of asking that is under way: open it, keep it, ask again, or leave it as it is."""
    own = [f for f in asked.occurrences if view.is_own(f)]
    open_now = [f for f in own if f.status in OPEN]
    latest = next(reversed(open_now or asked.occurrences), None)
    if view.is_met(template.not_needed_when):
        return _withdraw(view, template, asked)
    if latest is None:
        return open_first(view, stage, template, placement, roster)
    last = standings_of(template, own[-1:], asked.done_at, latest=True)
    if latest.status in OPEN and not view.is_own(latest):
        relied = _rely_on(view, stage, template, placement, latest)
        # That another pathway asks now does not unsay what became of our own asking.
        return replace(relied, standings=last)
    if latest.status in OPEN:
        return _keep(view, template, latest, asked.done_at, placement, stage, roster)
    if asked.done_at is None and (again := ask_again_from(view, template, latest)) is not None:
        return open_again(view, stage, template, placement, roster, latest, not_before=again)
    return Plan(standings=last)


def _withdraw(view: View, template: FollowUpTask, asked: Round) -> Plan:
    """Nobody is asked for what is not needed now; whoever was asked is told why not any more."""
    mine = [f for f in asked.occurrences if view.is_own(f)]
    standings = standings_of(template, mine[-1:], asked.done_at, latest=True)
    if not mine or mine[-1].status not in OPEN:
        return Plan(standings=standings)
    because = f"{NOT_NEEDED}{template.title}"
    if asked.done_at is not None:
        return _found_done(view, template, mine[-1], asked.done_at)
    return Plan(changes=(_cancelled(view, mine[-1], because),), standings=standings, rules=(because,))


def _cancelled(view: View, follow_up: FollowUp, because: str) -> ChangeFollowUp:
    return ChangeFollowUp(
        identifier=follow_up.identifier,
        reference=follow_up.reference or Reference(""),
        version=follow_up.version,
        status=FollowUpStatus.CANCELLED,
        because=because,
        changed_at=view.now,
    )


def _rely_on(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, latest: FollowUp
) -> Plan:
    """Another pathway asks for the same: no second Task, but it must be done by the earlier of the two times."""
    due = complete_by_of(view, stage, template, placement, opened_at=latest.opened_at)
    if latest.complete_by is not None and latest.complete_by <= max(due, view.now):
        return Plan(wake_at=tuple(future_clocks(latest, view.now)))
    if latest.reference is None:
        return Plan()  # it is only just being written, and what is written is looked at once more
    because = f"{template.title}: also asked for by another pathway, which needs it by then"
    change = ChangeFollowUp(
        identifier=latest.identifier,
        reference=latest.reference,
        version=latest.version,
        complete_by=max(due, view.now),
        because=because,
        changed_at=view.now,
    )
    wake_at = tuple(future_clocks(replace(latest, complete_by=change.complete_by), view.now))
    return Plan(changes=(change,), rules=(because,), wake_at=wake_at)


def _keep(
    view: View,
    template: FollowUpTask,
    latest: FollowUp,
    done_at: datetime | None,
    placement: Placement,
    stage: Stage,
    roster: Roster,
) -> Plan:
    if done_at is not None:
        return _found_done(view, template, latest, done_at)
    due = _replanned(view, stage, template, placement, latest)
    priority = new_priority(view, template, latest)
    owner = new_owner(view, template, latest, roster)
    current = replace(
        latest,
        complete_by=due or latest.complete_by,
        priority=priority or latest.priority,
        owner=owner.reference if owner else latest.owner,
    )
    status = timeliness(current, view.now)
    standings = standings_of(template, [current], None, latest=True)
    wake_at = tuple(future_clocks(current, view.now))
    if current == latest and status.value == latest.timeliness:
        return Plan(standings=standings, wake_at=wake_at)
    because = _kept_because(template, status.value, due, priority, owner)
    change = ChangeFollowUp(
        identifier=latest.identifier,
        reference=latest.reference or Reference(""),
        version=latest.version,
        complete_by=due,
        priority=priority,
        owner=owner,
        timeliness=status.value,
        because=because,
        changed_at=view.now,
    )
    return Plan(changes=(change,), standings=standings, wake_at=wake_at, rules=(because,))


def _kept_because(
    template: FollowUpTask, status: str, due: datetime | None, priority: Priority | None, owner: Holder | None
) -> str:
    parts = [f"{template.title}: {status}"]
    parts += [f"due {due.isoformat()} by its criterion"] if due else []
    parts += [f"{priority.value} by its criterion"] if priority else []
    parts += ["asked of another role by its criterion"] if owner else []
    return ", ".join(parts)


def _replanned(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, latest: FollowUp
) -> datetime | None:
    """The new due time where a criterion decides it and has changed. A date that people moved by hand is theirs.

    A level that is raised late may ask for a time that is over: it is due now, and what is overdue already stays so.
    Otherwise every rung of the ladder would fire at once, at people who could not have known.
    """
    if template.due_in.criterion is None or (template.series and view.current(template).completed):
        return None
    due = complete_by_of(view, stage, template, placement, opened_at=latest.opened_at)
    ours = possible_times(view, stage, template, placement, opened_at=latest.opened_at)
    if latest.complete_by == due or latest.complete_by not in {None, *ours}:
        return None
    if due >= view.now:
        return due
    return view.now if latest.complete_by is None or latest.complete_by > view.now else None


def _found_done(view: View, template: FollowUpTask, latest: FollowUp, done_at: datetime) -> Plan:
    evidence = evidence_of(view, template)
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
        if called_off(f)
    ]


def unowned_roles(view: View, plan_made: Plan, roster: Roster) -> tuple[RoleId, ...]:
    """Roles of open follow-ups that nobody holds in their own right."""
    open_now = [s.template for s in plan_made.standings if s.is_latest and s.follow_up.status in OPEN]
    roles = [task.owner for task in open_now if not is_asked_by_name(view, task, roster)]
    return tuple(dict.fromkeys(roles))
