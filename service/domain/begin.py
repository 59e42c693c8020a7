"""What begins an enrolment: a change in the record that fits a start of the pathway, and the enrolment it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.due import due_at
from service.domain.enrolment import Enrolment, StageEntry, Variance
from service.domain.evidence import Fact, PersonRecord, Situation
from service.domain.owners import resolve_owner
from service.domain.pathway import Pathway, Start
from service.domain.vocabulary import PlanStatus, Reference, VarianceKind

ByKind = Mapping[str, tuple[Fact, ...]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A change in the record that begins an enrolment."""

    start: Start
    fact: Fact
    anchor: Reference
    clock: Fact
    """The fact from which the clocks count."""
    identifier: str


def candidates(pathway: Pathway, record: PersonRecord, now: datetime) -> Iterator[Candidate]:
    """Changes that begin an enrolment which the record does not have yet; each anchor once."""
    known: set[Reference] = set()
    grouped = record.facts_by_kind
    for start in pathway.starts:
        for fact in grouped.get(start.condition.kind, ()):
            if not _begins(start, fact, grouped, pathway, now):
                continue
            anchor = (start.anchor_of(fact) if start.anchor_of else None) or fact.reference
            if anchor in known:
                continue
            known.add(anchor)
            clock = _clock(start, fact, anchor, grouped, now)
            identifier = _identifier(pathway, anchor, clock, record)
            if identifier is not None:
                yield Candidate(start=start, fact=fact, anchor=anchor, clock=clock, identifier=identifier)


def _identifier(pathway: Pathway, anchor: Reference, clock: Fact, record: PersonRecord) -> str | None:
    """`<pathway>/<anchor>`, or with `~2`, `~3` ... when the same resource begins it again; None when it must not.

    It begins again only when the pathway had come to its end and this happened after that end: a discharge that was
    taken back, and then came after all. What people ended, and what is still running, stays as it is.
    """
    earlier = [e for e in record.enrolments if e.pathway == pathway.id and e.anchor == anchor]
    if not earlier:
        return f"{pathway.id}/{anchor}"
    if any(e.status is not PlanStatus.COMPLETED for e in earlier):
        return None
    ended_at = max(e.history[-1].entered_at for e in earlier)
    return f"{pathway.id}/{anchor}~{len(earlier) + 1}" if clock.happened_at > ended_at else None


def begin(pathway: Pathway, candidate: Candidate, record: PersonRecord) -> Enrolment:
    """A new enrolment in the first stage; its clock counts from when the trigger, or what it is about, happened."""
    started_at = candidate.clock.happened_at
    lead = resolve_owner(pathway.lead, record.roster).holder
    first = pathway.stages[0].id
    return Enrolment(
        identifier=candidate.identifier,
        pathway=pathway.id,
        pathway_version=pathway.version,
        person=record.person,
        anchor=candidate.anchor,
        started_at=started_at,
        status=PlanStatus.ACTIVE,
        stage=first,
        history=(StageEntry(stage=first, entered_at=started_at),),
        reached=first,
        variances=_assumed_clock(candidate.clock),
        lead=lead.reference,
        lead_display=lead.display,
    )


def _begins(start: Start, fact: Fact, grouped: ByKind, pathway: Pathway, now: datetime) -> bool:
    if fact.void or due_at(fact.happened_at, start.within, pathway.calendar) < now:
        return False
    situation = _seen_from(fact, grouped, now)
    if not start.condition.holds(fact, situation):
        return False
    if any(condition.holds(fact, situation) for condition in start.unless):
        return False
    return not start.also or any(
        not other.void and other.reference != fact.reference and condition.holds(other, situation)
        for condition in start.also
        for other in grouped.get(condition.kind, ())
    )


def _seen_from(fact: Fact, grouped: ByKind, now: datetime) -> Situation:
    return Situation(
        now=now, anchor=fact.reference, started_at=fact.happened_at, candidate=fact, others=grouped
    )


def _clock(start: Start, fact: Fact, anchor: Reference, grouped: ByKind, now: datetime) -> Fact:
    """A request counts from what it is about, once that is over: the person has been waiting since then."""
    if start.clock_of is None:
        return fact
    for other in grouped.get(start.clock_of.kind, ()):
        usable = other.reference == anchor and not other.void and not other.time_assumed
        if usable and start.clock_of.holds(other, _seen_from(other, grouped, now)):
            return other
    return fact


def _assumed_clock(fact: Fact) -> tuple[Variance, ...]:
    if not fact.time_assumed:
        return ()
    reason = (
        f"the {fact.kind} does not say when it happened; the clocks count from when the record took it in. "
        "Please complete its period."
    )
    return (Variance(kind=VarianceKind.CLOCK_ASSUMED, subject=fact.kind, at=fact.happened_at, reason=reason),)
