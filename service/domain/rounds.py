"""Which Tasks belong together as one time of asking: a contact of a series, or one passage through a repeated stage.

A follow-up that comes once has one round. What was done in an earlier round says nothing about the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from service.domain.due import Unit
from service.domain.enrolment import StageEntry
from service.domain.evidence import Fact, FollowUp
from service.domain.follow_up_task import FollowUpTask
from service.domain.needs import InRecord
from service.domain.pathway import Pathway
from service.domain.standing import called_off
from service.domain.vocabulary import OPEN, FollowUpStatus, TaskId

if TYPE_CHECKING:
    from service.domain.view import View

_WHOLE_DAYS = {Unit.DAYS, Unit.WEEKS, Unit.WORKING_DAYS}


@dataclass(frozen=True, kw_only=True)
class Round:
    """One time of asking, with the attempts made at it."""

    occurrences: tuple[FollowUp, ...] = ()
    since: datetime | None = None
    """Only later evidence counts for it; None: whatever the rows of the follow-up say."""
    completed: int = 0
    """How many contacts of the series were completed before."""
    followed: datetime | None = None
    """When the last of these was completed."""
    is_next: bool = False
    """Begun when an earlier contact was over, not by the pathway's own clock."""
    done_at: datetime | None = None
    unasked: int = 0
    """How many contacts just before it were made without a Task. Its own first Task leaves out so many numbers, so that
    a later look still knows which contact it asks for."""

    @property
    def is_open(self) -> bool:
        """Its newest Task waits for somebody."""
        return bool(self.occurrences) and self.occurrences[-1].status in OPEN


def reentries(pathway: Pathway, history: tuple[StageEntry, ...]) -> Iterator[tuple[int, datetime]]:
    """(position of the stage, when) for each time that somebody came back to a stage from a later one."""
    if not pathway.repeats:
        return
    furthest = -1
    for entry in history:
        position = pathway.positions.get(entry.stage, -1)
        if position <= furthest:
            yield position, entry.entered_at
        furthest = position


def anew_at(pathway: Pathway, history: tuple[StageEntry, ...], position: int) -> list[datetime]:
    """When the stage at this position began anew, because it or one before it was entered again; oldest first."""
    return sorted(at for entered, at in reentries(pathway, history) if entered <= position)


def rounds_of(view: View, template: FollowUpTask) -> tuple[Round, ...]:
    """All rounds of a follow-up, the current one last; never empty."""
    occurrences = view.occurrences(template.id)
    anew = _anew_at(view, template)
    if not template.comes_again and not anew:
        return (_finished(view, template, occurrences, Round()),)
    return tuple(_split(view, template, occurrences, anew))


def _split(
    view: View, template: FollowUpTask, occurrences: list[FollowUp], anew: list[datetime]
) -> Iterator[Round]:
    current, held = Round(), list[FollowUp]()
    left_out = _left_out(view, occurrences)
    for follow_up in occurrences:
        gap = left_out.get(follow_up.identifier, 0)
        while anew and anew[0] <= follow_up.opened_at:
            if held:
                yield _finished(view, template, held, current)
            current, held = Round(since=anew.pop(0)), []
        over = _finished(view, template, held, current)
        begun = _begun_by(template, over, before=follow_up.opened_at, late=gap > 0)
        if begun is not None:
            yield over
            current, held = begun, []
        for made in _made(view, template, current, before=follow_up.opened_at) if gap and not held else ():
            if made.unasked >= gap:
                break
            yield made
            current = _after_unasked(made)
        held.append(follow_up)
        if template.comes_again and follow_up.status is FollowUpStatus.COMPLETED:
            yield replace(current, occurrences=tuple(held), done_at=follow_up.changed_at)
            current, held = _next_after(current, follow_up.changed_at), []
    if anew:
        if held and held[-1].status not in OPEN:
            yield _finished(view, template, held, current)
            held = []
        current = Round(since=anew[-1])
    yield from _last(view, template, held, current)


def _left_out(view: View, occurrences: list[FollowUp]) -> dict[str, int]:
    """How many numbers were left out before each Task of this enrolment, where there are any."""
    numbered = sorted((f for f in occurrences if view.is_own(f)), key=lambda f: f.occurrence)
    before = (0, *(f.occurrence for f in numbered))
    return {f.identifier: f.occurrence - last - 1 for last, f in zip(before, numbered, strict=False)}


def _last(view: View, template: FollowUpTask, held: list[FollowUp], current: Round) -> Iterator[Round]:
    """The time of asking that is under way, and those that it has just given way to."""
    if held:
        over = _finished(view, template, held, current)
        yield over
        begun = _begun_by(template, over, before=view.now, late=True)
        if begun is None:
            return
        current = begun
    for made in _made(view, template, current, before=view.now):
        yield made
        current = _after_unasked(made)
    if current.since is None:
        yield _finished(view, template, [], current)
    elif not current.is_next or _goes_on(view, template, current.completed):
        yield current


def _made(view: View, template: FollowUpTask, current: Round, *, before: datetime) -> Iterator[Round]:
    """The contacts, from `current` on, that the record shows although nobody was asked for them; each is one round."""
    while template.comes_again and (not current.is_next or _goes_on(view, template, current.completed)):
        made = _finished(view, template, [], current)
        if made.done_at is None or made.done_at > before:
            return
        yield made
        current = _after_unasked(made)


