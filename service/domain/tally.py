"""How one person stands in numbers, from the record as read: for metrics, never for decisions.

Says nothing about who the person is; pathways, clocks and causes are names from configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.evidence import FollowUp, PersonRecord, Roster
from service.domain.follow_up_task import FollowUpTask
from service.domain.owners import is_held
from service.domain.pathway import Pathway
from service.domain.standing import timeliness
from service.domain.vocabulary import OPEN, RUNNING_PLAN, Cause, PathwayId, Timeliness


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Numbers of one person; adding up those of everybody gives the numbers of the site."""

    enrolments: Mapping[PathwayId, int] = field(default_factory=dict)
    """Running ones."""
    follow_ups: Mapping[tuple[PathwayId, Timeliness], int] = field(default_factory=dict)
    """Open ones, by where they stand against their clocks."""
    unowned: Mapping[PathwayId, int] = field(default_factory=dict)
    """Open ones whose role nobody holds in their own right; the accountable person holds them meanwhile."""
    unowned_since: datetime | None = None
    """Since when the first of these is unowned."""
    escalations: Mapping[tuple[PathwayId, Cause], int] = field(default_factory=dict)
    """Running ones."""


def tally(record: PersonRecord, pathways: Mapping[PathwayId, Pathway], now: datetime) -> Tally:
    """Count what `record` says; what stands on a pathway that is not among `pathways` is counted under its name."""
    open_ones = [follow_up for follow_up in record.follow_ups if follow_up.status in OPEN]
    running = [each for each in record.escalations if each.status in RUNNING_PLAN]
    unowned = list(_unowned(open_ones, record, pathways))
    vacant = [each.missed_at for each in running if each.cause is Cause.UNOWNED]
    return Tally(
        enrolments=Counter(e.pathway for e in record.enrolments if e.status in RUNNING_PLAN),
        follow_ups=Counter((_pathway(each.identifier), timeliness(each, now)) for each in open_ones),
        unowned=Counter(_pathway(each.identifier) for each in unowned),
        unowned_since=min([*vacant, *(each.opened_at for each in unowned)]) if unowned else None,
        escalations=Counter((_pathway(each.identifier), each.cause) for each in running),
    )


def _unowned(
    follow_ups: Iterable[FollowUp], record: PersonRecord, pathways: Mapping[PathwayId, Pathway]
) -> Iterator[FollowUp]:
    for follow_up in follow_ups:
        template = _template_of(follow_up, pathways.get(_pathway(follow_up.identifier)))
        if template is not None and not _is_held(follow_up, template, record.roster):
            yield follow_up


def _is_held(follow_up: FollowUp, template: FollowUpTask, roster: Roster) -> bool:
    """Of what is asked of the sender, nobody stands in as long as somebody else than the accountable person has it."""
    if not template.asks_sender:
        return is_held(template.owner, roster)
    stands_in = roster.accountable
    accountable = {stands_in.reference, stands_in.practitioner} if stands_in else set()
    return follow_up.owner is not None and follow_up.owner not in accountable


def _template_of(follow_up: FollowUp, pathway: Pathway | None) -> FollowUpTask | None:
    stages = pathway.stages if pathway else ()
    return next((t for stage in stages for t in stage.tasks if t.id == follow_up.task), None)


def _pathway(identifier: str) -> PathwayId:
    """Every identifier of ours begins with its pathway."""
    return PathwayId(identifier.partition("/")[0])
