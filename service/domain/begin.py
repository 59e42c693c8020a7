"""What begins an enrolment: a change in the record that fits a start of the pathway, and the enrolment it makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.domain.alongside import Alongside, is_kept_out, superseded_by
from service.domain.answers import facts_behind
from service.domain.due import due_at
from service.domain.enrolment import Enrolment, StageEntry, Variance
from service.domain.evidence import Condition, Fact, PersonRecord, Situation
from service.domain.owners import resolve_owner
from service.domain.pathway import Once, Pathway, Start
from service.domain.view import view_of
from service.domain.vocabulary import RUNNING_PLAN, PlanStatus, Reference, VarianceKind

BEFORE_EVERYTHING = datetime.min.replace(tzinfo=UTC)

ByKind = Mapping[str, tuple[Fact, ...]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A change in the record that begins an enrolment."""

    start: Start
    fact: Fact
    anchor: Reference
    clock: Fact
    """The fact from which the clocks count."""
    identifier: str = ""


def beginnings(
    pathways: Sequence[Pathway], record: PersonRecord, now: datetime, alongside: Alongside
) -> list[Enrolment]:
    """Every enrolment that must begin now; none that another pathway keeps out, or takes over at once."""
    if record.deceased_at is not None:
        return []
    found = [
        (pathway, candidate)
        for pathway in pathways
        if pathway.enrols
        for candidate in candidates(pathway, record, now)
    ]
    begun: list[Enrolment] = []
    for pathway, candidate in sorted(found, key=lambda each: -each[0].precedence):
        others = replace(alongside, enrolments=(*alongside.enrolments, *begun))
        if not is_kept_out(pathway, candidate.clock.happened_at, others):
            begun.append(begin(pathway, candidate, record))
    others = replace(alongside, enrolments=(*alongside.enrolments, *begun))
    return [enrolment for enrolment in begun if not superseded_by(enrolment, others)]


def candidates(pathway: Pathway, record: PersonRecord, now: datetime) -> Iterator[Candidate]:
    """Changes that begin an enrolment which the record does not have yet; each anchor once."""
    found = _found(pathway, record, now)
    if pathway.once is Once.PERSON:
        found = _once(pathway, found, record)
    known: set[Reference] = set()
    for candidate in found:
        if candidate.anchor in known:
            continue
        known.add(candidate.anchor)
        identifier = _identifier(pathway, candidate.anchor, candidate.clock, record)
        if identifier is not None:
            yield replace(candidate, identifier=identifier)


def _found(pathway: Pathway, record: PersonRecord, now: datetime) -> Iterator[Candidate]:
    grouped = record.facts_by_kind
    for start, kinds in zip(pathway.starts, pathway.start_kinds, strict=True):
        if kinds.isdisjoint(grouped):
            continue
        if start.condition is None:
            yield from _by_rule(pathway, start, record, now)
            continue
        for fact in grouped.get(start.condition.kind, ()):
            if _begins(start, start.condition, fact, grouped, pathway, now):
                anchor = (start.anchor_of(fact) if start.anchor_of else None) or fact.reference
                clock = _clock(start, fact, anchor, grouped, now)
                yield Candidate(start=start, fact=fact, anchor=anchor, clock=clock)


def _by_rule(pathway: Pathway, start: Start, record: PersonRecord, now: datetime) -> Iterator[Candidate]:
    """A rule over several resources; the newest of those that fulfil it is what the enrolment is about."""
    situation = Situation(now=now, anchor=Reference(""), started_at=BEFORE_EVERYTHING)
    view = view_of(pathway, "", situation, record, (), window=start.within)
    behind = {fact.reference: fact for fact in facts_behind(view, start.rule)}
    newest = max(behind.values(), key=lambda fact: (fact.happened_at, fact.reference), default=None)
    if newest is not None and due_at(newest.happened_at, start.within, pathway.calendar) >= now:
        yield Candidate(start=start, fact=newest, anchor=newest.reference, clock=newest)


def _once(pathway: Pathway, found: Iterable[Candidate], record: PersonRecord) -> Iterator[Candidate]:
    """One enrolment at a time: the one that waits longest, and after an end only by what happened since."""
    earlier = [e for e in record.enrolments if e.pathway == pathway.id]
    over = [e for e in earlier if e.status is not PlanStatus.ENTERED_IN_ERROR]
    if any(e.status in RUNNING_PLAN for e in over):
        return
    ended_at = max((e.ended_at or e.history[-1].entered_at for e in over), default=BEFORE_EVERYTHING)
    new = [candidate for candidate in found if candidate.clock.happened_at > ended_at]
    yield from sorted(new, key=lambda c: (c.clock.happened_at, c.anchor))[:1]


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
    # Where a criterion decides who leads, the first decision asks it.
    lead = resolve_owner(pathway.lead, record.roster).holder if pathway.lead_by is None else None
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
        lead=lead.reference if lead else None,
        lead_display=lead.display if lead else "",
    )


def _begins(
    start: Start, condition: Condition, fact: Fact, grouped: ByKind, pathway: Pathway, now: datetime
) -> bool:
    situation = _seen_from(fact, grouped, now)
    if fact.void or not condition.holds(fact, situation):
        return False
    if due_at(fact.happened_at, start.within, pathway.calendar) < now:
        return False
    if any(unless.holds(fact, situation) for unless in start.unless):
        return False
    return not start.also or any(
        not other.void and other.reference != fact.reference and also.holds(other, situation)
        for also in start.also
        for other in grouped.get(also.kind, ())
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