def _begun_by(template: FollowUpTask, over: Round, *, before: datetime, late: bool) -> Round | None:
    """The next time of asking, where nobody is asked any more: its owner called it off, or the record shows it done.

    What an owner called off was no contact: the series goes on, and it counts for nothing. `late`: also by a contact
    from before its last Task was closed, which the record shows only since then.
    """
    if not template.comes_again or not over.occurrences or over.is_open:
        return None
    latest = over.occurrences[-1]
    if template.series is not None and called_off(latest):
        return replace(over, occurrences=(), done_at=None, since=latest.changed_at, is_next=True, unasked=0)
    if over.done_at is None or over.done_at > before:
        return None
    if over.done_at >= latest.changed_at:
        return _next_after(over, over.done_at)
    return replace(_next_after(over, over.done_at), unasked=1) if late else None


def _next_after(over: Round, done_at: datetime) -> Round:
    return Round(since=done_at, followed=done_at, completed=over.completed + 1, is_next=True)


def _after_unasked(made: Round) -> Round:
    done_at = made.done_at
    assert done_at is not None
    return replace(_next_after(made, done_at), unasked=made.unasked + 1)


def _finished(view: View, template: FollowUpTask, held: list[FollowUp], begun: Round) -> Round:
    """A round with its Tasks, done when one of them is, or when the record shows it."""
    times = [f.changed_at for f in held if f.status is FollowUpStatus.COMPLETED]
    times += _evidence_times(view, template, begun)
    return replace(begun, occurrences=tuple(held), done_at=min(times, default=None))


def _evidence_times(view: View, template: FollowUpTask, begun: Round) -> list[datetime]:
    if not template.done_when:
        return []
    counts = _counting(view, template, begun)
    return [at for at in view.whole.times(template.done_when) if counts(at)]


def _counting(view: View, template: FollowUpTask, begun: Round) -> Callable[[datetime], bool]:
    """Whether evidence of an instant says something about this time of asking.

    The first contact of what comes again can be made without being asked for, but not before there was a reason to
    ask: what was done in an earlier stage is none of the series.
    """
    since = begun.since
    if since is not None:
        told_of = _day(view, begun.followed) if begun.followed and _is_one_a_day(template) else None
        return lambda at: at > since and _day(view, at) != told_of
    if not template.comes_again:
        return lambda _: True
    begun_at = _begun_at(view, template)
    return lambda at: begun_at is not None and at >= begun_at


def _is_one_a_day(template: FollowUpTask) -> bool:
    """A series in days or weeks: the note that is written an hour after a contact tells of that contact, of no other."""
    series = template.series
    lengths = (*series.steps, *([series.every] if series.every else ())) if series else ()
    return bool(lengths) and all(each.unit in _WHOLE_DAYS for each in lengths)


def _day(view: View, at: datetime) -> date:
    return at.astimezone(view.pathway.calendar.timezone).date()


def _begun_at(view: View, template: FollowUpTask) -> datetime | None:
    """From when the first contact could be asked for, or was; None: not yet.

    By the stages that the person has entered, not by what lets them enter: that may ask about this very follow-up.
    """
    asked = [f.opened_at for f in view.occurrences(template.id)[:1]]
    position = view.pathway.positions[view.pathway.templates[template.id][0].id]
    entries = (e.entered_at for e in view.history if view.pathway.positions[e.stage] >= position)
    entered = next(entries, None)
    wanted = view.whole.met_at(template.opens_when) if template.opens_when else entered
    if entered is not None and wanted is not None:
        asked.append(max(entered, wanted))
    return min(asked, default=None)


def evidence_of(view: View, template: FollowUpTask) -> Fact | None:
    """The earliest fact of the record that shows the current round to be done."""
    counts = _counting(view, template, view.current(template))
    facts = [
        (at, fact.reference, fact)
        for need in template.done_when
        if isinstance(need, InRecord)
        for fact in view.facts_for(need)
        if (at := need.condition.at(fact)) is not None and counts(at)
    ]
    return min(facts, key=lambda each: each[:2])[2] if facts else None


def completions(view: View, task: TaskId) -> list[datetime]:
    """Each time that a follow-up which comes again was completed, oldest first."""
    found = view.pathway.templates.get(task)
    if found is None:
        done = (f for f in view.occurrences(task) if f.status is FollowUpStatus.COMPLETED)
        return [each.changed_at for each in done]
    return [each.done_at for each in view.rounds(found[1]) if each.done_at is not None]


def series_completed_at(view: View, task: TaskId) -> datetime | None:
    """When a series came to its end: its steps are used up, or its `until` holds; None while it goes on."""
    found = view.pathway.templates.get(task)
    series = found[1].series if found else None
    if found is None or series is None:
        return None
    if series.every is not None:
        return view.met_at(series.until)
    anew = _anew_at(view, found[1])
    done = [at for at in completions(view, task) if not anew or at > anew[-1]]
    return done[len(series.steps)] if len(done) > len(series.steps) else None


def misses_of(view: View, task: TaskId) -> Iterator[datetime]:
    """When this follow-up was missed, or will be unless it is done by then."""
    found = view.pathway.templates.get(task)
    rounds = view.rounds(found[1]) if found else (Round(occurrences=tuple(view.occurrences(task))),)
    for asked in rounds:
        for follow_up in asked.occurrences:
            due = follow_up.complete_by
            if due is None or (asked.done_at is not None and asked.done_at <= due):
                continue
            given_up = follow_up.status is FollowUpStatus.CANCELLED and follow_up.changed_at <= due
            if not given_up and follow_up.status is not FollowUpStatus.ENTERED_IN_ERROR:
                yield due


def _anew_at(view: View, template: FollowUpTask) -> list[datetime]:
    if not view.pathway.repeats:
        return []
    stage = view.pathway.templates[template.id][0]
    return anew_at(view.pathway, view.history, view.pathway.positions[stage.id])


def _goes_on(view: View, template: FollowUpTask, completed: int) -> bool:
    series = template.series
    has_next = series is not None and (completed == 0 or series.step(completed) is not None)
    if series is not None and has_next and not view.is_met(series.until):
        return True
    return view.is_met(template.again_while)
