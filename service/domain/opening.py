"""Opening a follow-up: with a named owner, an accept-by and a complete-by; and asking again where one came to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from service.domain.asked import chosen, owner_of, refusers
from service.domain.enrolment import Variance
from service.domain.evidence import FollowUp, Roster
from service.domain.follow_up_task import FollowUpTask
from service.domain.intents import OpenFollowUp
from service.domain.owners import Ownership, as_holder, resolve_owner
from service.domain.pathway import Stage
from service.domain.place import Placement
from service.domain.planned import Plan, future_clocks
from service.domain.standing import cut_off, refused, standings_of, timeliness, withdrawn
from service.domain.view import View
from service.domain.vocabulary import FollowUpStatus, RoleId, VarianceKind


def open_first(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    roster: Roster,
) -> Plan:
    """The first Task of a time of asking, once it is asked for."""
    if view.done_at(template) is not None:
        return Plan(variances=tuple(already_done(view, template)))
    if template.opens_when and not view.is_met(template.opens_when):
        return Plan()
    if template.opens_after is not None:
        opens_at = view.due(_clock(view, stage, template, placement), template.opens_after)
        if opens_at > view.now:
            return Plan(wake_at=(opens_at,))
    because = _reason(view, template)
    former = _former_owner(view, template, roster)
    if former is not None:
        because = f"{because} ({former.holder.display} had accepted it on another pathway, which has ended)"
    ownership = former or owner_of(view, template, roster)
    return _open(view, stage, template, placement, ownership, because=because)


def _former_owner(view: View, template: FollowUpTask, roster: Roster) -> Ownership | None:
    """Whoever had accepted this already where it was asked before, as long as they hold the role that is asked here."""
    owner = view.former_owners.get(template.id)
    is_first = not any(view.is_own(f) for f in view.occurrences(template.id))
    if owner is None or not is_first or template.asks_sender:
        return None
    return as_holder(owner, template.owner, roster)


def already_done(view: View, template: FollowUpTask) -> list[Variance]:
    """One for each time that nobody had to be asked; of what comes again, by the number that its Task would have had."""
    found, last = [], 0
    for asked in view.rounds(template):
        if asked.done_at is not None and not asked.occurrences:
            number = f"/{last + asked.unasked + 1}" if template.comes_again else ""
            reason = f"{template.title}: the record shows it was done already"
            subject = f"{template.id}{number}"
            found.append(
                Variance(kind=VarianceKind.ALREADY_DONE, subject=subject, at=asked.done_at, reason=reason)
            )
        last = max((last, *(f.occurrence for f in asked.occurrences if view.is_own(f))))
    return found


def open_again(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    roster: Roster,
    latest: FollowUp,
    *,
    not_before: datetime,
) -> Plan:
    own = [latest] if view.is_own(latest) else []  # another pathway's attempt climbs the ladder there
    standing = standings_of(template, own, None, latest=False)
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
        because=because,
        after=latest,
    )
    return Plan(
        open=opened.open,
        standings=(*standing, *opened.standings),
        wake_at=opened.wake_at,
        rules=opened.rules,
    )


def ask_again_from(view: View, template: FollowUpTask, latest: FollowUp) -> datetime | None:
    """From when a closed follow-up must be asked for again; None when it need not."""
    taken_back = cut_off(latest) or withdrawn(latest)
    if refused(latest) or taken_back or latest.status is FollowUpStatus.ENTERED_IN_ERROR:
        return latest.changed_at
    if latest.status is FollowUpStatus.FAILED and _failed(view, latest) < template.attempts:
        every = template.attempt_every
        return view.due(latest.changed_at, every) if every else latest.changed_at
    return None


def _failed(view: View, latest: FollowUp) -> int:
    return sum(f.status is FollowUpStatus.FAILED for f in view.attempts_with(latest))


def _next_owner(view: View, template: FollowUpTask, roster: Roster, latest: FollowUp) -> Ownership:
    """After a failed attempt the same role goes on; after a refusal somebody else: same role, ladder, then lead."""
    if not refused(latest):
        return owner_of(view, template, roster)
    not_again = refusers(view, latest, roster)
    first = owner_of(view, template, roster, not_again=not_again)
    if not first.is_stand_in:
        return first
    roles: list[RoleId] = []
    if template.escalation is not None:
        roles.extend(rung.notify for rung in view.pathway.ladders[template.escalation].rungs)
    for role in (*roles, view.pathway.lead):
        ownership = resolve_owner(role, roster, not_again=not_again)
        if not ownership.is_stand_in:
            return ownership
    return first


def _open(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    ownership: Ownership,
    *,
    because: str,
    after: FollowUp | None = None,
) -> Plan:
    opened_at = view.now
    occurrence = view.next_occurrence(template.id) + (0 if after else view.current(template).unasked)
    complete_by = complete_by_of(view, stage, template, placement, opened_at=opened_at, after=after)
    accept_by = view.due(opened_at, template.accept_within)
    if opened_at < complete_by < accept_by:
        accept_by = complete_by
    opened = OpenFollowUp(
        identifier=f"{view.identifier}/{template.id}/{occurrence}",
        task=template,
        occurrence=occurrence,
        owner=ownership.holder,
        owner_found_by=ownership.found_by.value,
        owner_role_title=view.pathway.role_titles.get(template.owner, str(template.owner)),
        opened_at=opened_at,
        accept_by=accept_by,
        complete_by=complete_by,
        priority=template.priority,
        timeliness="",
        because=because,
    )
    opened = replace(opened, timeliness=timeliness(opened.follow_up, view.now).value)
    # What is being opened has not been read, so it stands without a mark of its timeliness.
    follow_up = replace(opened.follow_up, timeliness=None)
    return Plan(
        open=(opened,),
        standings=standings_of(template, [follow_up], None, latest=True),
        rules=(f"opened {template.id}/{occurrence}: {because}",),
        wake_at=tuple(future_clocks(follow_up, view.now)),
    )


def _reason(view: View, template: FollowUpTask) -> str:
    return view.pathway.sources.get(template.why, "") or template.title


def _clock(view: View, stage: Stage, template: FollowUpTask, placement: Placement) -> datetime:
    if template.clock == "stage":
        # A gate delays the entry, never a clock: it counts from the evidence, whether the stage is still held or not.
        entered = next((e.entered_at for e in reversed(placement.history) if e.stage == stage.id), None)
        return view.met_at(stage.enter) or entered or view.situation.started_at
    return view.since or view.situation.started_at


def complete_by_of(
    view: View,
    stage: Stage,
    template: FollowUpTask,
    placement: Placement,
    *,
    opened_at: datetime,
    after: FollowUp | None = None,
) -> datetime:
    """When it must be done: by the clock of the follow-up, or so long after the contact of the series before it."""
    if after is not None and after.status is FollowUpStatus.FAILED and template.attempt_every is not None:
        return view.due(opened_at, template.attempt_every)
    asked = view.current(template)
    step = template.series.step(asked.completed) if template.series else None
    if step is not None and asked.since is not None and asked.completed:
        return view.due(asked.since, step)
    return view.due(_due_from(view, stage, template, placement, opened_at), chosen(view, template.due_in))


def _due_from(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, opened_at: datetime
) -> datetime:
    if template.clock == "opened" or view.current(template).is_next:
        return opened_at
    return _clock(view, stage, template, placement)


def possible_times(
    view: View, stage: Stage, template: FollowUpTask, placement: Placement, *, opened_at: datetime
) -> Iterator[datetime]:
    """Every complete-by time that the levels of its criterion can give; any other was set by people."""
    start_at = _due_from(view, stage, template, placement, opened_at)
    for within in template.due_in.options:
        yield view.due(start_at, within)
