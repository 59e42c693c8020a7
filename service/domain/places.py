"""Reserved places: who is given one, who waits where in the queue, and when a place goes back.

The queue is the record's: every open request of the pathway, by priority, then in the order of asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.domain.due import elapsed
from service.domain.enrolment import InQueue
from service.domain.evidence import CapacitySeen, PlaceSeen, WaitingSeen
from service.domain.intents import FreePlace, TakePlace
from service.domain.pathway import Capacity
from service.domain.planned import Plan
from service.domain.view import View
from service.domain.vocabulary import OPEN, Priority

LOOK_AGAIN = timedelta(minutes=30)
"""A place that somebody gives back wakes nobody who waits, so whoever waits is looked at again and again."""

_URGENCY = {priority: -rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, kw_only=True)
class Places:
    """What is given, and where the person stands for each capacity that concerns them."""

    taken: tuple[TakePlace, ...] = ()
    queues: tuple[InQueue, ...] = ()
    wake_at: tuple[datetime, ...] = ()


def allocate(view: View, made: Plan) -> Places:
    """A free place for whoever is at the front of the queue; a position in it for everybody else who asks."""
    parts = [part for capacity in view.pathway.capacities.values() for part in _one(view, made, capacity)]
    return Places(
        taken=tuple(x for part in parts for x in part.taken),
        queues=tuple(x for part in parts for x in part.queues),
        wake_at=tuple(x for part in parts for x in part.wake_at),
    )


def give_back(view: View) -> tuple[FreePlace, ...]:
    """The places of an enrolment that is over; a time that has begun already is nobody else's any more."""
    return tuple(
        FreePlace(capacity=capacity, reference=place.reference, version=place.version)
        for capacity in view.pathway.capacities
        for place in view.places_held(capacity)
        if place.standing or place.starts_at > view.now
    )


def with_taken(view: View, places: Places) -> View:
    """`view` with the places that are just being given, for asking about needs only."""
    seen = dict(view.capacities)
    for taken in places.taken:
        known = seen[taken.capacity]
        held = tuple(_held(place, taken) for place in known.places)
        seen[taken.capacity] = replace(known, places=held)
    return replace(view, capacities=seen, spoken={})


def _held(place: PlaceSeen, taken: TakePlace) -> PlaceSeen:
    if place.reference != taken.reference:
        return place
    return replace(place, free=False, holder=taken.holder, held_since=taken.taken_at)


def _one(view: View, made: Plan, capacity: Capacity) -> Iterator[Places]:
    request = _request(view, made, capacity)
    if request is None and not view.occurrences(capacity.request):
        return
    held = view.places_held(capacity.id)
    if held:
        place = InQueue(capacity=capacity.id, place=held[0].reference)
        yield Places(queues=(place,))
    elif request is not None and capacity.id in view.capacities:
        yield _wait_or_take(view, capacity, request, view.capacities[capacity.id])


def _request(view: View, made: Plan, capacity: Capacity) -> WaitingSeen | None:
    """This person's own open request, on the record already or just being made."""
    withdrawn = {change.identifier for change in made.changes if change.status is not None}
    mine = [
        s.follow_up
        for s in made.standings
        if s.template.id == capacity.request and s.is_latest and s.follow_up.status in OPEN
    ]
    asked = next((f for f in mine if f.identifier not in withdrawn), None)
    if asked is None:
        return None
    return WaitingSeen(enrolment=view.identifier, priority=asked.priority, asked_at=asked.opened_at)


def _wait_or_take(view: View, capacity: Capacity, request: WaitingSeen, seen: CapacitySeen) -> Places:
    queue = _queue(request, seen)
    position = 1 + next(i for i, each in enumerate(queue) if each.enrolment == request.enrolment)
    free = sorted(
        (p for p in seen.places if p.free), key=lambda p: (not p.standing, p.starts_at, p.reference)
    )
    if position > len(free):
        waiting = InQueue(capacity=capacity.id, position=position, waiting=len(queue))
        return Places(queues=(waiting,), wake_at=(elapsed(view.now, LOOK_AGAIN),))
    place = free[position - 1]  # a place of their own for each who is looked at at the same time
    taken = TakePlace(
        capacity=capacity.id,
        reference=place.reference,
        version=place.version,
        holder=view.identifier,
        taken_at=view.now,
    )
    return Places(taken=(taken,), queues=(InQueue(capacity=capacity.id, place=place.reference),))


def _queue(request: WaitingSeen, seen: CapacitySeen) -> list[WaitingSeen]:
    others: Iterable[WaitingSeen] = (w for w in seen.waiting if w.enrolment != request.enrolment)
    served = {place.holder for place in seen.places if place.holder}
    waiting = [request, *(w for w in others if w.enrolment not in served)]
    return sorted(waiting, key=lambda w: (_URGENCY[w.priority], w.asked_at, w.enrolment))
