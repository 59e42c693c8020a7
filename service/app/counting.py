"""What one look at a person came to, as metrics: by pathway, never by person."""

from __future__ import annotations

import logging

from service.app.metrics import WorkMetrics
from service.flow.reconcile import Reconciled

log = logging.getLogger(__name__)


def count(done: Reconciled, metrics: WorkMetrics) -> None:
    """Add one reconcile to the counters."""
    for decision in done.decisions:
        pathway = decision.enrolment.pathway
        metrics.decisions.labels(pathway, "settled" if decision.is_settled else "wrote").inc()
        for follow_up in decision.open:
            metrics.opened.labels(pathway, follow_up.owner_found_by).inc()
        for escalation in decision.escalations:
            if escalation.reference is None:
                metrics.escalations.labels(pathway, escalation.cause.value).inc()
        if decision.rungs:
            metrics.rungs.labels(pathway).inc(len(decision.rungs))
    metrics.writes.inc(done.writes)
    if done.unreadable:
        log.info("parts of a record could not be understood", extra={"parts": len(done.unreadable)})
