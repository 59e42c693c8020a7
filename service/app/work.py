"""What a worker does with each kind of message, and with each kind of failure. Knows nothing of Celery.

Three failures, three budgets: the record does not answer (later), the record refuses (a person must look), we are wrong
(a person must look at us). Whatever happens, the person is looked at again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from service.app.catching_up import CatchingUp
from service.app.counting import count
from service.app.later import (
    LONGEST_PAUSE,
    PARKED_AGAIN_AFTER,
    letter_about,
    letter_id,
    no_later_than,
    pause_after,
    why_to_park,
)
from service.app.metrics import labels_of
from service.app.telemetry import fault_of
from service.domain.evidence import PersonRecord
from service.domain.owners import NoAccountablePerson
from service.domain.vocabulary import Reference
from service.fhir.messages.raw import refuse_messages
from service.flow.reconcile import Reconciled, reconcile
from service.flow.take_in import Events, Trail, take_in
from service.flow.tell_messages import TellRecord
from service.ports import (
    Claim,
    DeadLetters,
    Echoes,
    Inbox,
    InboxUnavailable,
    RecordFailure,
    RecordUnavailable,
    Resource,
    Written,
)

log = logging.getLogger(__name__)

REFUSED_TRIES, FAULT_TRIES = 3, 5
LOOKS = 4
"""Most looks in a row; two are normal (write, then see that all is as it should be), more while others write too."""
AT_ONCE = 200  # notifications taken in one round
DRAIN_FOR = timedelta(seconds=20)
"""How long one message may drain the inbox before it lets others have the thread."""


@dataclass(frozen=True, kw_only=True)
class Work(CatchingUp):
    """The jobs of a worker over its ports. Every method may be called from several threads at once."""

    inbox: Inbox
    dead_letters: DeadLetters
    echoes: Echoes
    tell: TellRecord = refuse_messages
    directory: Callable[[], Sequence[Resource]]
    monotonic: Callable[[], float]
    events: Events | None = None
    canaries: frozenset[str] = frozenset()
    """Subscriptions that tell of the canary only."""
    tallied: Callable[[Reference, PersonRecord], object] = lambda _person, _seen: None
    """Told how a person stands after each look that had nothing left to write."""
    trail: Trail = lambda _people, _headers: None
    around: Callable[[Reference], AbstractContextManager[object]] = lambda _person: nullcontext()
    """Put around the work on one person, e.g. a span of the trace that woke them."""

    def starts(self) -> None:
        """A bell that a killed worker left rung would keep others from ringing for a while; rung twice does no harm."""
        try:
            self.doorbell.answer_inbox()
            self.doorbell.answer_catch_up()
        except InboxUnavailable:
            log.warning("Redis does not answer at the start; bells left rung fall silent by themselves")

    # --- the inbox

    def take_in(self) -> None:
        """Drain the inbox; what cannot be done now stays in it."""
        try:
            self.doorbell.answer_inbox()
            ends = self.monotonic() + DRAIN_FOR.total_seconds()
            while self._take_in_some():
                if self.monotonic() > ends:
                    self.doorbell.inbox_has_mail()
                    break
            self.sweep()
        except InboxUnavailable:
            log.warning("the inbox does not answer; it is read again when it does")
        except RecordFailure as failure:
            log.warning(
                "the record does not answer while taking in (%s); tried again", type(failure).__name__
            )

    def _take_in_some(self) -> bool:
        # What one subscription missed is found with everything else that was missed: once a round is enough.
        catch_up_once = cache(self._read_what_changed)
        done = take_in(
            self.inbox,
            self.index,
            self.record,
            self.dead_letters,
            self.clock,
            watermarks=self.watermarks,
            echoes=self.echoes,
            tell=self.tell,
            catch_up=lambda _subscription: catch_up_once(),
            events=self.events,
            canaries=self.canaries,
            pathways=self.practice.pathways,
            base_url=self.practice.catalogue.base_url,
            limit=AT_ONCE,
            trail=self.trail,
        )
        understood = done.taken - done.later - done.parked
        labels_of(
            {"understood": understood, "later": done.later, "parked": done.parked}, self.metrics.taken_in
        )
        self.metrics.parked.labels("notification").inc(done.parked)
        if done.taken:
            log.info("took in", extra={"taken": done.taken, "woken": done.woken, "later": done.later})
        self.metrics.recovered.inc(done.recovered)
        for why, times in done.skipped.items():
            self.metrics.skipped.labels(why.name.lower().replace("_", " ")).inc(times)
        return done.taken > 0

    # --- one person

    def reconcile_person(self, person: Reference, token: str) -> None:
        """Reconcile the person the claim is about; a claim that somebody else has taken over is left to them."""
        try:
            claim = self.index.begin(Claim(person=person, token=token))
            if claim is None:
                self.metrics.stale.inc()
                return
            self.metrics.begun(claim, self.clock.now())
            with self.around(claim.person):
                self._reconcile(claim)
        except InboxUnavailable:
            log.warning("the work index does not answer; whoever was being looked at is taken up again")

    def _reconcile(self, claim: Claim) -> None:
        try:
            done = self._settle(claim.person)
        except RecordUnavailable as failure:
            self._later(claim, "unavailable", failure)
        except RecordFailure as failure:
            reason = f"The record server refused (HTTP {failure.status or 'no status'}): {failure}"
            self._later(claim, "refused", failure, park_after=REFUSED_TRIES, reason=reason)
        except InboxUnavailable:
            raise
        except NoAccountablePerson as gap:
            self._later(claim, "nobody", gap, park_after=1, reason=str(gap))
        # Ours to fix: told with its type and place, parked in the end, and tried again hourly.
        except Exception as fault:
            found = fault_of(type(fault), fault.__traceback__)
            reason = f"Throughline itself failed ({found['fault']} at {found.get('where', 'an unknown place')}). Report it."
            self._later(claim, "fault", fault, park_after=FAULT_TRIES, reason=reason)
        else:
            self._finish(claim, done)

    def _finish(self, claim: Claim, done: Reconciled) -> None:
        """Give the person back; what was parked before is settled now, unless part of their care is not followed up."""
        self.index.wake(done.elsewhere, self.clock.now())
        if done.seen is not None and not done.writes:
            self.tallied(claim.person, done.seen)
        reason = why_to_park(done.broken, done.not_followed)
        if not reason:
            self.index.finish(claim, done.next_due_at)
            self.dead_letters.take(letter_id(claim.person))
            return
        now = self.clock.now()
        self.metrics.failures.labels("broken" if done.broken else "no version").inc()
        self._park(claim.person, reason, now)
        self.index.finish(claim, no_later_than(done.next_due_at, now, PARKED_AGAIN_AFTER))

    def _settle(self, person: Reference) -> Reconciled:
        """Look until there is nothing to write: what was just written may itself open the next step."""
        said: set[object] = set()
        done = Reconciled(next_due_at=None)
        for _ in range(LOOKS):
            done = self._look(person)
            if not done.writes:
                return done
            said.add(frozenset((d.enrolment.identifier, d.rules) for d in done.decisions if not d.is_settled))
            self.index.wake([each for each in done.others if each != person], self.clock.now())
            self._note(done.written)
        if len(said) == LOOKS:
            log.info("others write while a person is looked at; looked at again in turn")
            return replace(done, next_due_at=self.clock.now())
        # The same was said twice: somebody undoes what we write, or we do. Going on would go on for ever, and so would
        # being woken by the echo of this look: it is noted, and a pause is made before the next.
        log.warning("a person's record did not settle; looked at again when due", extra={"looks": LOOKS})
        done = self._look(person)
        self._note(done.written)
        return replace(done, next_due_at=no_later_than(done.next_due_at, self.clock.now(), LONGEST_PAUSE))

    def _note(self, written: Sequence[Written]) -> None:
        """The next look sees all of this, so its notifications will have nothing to say."""
        try:
            self.echoes.note(written)
        except InboxUnavailable:
            log.info("our own writes could not be remembered; their notifications cost a look each")

    def _look(self, person: Reference) -> Reconciled:
        with self.metrics.reconcile_seconds.time():
            done = reconcile(
                person,
                record=self.record,
                practice=self.practice,
                now=self.clock.now(),
                directory=self.directory,
            )
        count(done, self.metrics)
        return done

    def _later(
        self, claim: Claim, kind: str, failure: Exception, *, park_after: int | None = None, reason: str = ""
    ) -> None:
        failed = self.index.failures(claim.person) + 1
        self.metrics.failures.labels(kind).inc()
        trace = (type(failure), failure, failure.__traceback__) if kind == "fault" else None
        log.log(
            logging.ERROR if kind == "fault" else logging.WARNING,
            "reconcile failed",
            # The text of a record failure never holds content (ports.RecordFailure); that of a fault might.
            extra={"kind": kind, "failed": failed} | ({} if kind == "fault" else {"why": str(failure)}),
            exc_info=trace,
        )
        if park_after is None or failed < park_after:
            self.index.back_off(claim, pause_after(failed, claim.token))
            return
        now = self.clock.now()
        self._park(claim.person, reason, now)
        self.index.finish(claim, no_later_than(None, now, PARKED_AGAIN_AFTER))

    def _park(self, person: Reference, reason: str, now: datetime) -> None:
        self.metrics.parked.labels("person").inc()
        self.dead_letters.park(letter_about(person, reason, now))
