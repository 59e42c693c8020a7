"""Whose an enrolment is: whoever what began it is about by now. Says when it stands under somebody else; moves nothing.

A merge that is taken back, or a stay that had been recorded about the wrong person, leaves work under a record that it
does not belong to. The record is asked, never the message; where it does not say clearly, the work stays where it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.domain.vocabulary import Reference
from service.fhir.former_records import moved_from
from service.fhir.patient_links import FURTHEST, Ambiguous, Read, replaces, survivor
from service.fhir.read.elements import extension_value
from service.fhir.references import identifier_values, reference_to, referred
from service.fhir.searches import people_of
from service.fhir.systems import ENROLMENT, ENROLMENT_ANCHOR, MOVED_FROM
from service.ports import NotInRecord, Resource, Write

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read about one person, with the records that are theirs too."""

    resources: Sequence[Resource]
    former: frozenset[Reference] = frozenset()
    """Records of the same person that were merged into theirs."""
    parted: frozenset[Reference] = frozenset()
    """Records that had been merged into theirs and stand for themselves again."""


@dataclass(frozen=True, kw_only=True)
class Stray:
    """An enrolment that stands under a record that it does not belong to."""

    plan: Resource
    identifier: str
    whose: Reference
    """Under whose record it stands."""
    to: Reference
    """To whose record it belongs."""
    about: Reference
    """Whom what began it names: `to`, or a record that was merged into it."""


def anchor_of(plan: Resource) -> Reference | None:
    """What an enrolment CarePlan says that it began with."""
    return referred(extension_value(plan, ENROLMENT_ANCHOR, "valueReference"))


def strays(person: Reference, reading: Reading, read: Read, base: str) -> Iterator[Stray]:
    """Enrolments under the person's record that began with something about somebody else."""
    plans = [each for each in reading.resources if each.get("resourceType") == "CarePlan"]
    by_reference = {reference_to(each): each for each in reading.resources} if plans else {}
    for plan in plans:
        names = identifier_values(plan, ENROLMENT)
        if not names or person not in people_of(plan, base):
            continue
        about = _named(plan, reading, by_reference.get(anchor_of(plan)), read, base)
        if not about or person in about or reading.former & set(about):
            continue
        to = _rightful(about, read, base)
        if to is not None and to != person:
            yield Stray(plan=plan, identifier=names[0], whose=person, to=to, about=about[0])


def stray(plan: Resource, person: Reference, read: Read, base: str) -> Stray | None:
    """The same about one enrolment that the person should have begun, and that perhaps stands under somebody else.

    `to` is the holder where the record does not say clearly that it is not theirs.
    """
    names, holders, anchor = identifier_values(plan, ENROLMENT), people_of(plan, base), anchor_of(plan)
    if not names or not holders or person in holders or anchor is None:
        return None
    try:
        about = people_of(read(anchor), base)
    except NotInRecord:
        about = ()
    holder = holders[0]
    is_held = holder in about or any(is_claimed(plan, holder, each, read, base) for each in about)
    to = _rightful(about, read, base) if about and not is_held else holder
    return Stray(
        plan=plan, identifier=names[0], whose=holder, to=to or holder, about=next(iter(about), holder)
    )


def stands_under(plan: Resource, person: Reference, read: Read, base: str) -> bool:
    """Whether an enrolment stands under the person, or under the record that theirs was merged into."""
    holders = people_of(plan, base)
    if person in holders or not holders:
        return True
    return _rightful((person,), read, base) in (None, *holders) or is_claimed(
        plan, holders[0], person, read, base
    )


def is_claimed(plan: Resource, holder: Reference, person: Reference, read: Read, base: str) -> bool:
    """Whether the holder replaces the person by their own word, or by that of a record that was merged into theirs."""
    came_by = [each for each in moved_from(plan) if _rightful((each,), read, base) == holder]
    return claims((holder, *came_by), person, read, base)


def claims(holders: Sequence[Reference], person: Reference, read: Read, base: str) -> bool:
    """Whether one of these records says that it replaces the person's, by way of others or not."""
    waiting, known = list(holders), set(holders)
    while waiting and len(known) <= FURTHEST:
        try:
            found = set(replaces(read(waiting.pop()), base)) - known
        except NotInRecord:
            continue
        known |= found
        waiting += sorted(found)
    return person in known - {holders[0]}


def remembering(write: Write, reading: Reading, base: str) -> Write:
    """A new enrolment that began with something in a record that was merged away, with that record's name on it."""
    by_reference = {reference_to(each): each for each in reading.resources}
    anchor = by_reference.get(anchor_of(write.resource))
    came_from = reading.former.intersection(people_of(anchor, base) if anchor else ())
    marks = [{"url": MOVED_FROM, "valueString": each} for each in sorted(came_from)]
    if not marks:
        return write
    return replace(write, resource={**write.resource, "extension": [*write.resource["extension"], *marks]})


def _named(
    plan: Resource, reading: Reading, anchor: Resource | None, read: Read, base: str
) -> tuple[Reference, ...]:
    """Whom what began it is about; where that cannot be read, from whose record it came before a merge that is over."""
    if anchor is not None:
        return people_of(anchor, base)
    came_from = [each for each in moved_from(plan) if each in reading.parted]
    if not came_from:
        return ()
    try:
        return people_of(read(anchor_of(plan) or came_from[0]), base)
    except NotInRecord:
        return (came_from[0],)


def _rightful(about: tuple[Reference, ...], read: Read, base: str) -> Reference | None:
    """The one record that all of these are by now; None when the record does not say which."""
    try:
        people = {reference_to(survivor(read(each), read, base)) for each in about}
    except (Ambiguous, NotInRecord) as problem:
        log.warning("whose a pathway is cannot be told (%s); it stays where it is", type(problem).__name__)
        return None
    return people.pop() if len(people) == 1 else None
