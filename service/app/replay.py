"""Recorded decisions decided again from the evidence as it was: the same, or otherwise, and in what. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.app.past import Evidence, Past
from service.app.replay_comparison import Comparison
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.versions import as_tried_out
from service.domain.vocabulary import Reference
from service.fhir.history import Version
from service.fhir.read.trail import RecordedDecision
from service.flow.directory import KeptDirectory
from service.flow.person_record import Seen
from service.flow.practice import Practice
from service.flow.reconcile import look, rendered

TRIES = 3
"""What was written between a reading and its decision is set aside once it shows; more rounds would show nothing new."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What deciding needs beside the person's record. As it is now: nobody keeps how it was."""

    practice: Practice
    role_codes: tuple[tuple[str | None, str], ...] = ()
    """What says that somebody plays one of the roles."""
    also: tuple[Reference, ...] = ()
    """Single people, such as the accountable one."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One recorded decision, decided again."""

    recorded: RecordedDecision
    enrolment: str
    differences: tuple[str, ...] = ()
    """In what it would be otherwise now; empty: the same."""
    lost: tuple[str, ...] = ()
    """Evidence that nobody has any more: then nothing can be said."""
    unchecked: tuple[str, ...] = ()
    """What it wrote and of which no version of that time is known."""

    @property
    def is_same(self) -> bool:
        """Decided again it comes to the same, as far as the record still tells."""
        return not self.differences and not self.lost


def replay(person: Reference, past: Past, site: Site, *, until: datetime | None = None) -> list[Replayed]:
    """Every recorded decision about the person up to `until`, in the order in which they were made."""
    done: list[Replayed] = []
    for place, made in enumerate(past.looks):
        if until is None or made[0].recorded_at <= until:
            done += _Again(person, past, site, place).replayed()
    return done


class _Again:
    """One look, taken again."""

    def __init__(self, person: Reference, past: Past, site: Site, place: int) -> None:
        self._person, self._past, self._site, self._place = person, past, site, place
        self._made = past.looks[place]
        self._now = self._made[0].recorded_at
        self._practice = _then(site.practice, self._made)

    def replayed(self) -> Iterator[Replayed]:
        evidence, seen, decisions = self._look()
        for recorded in self._made:
            enrolment = self._past.enrolment_of(recorded)
            lost = tuple(each for each in evidence.lost if each.partition(" ")[0] in dict(recorded.seen))
            decision = next((d for d in decisions if d.enrolment.identifier == enrolment), None)
            if lost:
                yield Replayed(recorded=recorded, enrolment=enrolment, lost=lost)
            elif decision is None:
                differences = (self._why_nothing(recorded),)
                yield Replayed(recorded=recorded, enrolment=enrolment, differences=differences)
            else:
                yield self._compared(recorded, decision, seen)

    def _compared(self, recorded: RecordedDecision, decision: Decision, seen: Seen) -> Replayed:
        writes = rendered(decision, seen, self._practice, self._now)
        compared = Comparison(self._past, recorded, decision, writes)
        return Replayed(
            recorded=recorded,
            enrolment=decision.enrolment.identifier,
            differences=tuple(compared.differences()),
            unchecked=tuple(compared.unchecked()),
        )

    def _look(self) -> tuple[Evidence, Seen, Sequence[Decision]]:
        evidence = self._past.evidence(self._place)
        seen, decisions = self._decide(evidence)
        instead: dict[Reference, Version | None] = {}
        for _ in range(TRIES):
            late = self._written_meanwhile(decisions)
            if not late:
                break
            instead |= late
            evidence = self._past.evidence(self._place, instead)
            seen, decisions = self._decide(evidence)
        return evidence, seen, decisions

    def _decide(self, evidence: Evidence) -> tuple[Seen, Sequence[Decision]]:
        site, record = self._site, evidence.record
        staff = KeptDirectory(record, site.role_codes, also=site.also, monotonic=lambda: 0.0)
        return look(
            self._person, record=record, practice=self._practice, now=self._now, directory=staff.people
        )

    def _written_meanwhile(self, decisions: Sequence[Decision]) -> dict[Reference, Version | None]:
        """What speaks now and did not then came between the reading and the writing: what had been there before it."""
        found: dict[Reference, Version | None] = {}
        for recorded in self._made:
            enrolment, then = self._past.enrolment_of(recorded), set(recorded.seen)
            for decision in decisions:
                if decision.enrolment.identifier == enrolment:
                    new = set(decision.seen) - then
                    found |= {
                        ref: self._past.before(ref, number) for ref, number in new if ref not in dict(then)
                    }
        return found

    def _why_nothing(self, recorded: RecordedDecision) -> str:
        if _version(self._practice, recorded) is None:
            return f"the mappings folder does not have version {recorded.version} of {recorded.pathway}"
        return "nothing would be decided about this enrolment"


def _version(practice: Practice, recorded: RecordedDecision) -> Pathway | None:
    wanted = (recorded.pathway, recorded.version)
    return next((each for each in practice.versions if (each.id, each.version) == wanted), None)


def _then(practice: Practice, made: Sequence[RecordedDecision]) -> Practice:
    """As it was when these were made: people began with the versions that decided."""
    current = dict(practice.pathways)
    for recorded in made:
        version = _version(practice, recorded)
        # Of a version that is gone nothing can be told; another one would tell something else.
        current.pop(recorded.pathway, None)
        if version is not None:
            current[recorded.pathway] = as_tried_out(version)
    earlier = (
        each for each in practice.versions if each.id in current and each.version != current[each.id].version
    )
    return replace(
        practice, pathways=current, earlier=tuple(replace(each, current=False) for each in earlier)
    )
