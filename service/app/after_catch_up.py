"""What a worker does once the record has been read again: looks after the subscriptions, and counts the population."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from service.app.coverage import counted, counted_mark
from service.app.metrics import WorkMetrics
from service.app.sender_silence import note_senders
from service.domain.vocabulary import PathwayId
from service.fhir.subscription_marks import COVERAGE
from service.flow.catch_up import CaughtUp
from service.flow.population import Coverage, population
from service.flow.practice import Practice
from service.ports import Clock, FhirRecord, RecordFailure, Resource, Watermarks, WorkIndex

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AfterCatchUp:
    """The rest of what is done once a minute. A failure of one part keeps nothing else from being done."""

    record: FhirRecord
    index: WorkIndex
    marks: Watermarks
    clock: Clock
    practice: Practice
    directory: Callable[[], Sequence[Resource]]
    metrics: WorkMetrics
    population_every: timedelta
    lookback: timedelta
    """How long before now the count begins."""
    upkeep: Callable[[], object] | None = None
    """None: this installation asks for no notifications."""
    count: Callable[..., Mapping[PathwayId, Coverage]] = population
    senders: Collection[str] = ()
    """Who may send messages."""

    def __call__(self, _caught_up: CaughtUp) -> None:
        """InboxUnavailable when Redis does not answer; everything is done again after the next catch-up."""
        note_senders(self.senders, self.marks, self.clock.now())
        if self.upkeep is not None:
            self.upkeep()
        try:
            self._count()
        except RecordFailure as failure:
            log.warning("the population could not be counted: %s", failure)

    def _count(self) -> None:
        """Wakes whoever should be on a pathway and is not, and publishes how many are."""
        now = self.clock.now()
        last = counted(self.marks.get(COVERAGE))
        if last is not None and last.at <= now < last.at + self.population_every:
            return
        found = self.count(
            self.record,
            self.practice,
            directory=self.directory,
            now=now,
            lookback=self.lookback,
        )
        woken = {person for each in found.values() for person in each.woken}
        if woken:
            self.index.wake(sorted(woken), now)
        self.metrics.missed.inc(sum(len(each.missed) for each in found.values()))
        for name, each in found.items():
            if each.missed:
                log.warning(
                    "people were not on a pathway who should be; they are looked at now",
                    extra={"pathway": name, "missed": len(each.missed)},
                )
        self.marks.set(COVERAGE, counted_mark(found, now, self.lookback))
