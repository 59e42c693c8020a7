"""Decide what should stand in the record for a person: pure, idempotent, replayable.

`decide_all` is the whole brain: candidates for enrolment and running enrolments in, Decisions out. Deciding again
from the record as written yields decisions with nothing to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain import escalate as ladders
from service.domain import plan as follow_ups
from service.domain.alongside import Alongside, borrowed, former_owners, with_accountable_lead
from service.domain.begin import beginnings
from service.domain.ending import end_was_taken_back, ended_because, taken_up_again
from service.domain.enrolment import Enrolment
from service.domain.evidence import EscalationSeen, FollowUp, PersonRecord, Roster, RungSeen, Situation
from service.domain.foresee import as_written, is_same_evidence
from service.domain.intents import ChangeFollowUp, Decision
from service.domain.pathway import Pathway
from service.domain.place import Placement, place, stage_named
from service.domain.places import Places, allocate, give_back, with_taken
from service.domain.planned import Plan
from service.domain.standing import CUT_OFF
from service.domain.telling import tell_holders
from service.domain.versions import Versions
from service.domain.view import View, view_of
from service.domain.vocabulary import RUNNING_PLAN, PlanStatus, Reference, RoleId
from service.domain.wanted import unowned_variances, wanted


def decide_all(pathways: Sequence[Pathway], record: PersonRecord, now: datetime) -> tuple[Decision, ...]:
    """One Decision per running enrolment and per enrolment that must begin, over all pathways and their versions."""
    known = Versions(pathways)
    alongside = Alongside(pathways=known, enrolments=record.enrolments, follow_ups=record.follow_ups)
    begun = beginnings(pathways, record, now, alongside)
    alongside = replace(alongside, enrolments=(*record.enrolments, *begun))
    work = [*(e for e in record.enrolments if _goes_on(e, record, alongside)), *begun]
    decisions = _together(known, work, record, now, alongside)
    order = {pathway.id: place for place, pathway in reversed(list(enumerate(pathways)))}
    return tuple(sorted(decisions, key=lambda d: order[d.enrolment.pathway]))


def _goes_on(enrolment: Enrolment, record: PersonRecord, alongside: Alongside) -> bool:
    if alongside.pathways.get(enrolment) is None:
        return False
    return enrolment.status in RUNNING_PLAN or end_was_taken_back(enrolment, record, alongside)


def _together(
    known: Versions,
    work: Sequence[Enrolment],
    record: PersonRecord,
    now: datetime,
    alongside: Alongside,
) -> list[Decision]:
    """All enrolments of one person: each sees what those before it leave. Whatever ends goes first, so that the others
    ask at once for what it asked for.
    """
    ending = {e.identifier for e in work if ended_because(e, record, alongside)}
    while True:
        turns = sorted(work, key=lambda e: _turn(e, known[e], ending))
        decisions = _in_turn(known, turns, record, now, alongside)
        ended = {d.enrolment.identifier for d in decisions if d.enrolment.status not in RUNNING_PLAN}
        if len(work) == 1 or ended <= ending:
            return with_accountable_lead(decisions, known)
        ending |= ended


def _in_turn(
    known: Versions,
    turns: Sequence[Enrolment],
    record: PersonRecord,
    now: datetime,
    alongside: Alongside,
) -> list[Decision]:
    decisions = []
    for enrolment in turns:
        decision = decide(known[enrolment], enrolment, record, now, alongside)
        alongside = alongside.after(decision) if len(turns) > 1 else alongside
        decisions.append(decision)
    return decisions


def _turn(enrolment: Enrolment, pathway: Pathway, ending: set[str]) -> tuple[bool, int, datetime, str]:
    is_ending = enrolment.identifier in ending
    return not is_ending, -pathway.precedence, enrolment.started_at, enrolment.identifier


def decide(
    pathway: Pathway,
    enrolment: Enrolment,
    record: PersonRecord,
    now: datetime,
    alongside: Alongside | None = None,
) -> Decision:
    """What should be written for one enrolment (on the record already, or made by `begin`).

    `alongside`: the person's other pathways; without it, the enrolment is decided as if there were none.
    """
    before = enrolment
    alongside = alongside or Alongside()
    if enrolment.status not in RUNNING_PLAN:
        enrolment = taken_up_again(enrolment, now)
    view = _view(pathway, enrolment, record, now, alongside)
    ended = ended_because(enrolment, record, alongside)
    if ended:
        return _end(view, enrolment, record, placement=None, status=PlanStatus.REVOKED, because=ended)
    placement = place(view)
    view = replace(view, history=placement.history)
    stage = stage_named(pathway, placement.stage)
    if stage.final:
        return _end(
            view, enrolment, record, placement=placement, status=PlanStatus.COMPLETED, because=stage.title
        )
    return _go_on(view, enrolment, record, placement, before)


def _view(
    pathway: Pathway, enrolment: Enrolment, record: PersonRecord, now: datetime, alongside: Alongside
) -> View:
    situation = Situation(now=now, anchor=enrolment.anchor, started_at=enrolment.started_at)
    shared = borrowed(pathway, enrolment, alongside)
    view = view_of(
        pathway, enrolment.identifier, situation, record, enrolment.history, borrowed=shared or None
    )
    return replace(
        view,
        enrolments=alongside.enrolments or view.enrolments,
        touched=alongside.touched,
        former_owners=former_owners(pathway, enrolment, alongside),
    )


def _go_on(
    view: View, enrolment: Enrolment, record: PersonRecord, placement: Placement, before: Enrolment
) -> Decision:
    work = _work(view, enrolment, record.roster, placement)
    variances = (*work.made.variances, *unowned_variances(view, work.unowned))
    after = wanted(view, enrolment, record.roster, work.placement, variances, work.made, work.places.queues)
    wake_at = (*work.made.wake_at, *work.raised.wake_at, *work.places.wake_at)
    lapses = (at for at in view.notes.lapses if at > view.now)
    return _decision(
        view,
        before,
        after,
        Decision(
            enrolment=after,
            write_enrolment=False,
            open=work.made.open,
            changes=_merged((*work.made.changes, *work.raised.changes)),
            escalations=work.raised.plans,
            rungs=work.raised.rungs,
            taken=work.places.taken,
            next_due_at=min((*wake_at, *lapses), default=None),
            rules=(*work.made.rules, *work.raised.rules),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Where the person is, and what that asks for."""

    placement: Placement
    made: Plan
    unowned: tuple[RoleId, ...]
    raised: ladders.Escalations
    places: Places


