"""Keeps our Subscriptions alive after every catch-up: looks whether they still tell, mends those that do not, sends the canary.

What has to be changed because somebody changed the files is left to `throughline subscriptions apply`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.app.listening_report import Heard, Listening, changes_between, listening, listening_mark
from service.app.subscriptions import Action, Look, Subscriptions, to_mend
from service.fhir.event_gaps import Gaps
from service.fhir.notifications import NotificationProblem, parse_resource
from service.fhir.subscription_marks import (
    LISTENING,
    active_mark,
    errors_mark,
    errors_of,
    known_mark,
    mended_mark,
)
from service.fhir.subscription_server import SubscriptionServer
from service.flow.catch_up import CaughtUp
from service.flow.listen import State, note_unheard, state_of
from service.flow.send_canary import canary_state, send_canary
from service.ports import Clock, FhirRecord, RecordFailure, Watermarks

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
"""Between two attempts at mending the same subscription: the pause doubles while it does not help."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """One installation's subscriptions, looked after."""

    ours: Subscriptions
    server: SubscriptionServer
    record: FhirRecord
    """Where the canary lives."""
    marks: Watermarks
    clock: Clock
    canary: str = field(repr=False)
    """Its identifier."""
    canary_every: timedelta
    """Zero: none is sent."""
    base_url: str = ""

    @property
    def canaries(self) -> frozenset[str]:
        """Subscriptions that tell of nothing but the canary."""
        return frozenset(each.name for each in self.ours.wanted if each.canary)

    def saw(self, caught_up: CaughtUp) -> None:
        """Remember what the record told and no notification did."""
        note_unheard(self.ours.wanted, caught_up.newest, self.marks)

    def look(self) -> Listening:
        """After the record has been read again, so that nothing is asked for anew before it was caught up."""
        now = self.clock.now()
        try:
            looks = [look for look in self.ours.looks() if look.step.action is not Action.TURN_OFF]
        except RecordFailure as failure:
            log.warning("the server's subscriptions cannot be read: %s", failure)
            return self._told(Listening(at=now, problem=str(failure)))
        known = {name for look in looks if self.marks.get(known_mark(name := look.step.name))}
        self._note(looks, now)
        states = [self._state(look, now) for look in looks]
        self._ask_how_it_stands(looks, states, now)
        self._mend(looks, states, known, now)
        return self._told(self._report(looks, states, now))

    # --- looking

    def _note(self, looks: Sequence[Look], now: datetime) -> None:
        for look in looks:
            name, kept = look.step.name, look.kept
            if look.step.reference is not None:
                self._set(known_mark(name), look.step.reference)
            active = kept is not None and kept.status == "active"
            since = self.marks.get(active_mark(name)) or ""
            if active != bool(since):
                self._set(active_mark(name), now.isoformat() if active else "")

    def _state(self, look: Look, now: datetime) -> State:
        return state_of(look.step.name, look.kept, self.marks, now)

    def _ask_how_it_stands(self, looks: Sequence[Look], states: Sequence[State], now: datetime) -> None:
        """Where a topic is silent its server can say how many events there were, and what went wrong."""
        for look, state in zip(looks, states, strict=True):
            reference = look.step.reference
            if state.hearing.is_well or reference is None or not look.asked.wanted.flavour.by_topic:
                continue
            try:
                told = parse_resource(self.server.status(reference), base_url=self.base_url)
            except (RecordFailure, NotificationProblem) as failure:
                log.info("%s: its server does not say how it stands (%s)", state.name, type(failure).__name__)
                continue
            gaps = Gaps(self.marks, now, timedelta())
            if gaps.note(state.name, [told]):
                log.warning("%s: the server counts events that did not come", state.name)
            gaps.leave()
            self._set(errors_mark(state.name), errors_of([told]) or "")

    # --- mending

    def _mend(self, looks: Sequence[Look], states: Sequence[State], known: set[str], now: datetime) -> None:
        for state in states:
            if state.hearing.is_well:
                self._set(mended_mark(state.name), "")
        for look in to_mend(looks, known):
            name = look.step.name
            times, again_at = _mended(self.marks.get(mended_mark(name)))
            if again_at is not None and now < again_at:
                continue
            self._mend_one(look)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(times, 10))
            self._set(
                mended_mark(name), json.dumps({"times": times + 1, "again_at": (now + pause).isoformat()})
            )

    def _mend_one(self, look: Look) -> None:
        name, why = look.step.name, "; ".join(look.step.why)
        try:
            done = self.ours.take(look)
        except RecordFailure as failure:
            log.warning("%s could not be mended (%s): %s", name, why, failure)
            return
        if done.failed:
            log.warning("%s could not be mended (%s): %s", name, why, done.failed)
            return
        log.warning("%s: asked the server for it again, because %s", name, why)
        if done.reference is not None:
            self._set(known_mark(name), done.reference)

    # --- telling

    def _report(self, looks: Sequence[Look], states: Sequence[State], now: datetime) -> Listening:
        heard = {
            state.name: Heard(
                hearing=state.hearing, status=state.status, says=state.says, heard_at=state.heard_at
            )
            for state in states
        }
        is_sent = self.canary_every > timedelta() and any(
            look.asked.wanted.canary and look.kept is not None and look.kept.status == "active"
            for look in looks
        )
        if is_sent:
            try:
                send_canary(self.record, self.marks, self.canary, now, every=self.canary_every)
            except RecordFailure as failure:
                log.warning("the canary could not be sent: %s", failure)
        return Listening(at=now, subscriptions=heard, canary=canary_state(self.marks, now, is_sent=is_sent))

    def _told(self, report: Listening) -> Listening:
        for line, is_bad in changes_between(listening(self.marks.get(LISTENING)), report):
            log.log(logging.WARNING if is_bad else logging.INFO, line)
        self.marks.set(LISTENING, listening_mark(report))
        return report

    def _set(self, mark: str, value: str) -> None:
        if (self.marks.get(mark) or "") != value:
            self.marks.set(mark, value)


def _mended(mark: str | None) -> tuple[int, datetime | None]:
    try:
        kept = json.loads(mark or "")
        return int(kept["times"]), datetime.fromisoformat(kept["again_at"])
    except (ValueError, KeyError, TypeError):
        return 0, None
