"""Who is asked, how soon and how urgently, where a criterion or the sender of a request decides it.

A change of level re-plans what is open, but never what people have set by hand or an escalation has moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from service.domain.evidence import FollowUp, Holder, Roster, highest
from service.domain.follow_up_task import Choice, FollowUpTask, Option
from service.domain.owners import FoundBy, Ownership, is_held, known_holder, resolve_owner
from service.domain.standing import refused
from service.domain.view import View
from service.domain.vocabulary import AWAITING_ACCEPTANCE, Priority, Reference, RoleId


def chosen(view: View, choice: Choice[Option]) -> Option:
    """What is chosen at the level that the criterion has now."""
    return choice.at(view.level(choice.criterion)) if choice.criterion else choice.otherwise


def as_asked(view: View, template: FollowUpTask) -> FollowUpTask:
    """The template with the role, acceptance time and priority of the levels that hold now."""
    if not (template.owner_by or template.priority_by or template.accept_within_by):
        return template
    return replace(
        template,
        owner=chosen(view, template.owner_by) if template.owner_by else template.owner,
        priority=chosen(view, template.priority_by) if template.priority_by else template.priority,
        accept_within=chosen(view, template.accept_within_by)
        if template.accept_within_by
        else template.accept_within,
    )


def owner_of(
    view: View, template: FollowUpTask, roster: Roster, *, not_again: Iterable[Reference] = ()
) -> Ownership:
    """The named person who is asked: the holder of the role, or whoever sent what the enrolment is about."""
    if not template.asks_sender:
        return resolve_owner(template.owner, roster, not_again=not_again)
    sender = sender_of(view, roster)
    if sender is not None and {sender.reference, sender.practitioner}.isdisjoint(not_again):
        return Ownership(holder=sender, found_by=FoundBy.EXPLICIT)
    # The role's holders by name would be the senders of other requests.
    return resolve_owner(template.owner, replace(roster, explicit={}), not_again=not_again)


def is_asked_by_name(view: View, template: FollowUpTask, roster: Roster) -> bool:
    """Somebody holds the role in their own right; of a sender, the sender is a named person."""
    if template.asks_sender:
        return sender_of(view, roster) is not None
    return is_held(template.owner, roster)


def sender_of(view: View, roster: Roster) -> Holder | None:
    """Who sent the resource that the enrolment is anchored on, where that is a named person."""
    anchor, sent_by = view.situation.anchor_fact, view.pathway.sender_of
    reference = sent_by(anchor) if anchor is not None and sent_by is not None else None
    return known_holder(reference, roster) if reference is not None else None


def new_priority(view: View, template: FollowUpTask, follow_up: FollowUp) -> Priority | None:
    """The priority of the level that holds now, where it differs and nobody has set another."""
    choice = template.priority_by
    if choice is None or follow_up.priority is template.priority or _was_escalated(view, follow_up):
        return None
    return template.priority if follow_up.priority in choice.options else None


def new_owner(view: View, template: FollowUpTask, follow_up: FollowUp, roster: Roster) -> Holder | None:
    """Who is to be asked at the level that holds now: only while nobody has accepted, and only instead of whom we asked."""
    choice = template.owner_by
    if choice is None or follow_up.status not in AWAITING_ACCEPTANCE or _was_escalated(view, follow_up):
        return None
    wanted = resolve_owner(template.owner, roster).holder
    if wanted.reference in refusers(view, follow_up, roster):
        return None
    asked = {_first_holder(role, roster) for role in choice.options}
    return wanted if follow_up.owner in asked - {wanted.reference} else None


def refusers(view: View, follow_up: FollowUp, roster: Roster) -> list[Reference]:
    """Who has refused it at this time of asking already."""
    owners = [f.owner for f in view.attempts_with(follow_up) if refused(f) and f.owner is not None]
    # One person may stand on the roster twice: under a PractitionerRole and as the Practitioner.
    return [*owners, *(known_holder(owner, roster).practitioner for owner in owners)]


def _first_holder(role: RoleId, roster: Roster) -> Reference:
    return resolve_owner(role, roster).holder.reference


def _was_escalated(view: View, follow_up: FollowUp) -> bool:
    about = f"{follow_up.identifier}/"
    return any(highest(e.rungs) for e in view.escalations if e.identifier.startswith(about))
