"""What one look at a person came to, as metrics: by pathway, never by person."""

from __future__ import annotations

import logging

from service.app.telemetry import WorkMetrics
from service.flow.reconcile import Reconciled

log = logging.getLogger(__name__)


def count(done: Reconciled, metrics: WorkMetrics) -> None:
    """Add one reconcile to the counters."""
    for decision in done.decisions:
        outcome = "settled" if decision.is_settled else "wrote"
        metrics.decisions.labels(decision.enrolment.pathway, outcome).inc()
        if decision.rungs:
            metrics.rungs.labels(decision.enrolment.pathway).inc(len(decision.rungs))
    metrics.writes.inc(done.writes)
    if done.unreadable:
        log.info("parts of a record could not be understood", extra={"parts": len(done.unreadable)})
