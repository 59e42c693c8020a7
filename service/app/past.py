"""A person's record with its past: what was decided when, and the evidence as each decision found it.

Pure. What a decision saw is known by version from its Provenance; the rest is what the record had when it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property

from service.adapters.past_record import PastRecord
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.history import History, Version
from service.fhir.read.facts import OURS
from service.fhir.read.identifiers import NotOurs
from service.fhir.read.trail import RecordedDecision, read_decision
from service.fhir.references import identifier_values
from service.ports import Resource

Absent = Version | None
"""A version that stands in for what the record had; None: it had nothing."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The record as a decision found it."""

    record: PastRecord
    lost: tuple[str, ...] = ()
    """What the decision saw and nobody has any more: `Type/id version n`."""


class Past:
    """Every version of what is known about one person, in the order in which decisions were made."""

    def __init__(self, history: History, zone: tzinfo) -> None:
        self.history = history
        self.zone = zone
        self.unreadable: list[str] = []
        found = sorted(self._decisions(), key=self._order)
        self.looks: list[list[RecordedDecision]] = _grouped(found, self.enrolment_of)
        """Decisions that were made together, from the same reading of the record."""

    def _decisions(self) -> Iterator[RecordedDecision]:
        for reference in self.history:
            content = self._newest(reference)
            try:
                decision = read_decision(content, self.zone) if content is not None else None
            except NotOurs as problem:
                self.unreadable.append(f"{reference}: {problem}")
                continue
            if decision is not None and self.enrolment_of(decision):
                yield decision

    def _order(self, decision: RecordedDecision) -> tuple[datetime, int]:
        """Written first, decided first; at one and the same instant, by the version of the enrolment that was seen."""
        plans = [number for reference, number in decision.seen if reference in self._plans]
        seen = max((int(number) for number in plans if number.isdecimal()), default=0)
        return decision.written_at or decision.recorded_at, seen

    def _newest(self, reference: Reference) -> Resource | None:
        found = (v.content for v in reversed(self.history.of(reference)) if v.content is not None)
        return next(found, None)

    # --- whose is what

    @cached_property
    def ours(self) -> Mapping[tuple[str, str], Reference]:
        """(identifier system, value) -> where the resource is; of all that Throughline has ever written here."""
        found = {}
        for reference in self.history:
            content = self._newest(reference) or {}
            for system in OURS.get(reference.partition("/")[0], ()):
                found.update({(system, value): reference for value in identifier_values(content, system)})
        return found

    @cached_property
    def _plans(self) -> Mapping[Reference, str]:
        """Enrolment CarePlan -> its business identifier."""
        return {ref: value for (system, value), ref in self.ours.items() if system == systems.ENROLMENT}

    def enrolment_of(self, decision: RecordedDecision) -> str:
        """Business identifier of the enrolment it is about; empty when that is not known here."""
        return next((self._plans[target] for target in decision.targets if target in self._plans), "")

    @cached_property
    def _made_by(self) -> Mapping[Reference, int]:
        """What a decision created -> the place of that look among all."""
        found: dict[Reference, int] = {}
        for place, look in enumerate(self.looks):
            for decision in look:
                for target in decision.targets - {reference for reference, _ in decision.seen}:
                    found.setdefault(target, place)
        return found

    @cached_property
    def written_by_us(self) -> frozenset[tuple[Reference, str]]:
        """Every version that a decision wrote: the first of what it created, the next after what it saw."""
        found = {(ref, versions[0].number) for ref in self._made_by if (versions := self.history.of(ref))}
        for look in self.looks:
            for decision in look:
                for reference, number in decision.seen:
                    after = self.history.after(reference, number)
                    if reference in decision.targets and after is not None:
                        found.add((reference, after.number))
        return frozenset(found)

    # --- the record as it was

    def evidence(self, place: int, instead: Mapping[Reference, Absent] | None = None) -> Evidence:
        """What the look at `place` found; `instead`: versions that it turned out to have found in place of ours."""
        look, instead = self.looks[place], instead or {}
        cut = min(decision.written_at or decision.recorded_at for decision in look)
        pins = {reference: number for decision in look for reference, number in decision.seen if number}
        chosen: list[Version] = []
        lost: list[str] = []
        for reference in {**dict.fromkeys(self.history), **pins}:
            if reference in instead:
                version = instead[reference]
            elif reference in pins:
                version = self.history.exact(reference, pins[reference])
                lost += [] if version else [f"{reference} version {pins[reference]}"]
            elif self._is_later(reference, place):
                version = None
            else:
                version = self.history.last_by(reference, cut)
            chosen += [version] if version else []
        return Evidence(record=_record(chosen), lost=tuple(lost))

    def _is_later(self, reference: Reference, place: int) -> bool:
        """Written by this decision or a later one; Provenance is never read."""
        return reference.startswith("Provenance/") or self._made_by.get(reference, -1) >= place

    def before(self, reference: Reference, number: str) -> Absent:
        """The version before this one."""
        versions = self.history.of(reference)
        place = next((n for n, version in enumerate(versions) if version.number == number), 0)
        return versions[place - 1] if place else None


def _record(versions: Sequence[Version]) -> PastRecord:
    return PastRecord(
        (version.content for version in versions if version.content is not None),
        gone=(version.reference for version in versions if version.content is None),
    )


def _grouped(
    decisions: Iterable[RecordedDecision], enrolment_of: Callable[[RecordedDecision], str]
) -> list[list[RecordedDecision]]:
    """Made at the same instant about different enrolments: one reading of the record."""
    looks: list[list[RecordedDecision]] = []
    for decision in decisions:
        last = looks[-1] if looks else []
        about = {enrolment_of(each) for each in last}
        if last and last[0].recorded_at == decision.recorded_at and enrolment_of(decision) not in about:
            last.append(decision)
        else:
            looks.append([decision])
    return looks
