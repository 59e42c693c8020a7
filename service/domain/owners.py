"""Who holds a follow-up: a named person, always.

Asked in this order: named on the record for that role, CareTeam member in that role, PractitionerRole of the service,
the accountable person of the site.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from service.domain.evidence import Holder, Roster
from service.domain.vocabulary import Reference, RoleId


class NoAccountablePerson(Exception):
    """Use this when nobody at all can own work here; the installation lacks its accountable person."""

    def __init__(self, role: RoleId) -> None:
        super().__init__(
            f"nobody holds the role '{role}' and the site has no accountable person: set "
            "THROUGHLINE_ACCOUNTABLE_PRACTITIONER to the Practitioner who answers for unowned follow-ups"
        )
        self.role = role


class FoundBy(StrEnum):
    """How an owner was found."""

    EXPLICIT = "explicit"
    CARE_TEAM = "care-team"
    PRACTITIONER_ROLE = "practitioner-role"
    ACCOUNTABLE = "accountable"


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """A named holder and how they were found."""

    holder: Holder
    found_by: FoundBy

    @property
    def is_stand_in(self) -> bool:
        """Nobody holds the role; the accountable person stands in."""
        return self.found_by is FoundBy.ACCOUNTABLE


def resolve_owner(role: RoleId, roster: Roster, *, not_again: Iterable[Reference] = ()) -> Ownership:
    """The named person who holds `role`. `not_again`: people who have already refused.

    Raises NoAccountablePerson when there is nobody at all.
    """
    refused = set(not_again)
    for ownership in _candidates(role, roster):
        if refused.isdisjoint({ownership.holder.reference, ownership.holder.practitioner}):
            return ownership
    if roster.accountable is None:
        raise NoAccountablePerson(role)
    return Ownership(holder=roster.accountable, found_by=FoundBy.ACCOUNTABLE)


def as_holder(reference: Reference, role: RoleId, roster: Roster) -> Ownership | None:
    """This person as a holder of `role`; None when they do not hold it in their own right (any more)."""
    known = known_holder(reference, roster)
    who = {known.reference, known.practitioner}
    return next(
        (
            o
            for o in _candidates(role, roster)
            if not who.isdisjoint({o.holder.reference, o.holder.practitioner})
        ),
        None,
    )


def is_held(role: RoleId, roster: Roster) -> bool:
    """Somebody holds the role in their own right."""
    return next(_candidates(role, roster), None) is not None


def _candidates(role: RoleId, roster: Roster) -> Iterator[Ownership]:
    if role in roster.explicit:
        yield Ownership(holder=roster.explicit[role], found_by=FoundBy.EXPLICIT)
    for found_by, holders in (
        (FoundBy.CARE_TEAM, roster.care_team),
        (FoundBy.PRACTITIONER_ROLE, roster.directory),
    ):
        for holder in holders:
            if role in holder.roles:
                yield Ownership(holder=holder, found_by=found_by)


def known_holder(reference: Reference, roster: Roster) -> Holder:
    """The holder behind a reference found on the record; a bare one when the roster does not know the person."""
    everybody = [*roster.explicit.values(), *roster.care_team, *roster.directory]
    if roster.accountable is not None:
        everybody.append(roster.accountable)
    for holder in everybody:
        if reference in (holder.reference, holder.practitioner):
            return holder
    return Holder(reference=reference, practitioner=reference, display=str(reference))
