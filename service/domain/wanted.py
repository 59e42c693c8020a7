"""The enrolment as it should stand in the record after a decision, but for its revision: stage, lead, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from service.domain.asked import chosen
from service.domain.enrolment import Enrolment, InQueue, Variance
from service.domain.evidence import Holder, Roster
from service.domain.owners import known_holder, resolve_owner
from service.domain.place import Placement
from service.domain.planned import Plan
from service.domain.view import View
from service.domain.vocabulary import ACKNOWLEDGED, Reference, RoleId, VarianceKind


def wanted(
    view: View,
    enrolment: Enrolment,
    roster: Roster,
    placement: Placement | None,
    variances: tuple[Variance, ...],
    made: Plan | None,
    queues: tuple[InQueue, ...] = (),
) -> Enrolment:
    """The enrolment as it should stand; without a placement (it ends) the stage stays as it was."""
    opened = tuple(o.identifier for o in made.open) if made else ()
    activities = tuple(sorted({f.identifier for f in view.follow_ups} | set(opened)))
    lead = lead_of(view, enrolment, roster)
    is_same = lead.reference == enrolment.lead and enrolment.lead_display
    display = enrolment.lead_display if is_same else lead.display
    after = replace(enrolment, activities=activities, lead=lead.reference, lead_display=display)
    if placement is None:
        return replace(after, variances=_add_variances(enrolment.variances, variances))
    return replace(
        after,
        stage=placement.stage,
        reached=placement.reached,
        history=placement.history,
        unmet_gates=placement.unmet_gates,
        missing=placement.missing,
        queues=queues,
        variances=_add_variances(enrolment.variances, (*placement.variances, *variances)),
    )


def lead_of(view: View, enrolment: Enrolment, roster: Roster) -> Holder:
    """Who leads: the same named person from the beginning until somebody else has accepted, then they."""
    handed_to = _handed_to(view)
    if handed_to is not None:
        return known_holder(handed_to, roster)
    if enrolment.lead is not None:
        return known_holder(enrolment.lead, roster)
    choice = view.pathway.lead_by
    return resolve_owner(chosen(view, choice) if choice else view.pathway.lead, roster).holder


def _handed_to(view: View) -> Reference | None:
    """Who has accepted the lead, once what it waits for is so. An offer alone moves nothing."""
    handover = view.pathway.handover
    if handover is None or not (not handover.until or view.is_met(handover.until)):
        return None
    taken = [f for f in view.occurrences(handover.then) if f.status in ACKNOWLEDGED and f.owner is not None]
    return taken[-1].owner if taken else None


def unowned_variances(view: View, roles: Iterable[RoleId]) -> Iterator[Variance]:
    """Roles that nobody holds, as departures from the pathway."""
    for role in roles:
        title = view.pathway.role_titles.get(role, str(role))
        yield Variance(
            kind=VarianceKind.UNOWNED,
            subject=str(role),
            at=view.now,
            reason=f"nobody is named as {title}; the accountable person holds these follow-ups",
        )


def _add_variances(known: tuple[Variance, ...], new: tuple[Variance, ...]) -> tuple[Variance, ...]:
    """A variance is kept as it was first recorded; each kind and subject once."""
    kept = {(v.kind, v.subject): v for v in (*new[::-1], *known[::-1])}
    return tuple(sorted(kept.values(), key=lambda v: (v.at, v.kind, v.subject)))
