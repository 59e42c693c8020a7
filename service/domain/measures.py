"""Governance measures counted over enrolments: who belongs, who is left out, who met it, with the cases behind it.

Local measures. Windows modelled on a public measure are not a certified calculation of that measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.alongside import SUPERSEDED, Alongside, borrowed
from service.domain.enrolment import Enrolment
from service.domain.evidence import PersonRecord, Situation
from service.domain.needs import Needs
from service.domain.pathway import Measure, Pathway
from service.domain.versions import Versions
from service.domain.view import View, view_of
from service.domain.vocabulary import MeasureId, PlanStatus


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
    assurance: str = ""
    """How often the service looks at it together: `weekly`, `monthly`, or empty."""

    @property
    def rate(self) -> float | None:
        """Numerator over denominator; None when nobody belongs."""
        return len(self.numerator) / len(self.denominator) if self.denominator else None


def count(
    pathway: Pathway, people: Iterable[PersonRecord], now: datetime, versions: Versions | None = None
) -> tuple[MeasureCount, ...]:
    """Every measure of one version of a pathway over the enrolments of these people that follow it.

    `versions`: of all pathways, for the follow-ups of others may have served a purpose of this one.
    """
    known = versions or Versions([pathway])
    views = [
        _view(pathway, enrolment, record, now, known)
        for record in people
        for enrolment in _of(pathway, record, known)
    ]
    return tuple(_count_one(measure, views) for measure in pathway.measures)


def count_versions(
    own: Iterable[Pathway], people: Sequence[PersonRecord], now: datetime, versions: Versions
) -> tuple[MeasureCount, ...]:
    """Every measure over `own`, all versions of one pathway, the current first: each enrolment counts by its own version.

    A measure that a later version has dropped is still told, for those who began with an earlier one.
    """
    merged: dict[MeasureId, MeasureCount] = {}
    for version in own:
        for found in count(version, people, now, versions):
            known = merged.get(found.measure)
            merged[found.measure] = _both(known, found) if known else found
    return tuple(merged.values())


def _both(one: MeasureCount, other: MeasureCount) -> MeasureCount:
    return replace(
        one,
        denominator=one.denominator + other.denominator,
        excluded=one.excluded + other.excluded,
        numerator=one.numerator + other.numerator,
        pending=one.pending + other.pending,
    )


def _of(pathway: Pathway, record: PersonRecord, versions: Versions) -> list[Enrolment]:
    """Enrolments on this version; those entered in error were never any, and of those that another pathway took over
    that one's measures tell.
    """
    followed = [(e, versions.get(e)) for e in record.enrolments]
    mine = [e for e, p in followed if p is not None and (p.id, p.version) == (pathway.id, pathway.version)]
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
    versions: Versions,
) -> View:
    situation = Situation(now=now, anchor=enrolment.anchor, started_at=enrolment.started_at)
    others = Alongside(pathways=versions, enrolments=record.enrolments, follow_ups=record.follow_ups)
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
        assurance=measure.assurance,
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
