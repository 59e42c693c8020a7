"""The half of a worker's jobs that reads from the record what notifications may have missed. Knows nothing of Celery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from service.adapters.waiting import repeated
from service.app.answered_bell import AnsweredBell
from service.app.metrics import WorkMetrics
from service.app.practice import watched
from service.fhir.record_history import RecordHistory
from service.flow.catch_up import FAILED, CaughtUp, catch_up
from service.flow.practice import Practice
from service.flow.sweep import sweep
from service.ports import Clock, FhirRecord, InboxUnavailable, RecordFailure, Watermarks, WorkIndex

log = logging.getLogger(__name__)

SWEEP_LIMIT = 500
SAY_SO_EVERY = 10.0  # seconds between two words of a catch-up that it is running


@dataclass(frozen=True, kw_only=True)
class CatchingUp:
    """Wakes whom the record says something new about, and rings for whoever is due."""

    index: WorkIndex
    record: FhirRecord
    watermarks: Watermarks
    doorbell: AnsweredBell
    clock: Clock
    practice: Practice
    begins: frozenset[str]
    metrics: WorkMetrics
    history: RecordHistory | None = None
    after_reading: Callable[[CaughtUp], object] = lambda _caught_up: None
    """Called whenever the record has been read again, for whatever reason."""
    after_catch_up: Callable[[CaughtUp], object] = lambda _caught_up: None

    def catch_up(self) -> None:
        """Read from the record what notifications may have missed."""
        try:
            with repeated(self.doorbell.catch_up_has_begun, every=SAY_SO_EVERY):
                done = self._read_what_changed()
                self.metrics.caught_up.labels("rebuilt" if done.rebuilt else "done").inc()
                self.metrics.caught_up_at.set_to_current_time()
                self.sweep()
                self.after_catch_up(done)
            self.watermarks.set(FAILED, "")
            self.sweep()
        except RecordFailure as failure:
            self.metrics.caught_up.labels("failed").inc()
            self.watermarks.set(FAILED, self.clock.now().isoformat())
            log.warning("catch-up ended early (%s); it begins again where it was", type(failure).__name__)
        except InboxUnavailable:
            log.warning("the work index does not answer; catch-up begins again where it was")
        finally:
            self._answer_catch_up()

    def sweep(self) -> None:
        """Do not wait for the scheduler's next look when somebody is known to be due."""
        sweep(self.index, self.doorbell, self.clock.now(), SWEEP_LIMIT)

    def _read_what_changed(self) -> CaughtUp:
        done = catch_up(
            self.record,
            self.index,
            self.watermarks,
            types=watched(self.practice),
            begins=self.begins,
            now=self.clock.now(),
            lookback=self.practice.lookback,
            base_url=self.practice.catalogue.base_url,
            history=self.history,
            pathways=self.practice.pathways,
        )
        self.after_reading(done)
        if done.read or done.rebuilt:
            log.info("caught up", extra={"read": done.read, "woken": done.woken, "rebuilt": done.rebuilt})
        return done

    def _answer_catch_up(self) -> None:
        try:
            self.doorbell.answer_catch_up()
        except InboxUnavailable:
            log.warning("a catch-up's bell could not be answered; it falls silent by itself")