def _work(view: View, enrolment: Enrolment, roster: Roster, placement: Placement) -> _Work:
    """Plan and escalate; what that brings about may itself move the person on, so place again until nothing moves.

    An end is never foreseen: it waits until the record really shows it.
    """
    work = _work_once(view, roster, placement)
    for _ in view.pathway.stages:
        written = with_taken(as_written(view, work.made, work.raised), work.places)
        if work.placement is placement and not work.places.taken and is_same_evidence(view, written):
            break
        foreseen = place(replace(written, history=enrolment.history))
        if foreseen == work.placement or stage_named(view.pathway, foreseen.stage).final:
            break
        work = _work_once(view, roster, foreseen)
    return work


def _work_once(view: View, roster: Roster, placement: Placement) -> _Work:
    view = replace(view, history=placement.history)
    made = follow_ups.plan(view, placement, roster)
    places = allocate(view, made)
    unowned = follow_ups.unowned_roles(view, made, roster)
    raised = ladders.escalate(view, made.standings, unowned, roster)
    return _Work(placement=placement, made=made, unowned=unowned, raised=raised, places=places)


def _end(
    view: View,
    enrolment: Enrolment,
    record: PersonRecord,
    *,
    placement: Placement | None,
    status: PlanStatus,
    because: str,
) -> Decision:
    """Close the enrolment: what is still open is cancelled with the reason, and whoever held it is told."""
    reason = f"{CUT_OFF}{because}"
    closed = ladders.close_all(view, reason)
    kept = _responses(closed.changes)
    finished = follow_ups.close_all(view, reason)
    changes = tuple(change for change in finished.changes if change.identifier not in kept)
    after = replace(
        wanted(view, enrolment, record.roster, placement, finished.variances, None),
        status=status,
        ended_reason=because,
        queues=(),
    )
    return _decision(
        view,
        enrolment,
        after,
        Decision(
            enrolment=after,
            write_enrolment=False,
            changes=(*changes, *closed.changes),
            escalations=closed.plans,
            freed=give_back(view),
            told=tell_holders(view, (*changes, *closed.changes), record.roster),
            rules=(reason, *finished.rules, *closed.rules),
        ),
    )


def _responses(changes: Iterable[ChangeFollowUp]) -> frozenset[str]:
    return frozenset(change.identifier for change in changes)


def _merged(changes: tuple[ChangeFollowUp, ...]) -> tuple[ChangeFollowUp, ...]:
    """One write per Task: a change of clock and a change of owner in the same decision go together."""
    merged: dict[str, ChangeFollowUp] = {}
    for change in changes:
        earlier = merged.get(change.identifier)
        merged[change.identifier] = _both(earlier, change) if earlier else change
    return tuple(merged.values())


def _both(first: ChangeFollowUp, second: ChangeFollowUp) -> ChangeFollowUp:
    newer = {name: value for name, value in vars(second).items() if value is not None}
    because = first.because if first.because == second.because else f"{first.because}; {second.because}"
    return ChangeFollowUp(**{**vars(first), **newer, "because": because})


def _decision(view: View, before: Enrolment, after: Enrolment, draft: Decision) -> Decision:
    """Complete a draft: is there anything to write, under which revision, and what was seen."""
    draft = replace(draft, changes=tuple(c for c in draft.changes if c.identifier not in view.touched))
    write = before.reference is None or after != before or not draft.is_settled
    revision = before.revision + 1 if write else before.revision
    return replace(
        draft,
        enrolment=replace(after, revision=revision),
        write_enrolment=write,
        unread=frozenset(view.notes.unread),
        seen=tuple(sorted(_seen(view, before, draft).items())),
    )


def _seen(view: View, enrolment: Enrolment, draft: Decision) -> dict[Reference, str]:
    """Every resource version that spoke: the enrolment, its anchor, its follow-ups, escalations and places, matching facts."""
    seen: dict[Reference, str] = {}
    if enrolment.reference is not None:
        seen[enrolment.reference] = enrolment.version
    for facts in view.facts.values():
        seen.update({f.reference: f.version for f in facts if f.reference == enrolment.anchor})
    for spoken in view.spoken.values():
        seen.update({f.reference: f.version for f in spoken})
    responses = [rung for escalation in view.escalations for rung in escalation.rungs]
    written: list[FollowUp | EscalationSeen | RungSeen] = [*view.follow_ups, *view.escalations, *responses]
    seen.update({item.reference: item.version for item in written if item.reference is not None})
    seen.update({place.reference: place.version for place in draft.taken})
    seen.update({place.reference: place.version for place in draft.freed})
    return seen
