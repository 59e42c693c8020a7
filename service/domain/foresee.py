"""The record as it will read once a decision is written, so that what the decision itself brings about counts at once.

Opening a follow-up or raising a rung can be the evidence for the next stage. Nobody should wait for our own echo.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from service.domain.escalate import Escalations, rung_as_seen
from service.domain.evidence import EscalationSeen, highest
from service.domain.intents import KeepEscalation
from service.domain.planned import Plan
from service.domain.view import View


def as_written(view: View, made: Plan, raised: Escalations) -> View:
    """`view` with the follow-ups and rungs of this decision in it; for asking about needs only, never for planning."""
    follow_ups = {f.identifier: f for f in view.follow_ups}
    follow_ups.update({s.follow_up.identifier: s.follow_up for s in made.standings})
    return replace(
        view,
        follow_ups=tuple(follow_ups[key] for key in sorted(follow_ups)),
        escalations=_with_rungs(view.escalations, raised),
        spoken={},
    )


def is_same_evidence(view: View, written: View) -> bool:
    """Whether writing brings about nothing that the record does not show already; placing again would tell nothing new."""
    before = {f.identifier: f for f in view.follow_ups}, {e.identifier: e for e in view.escalations}
    after = {f.identifier: f for f in written.follow_ups}, {e.identifier: e for e in written.escalations}
    return before == after


def _with_rungs(seen: Iterable[EscalationSeen], raised: Escalations) -> tuple[EscalationSeen, ...]:
    escalations = {e.identifier: e for e in seen}
    for plan in raised.plans:
        escalations.setdefault(plan.identifier, _opened(plan))
    for rung in raised.rungs:
        known = escalations.get(rung.escalation)
        if known is not None and rung.number > highest(known.rungs):
            escalations[rung.escalation] = replace(known, rungs=(*known.rungs, rung_as_seen(rung)))
    return tuple(escalations[key] for key in sorted(escalations))


def _opened(plan: KeepEscalation) -> EscalationSeen:
    return EscalationSeen(
        identifier=plan.identifier,
        task=plan.task,
        occurrence=1,
        cause=plan.cause,
        reference=None,
        version="",
        status=plan.status,
        missed_at=plan.missed_at,
    )
