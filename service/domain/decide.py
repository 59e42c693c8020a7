"""Decide what should stand in the record for a person: pure, idempotent, replayable.

`decide_all` is the whole brain: candidates for enrolment and running enrolments in, Decisions out. Deciding again
from the record as written yields decisions with nothing to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain import escalate as ladders
from service.domain import plan as follow_ups
from service.domain.begin import begin, candidates
from service.domain.enrolment import Enrolment, Variance
from service.domain.evidence import EscalationSeen, FollowUp, PersonRecord, Roster, RungSeen, Situation
from service.domain.foresee import as_written, is_same_evidence
from service.domain.intents import ChangeFollowUp, Decision
from service.domain.owners import known_holder, resolve_owner
from service.domain.pathway import Pathway
from service.domain.place import Placement, place, stage_named
from service.domain.planned import Plan
from service.domain.standing import CUT_OFF
from service.domain.view import View, view_of
from service.domain.vocabulary import RUNNING_PLAN, PlanStatus, Reference, RoleId, VarianceKind


def decide_all(pathways: Sequence[Pathway], record: PersonRecord, now: datetime) -> tuple[Decision, ...]:
    """One Decision per running enrolment and per enrolment that must begin, over all pathways."""
    decisions: list[Decision] = []
    for pathway in pathways:
        decisions.extend(decide(pathway, enrolment, record, now) for enrolment in _running(pathway, record))
        if pathway.status == "active" and not _person_ended(record):
            decisions.extend(
                decide(pathway, begin(pathway, candidate, record), record, now)
                for candidate in candidates(pathway, record, now)
            )
    return tuple(decisions)


def decide(pathway: Pathway, enrolment: Enrolment, record: PersonRecord, now: datetime) -> Decision:
    """What should be written for one enrolment (on the record already, or made by `begin`)."""
    before = enrolment
    if enrolment.status not in RUNNING_PLAN:
        enrolment = _taken_up_again(enrolment, now)
    situation = Situation(now=now, anchor=enrolment.anchor, started_at=enrolment.started_at)
    view = view_of(pathway, enrolment.identifier, situation, record, enrolment.history)
    ended = _ended_because(enrolment, record)
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


def _running(pathway: Pathway, record: PersonRecord) -> list[Enrolment]:
    mine = [e for e in record.enrolments if e.pathway == pathway.id]
    return [e for e in mine if e.status in RUNNING_PLAN or _end_was_taken_back(e, record)]


def _end_was_taken_back(enrolment: Enrolment, record: PersonRecord) -> bool:
    """We ended it early for a reason of the record (death, a void anchor), and the record no longer says so.

    A CarePlan that people revoked, or whose anchor is not to be seen, stays as it is.
    """
    if enrolment.status is not PlanStatus.REVOKED or not enrolment.ended_reason:
        return False
    is_there = any(fact.reference == enrolment.anchor for fact in record.facts)
    return is_there and not _ended_because(enrolment, record)


def _taken_up_again(enrolment: Enrolment, now: datetime) -> Enrolment:
    reason = f"it had ended because {enrolment.ended_reason}; the record was corrected, so it goes on"
    corrected = Variance(
        kind=VarianceKind.ENDED_EARLY, subject=f"revision-{enrolment.revision}", at=now, reason=reason
    )
    variances = (*enrolment.variances, corrected)
    return replace(enrolment, status=PlanStatus.ACTIVE, ended_reason="", variances=variances)


def _person_ended(record: PersonRecord) -> bool:
    return record.deceased_at is not None


def _ended_because(enrolment: Enrolment, record: PersonRecord) -> str:
    if record.deceased_at is not None:
        return "the person has died"
    if enrolment.anchor in record.gone:
        return "the resource that began this pathway was deleted from the record"
    anchor = next((fact for fact in record.facts if fact.reference == enrolment.anchor), None)
    if anchor is not None and anchor.void:
        return "the resource that began this pathway was cancelled or entered in error"
    return ""


def _go_on(
    view: View, enrolment: Enrolment, record: PersonRecord, placement: Placement, before: Enrolment
) -> Decision:
    work = _work(view, enrolment, record.roster, placement)
    variances = (*work.made.variances, *_unowned(view, work.unowned))
    wanted = _wanted(view, enrolment, record.roster, work.placement, variances, work.made)
    return _decision(
        view,
        before,
        wanted,
        Decision(
            enrolment=wanted,
            write_enrolment=False,
            open=work.made.open,
            changes=_merged((*work.made.changes, *work.raised.changes)),
            escalations=work.raised.plans,
            rungs=work.raised.rungs,
            next_due_at=min((*work.made.wake_at, *work.raised.wake_at), default=None),
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


def _work(view: View, enrolment: Enrolment, roster: Roster, placement: Placement) -> _Work:
    """Plan and escalate; what that brings about may itself move the person on, so place again until nothing moves.

    An end is never foreseen: it waits until the record really shows it.
    """
    work = _work_once(view, roster, placement)
    for _ in view.pathway.stages:
        written = as_written(view, work.made, work.raised)
        if work.placement is placement and is_same_evidence(view, written):
            break
        foreseen = place(replace(written, history=enrolment.history))
        if foreseen == work.placement or stage_named(view.pathway, foreseen.stage).final:
            break
        work = _work_once(view, roster, foreseen)
    return work


def _work_once(view: View, roster: Roster, placement: Placement) -> _Work:
    view = replace(view, history=placement.history)
    made = follow_ups.plan(view, placement, roster)
    unowned = follow_ups.unowned_roles(view, made, roster)
    raised = ladders.escalate(view, made.standings, unowned, roster)
    return _Work(placement=placement, made=made, unowned=unowned, raised=raised)


def _end(
    view: View,
    enrolment: Enrolment,
    record: PersonRecord,
    *,
    placement: Placement | None,
    status: PlanStatus,
    because: str,
) -> Decision:
    """Close the enrolment: what is still open is cancelled with the reason, nothing is silently dropped."""
    reason = f"{CUT_OFF}{because}"
    closed = ladders.close_all(view, reason)
    kept = _responses(closed.changes)
    finished = follow_ups.close_all(view, reason)
    changes = tuple(change for change in finished.changes if change.identifier not in kept)
    wanted = replace(
        _wanted(view, enrolment, record.roster, placement, finished.variances, None),
        status=status,
        ended_reason=because,
    )
    return _decision(
        view,
        enrolment,
        wanted,
        Decision(
            enrolment=wanted,
            write_enrolment=False,
            changes=(*changes, *closed.changes),
            escalations=closed.plans,
            rules=(reason, *finished.rules, *closed.rules),
        ),
    )


def _responses(changes: Iterable[ChangeFollowUp]) -> frozenset[str]:
    return frozenset(change.identifier for change in changes)


def _wanted(
    view: View,
    enrolment: Enrolment,
    roster: Roster,
    placement: Placement | None,
    variances: tuple[Variance, ...],
    made: Plan | None,
) -> Enrolment:
    """The enrolment as it should stand in the record, but for its revision."""
    opened = tuple(o.identifier for o in made.open) if made else ()
    activities = tuple(sorted({f.identifier for f in view.follow_ups} | set(opened)))
    lead = (
        known_holder(enrolment.lead, roster)
        if enrolment.lead
        else resolve_owner(view.pathway.lead, roster).holder
    )
    wanted = replace(enrolment, activities=activities, lead=lead.reference)
    wanted = replace(wanted, lead_display=enrolment.lead_display or lead.display)
    if placement is None:
        return replace(wanted, variances=_add_variances(enrolment.variances, variances))
    return replace(
        wanted,
        stage=placement.stage,
        reached=placement.reached,
        history=placement.history,
        unmet_gates=placement.unmet_gates,
        missing=placement.missing,
        variances=_add_variances(enrolment.variances, (*placement.variances, *variances)),
    )


def _add_variances(known: tuple[Variance, ...], new: tuple[Variance, ...]) -> tuple[Variance, ...]:
    """A variance is kept as it was first recorded; each kind and subject once."""
    kept = {(v.kind, v.subject): v for v in (*new[::-1], *known[::-1])}
    return tuple(sorted(kept.values(), key=lambda v: (v.at, v.kind, v.subject)))


def _unowned(view: View, roles: Iterable[RoleId]) -> Iterator[Variance]:
    for role in roles:
        title = view.pathway.role_titles.get(role, str(role))
        yield Variance(
            kind=VarianceKind.UNOWNED,
            subject=str(role),
            at=view.now,
            reason=f"nobody is named as {title}; the accountable person holds these follow-ups",
        )


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


def _decision(view: View, before: Enrolment, wanted: Enrolment, draft: Decision) -> Decision:
    """Complete a draft: is there anything to write, under which revision, and what was seen."""
    write = before.reference is None or wanted != before or not draft.is_settled
    revision = before.revision + 1 if write else before.revision
    return replace(
        draft,
        enrolment=replace(wanted, revision=revision),
        write_enrolment=write,
        seen=_seen(view, before),
    )


def _seen(view: View, enrolment: Enrolment) -> tuple[tuple[Reference, str], ...]:
    """Every resource version that spoke: the enrolment, its anchor, its follow-ups and escalations, matching facts."""
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
    return tuple(sorted(seen.items()))
