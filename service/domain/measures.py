"""Governance measures counted over enrolments: who belongs, who is left out, who met it, with the cases behind it.

Local measures. Windows modelled on a public measure are not a certified calculation of that measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.alongside import SUPERSEDED, Alongside, borrowed
from service.domain.enrolment import Enrolment
from service.domain.evidence import PersonRecord, Situation
from service.domain.needs import Needs
from service.domain.pathway import Measure, Pathway
from service.domain.view import View, view_of
from service.domain.vocabulary import MeasureId, PathwayId, PlanStatus


@dataclass(frozen=True, kw_only=True)
class MeasureCount:
    """One measure over many enrolments; the tuples hold enrolment identifiers, the cases behind the number."""

    measure: MeasureId
    title: str
    denominator: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    numerator: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """In the denominator, not met, and the time is not over yet."""

    @property
    def rate(self) -> float | None:
        """Numerator over denominator; None when nobody belongs."""
        return len(self.numerator) / len(self.denominator) if self.denominator else None


def count(
    pathway: Pathway,
    people: Iterable[PersonRecord],
    now: datetime,
    pathways: Mapping[PathwayId, Pathway] | None = None,
) -> tuple[MeasureCount, ...]:
    """Every measure of a pathway over the enrolments of these people.

    `pathways`: the others, whose follow-ups may have served a purpose of this one.
    """
    known = pathways or {pathway.id: pathway}
    views = [
        _view(pathway, enrolment, record, now, known)
        for record in people
        for enrolment in _of(pathway, record)
    ]
    return tuple(_count_one(measure, views) for measure in pathway.measures)


def _of(pathway: Pathway, record: PersonRecord) -> list[Enrolment]:
    """Enrolments of this pathway; those entered in error were never any, and of those that another pathway took over
    that one's measures tell.
    """
    mine = [e for e in record.enrolments if e.pathway == pathway.id]
    return [
        e
        for e in mine
        if e.status is not PlanStatus.ENTERED_IN_ERROR and not e.ended_reason.startswith(SUPERSEDED)
    ]


def _view(
    pathway: Pathway,
    enrolment: Enrolment,
    record: PersonRecord,
    now: datetime,
    pathways: Mapping[PathwayId, Pathway],
) -> View:
    situation = Situation(now=now, anchor=enrolment.anchor, started_at=enrolment.started_at)
    others = Alongside(pathways=pathways, enrolments=record.enrolments, follow_ups=record.follow_ups)
    shared = borrowed(pathway, enrolment, others)
    return view_of(pathway, enrolment.identifier, situation, record, enrolment.history, borrowed=shared)


def _count_one(measure: Measure, views: list[View]) -> MeasureCount:
    belong = [v for v in views if not measure.denominator or v.is_met(measure.denominator)]
    excluded = {v.identifier for v in belong if _met_in_time(v, measure, measure.exclusion)}
    counted = [v for v in belong if v.identifier not in excluded]
    met = {v.identifier for v in counted if _met_in_time(v, measure, measure.numerator)}
    return MeasureCount(
        measure=measure.id,
        title=measure.title,
        denominator=tuple(v.identifier for v in counted),
        excluded=tuple(v.identifier for v in belong if v.identifier in excluded),
        numerator=tuple(v.identifier for v in counted if v.identifier in met),
        pending=tuple(v.identifier for v in counted if v.identifier not in met and _still_open(v, measure)),
    )


def _met_in_time(view: View, measure: Measure, needs: Needs) -> bool:
    times = [at for at in view.times(needs) if _counts(view, measure, at)]
    return bool(times)


def _counts(view: View, measure: Measure, at: datetime) -> bool:
    started_at = view.situation.started_at
    if measure.within is not None and at > view.due(started_at, measure.within):
        return False
    if measure.same_day_counts:
        return True
    zone = view.pathway.calendar.timezone
    return at.astimezone(zone).date() > started_at.astimezone(zone).date()


def _still_open(view: View, measure: Measure) -> bool:
    return measure.within is None or view.now <= view.due(view.situation.started_at, measure.within)
