"""Who hears about it when open work is cancelled because its enrolment ends: whoever held it.

Chooses people, never words of a message. Told once: the notice has an identifier of its own for each Task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.domain.evidence import Roster
from service.domain.intents import ChangeFollowUp, TellHolder
from service.domain.owners import known_holder
from service.domain.standing import CUT_OFF
from service.domain.view import View
from service.domain.vocabulary import FollowUpStatus, Reference, TaskId


def tell_holders(view: View, changes: Iterable[ChangeFollowUp], roster: Roster) -> tuple[TellHolder, ...]:
    """One notice for each Task that is cancelled now, or was by a closing that a crash interrupted."""
    now = {c.identifier: c.because for c in changes if c.status is FollowUpStatus.CANCELLED}
    return tuple(
        TellHolder(
            about=held.identifier,
            title=held.title,
            holder=known_holder(held.owner, roster),
            because=now.get(held.identifier) or held.cut_off_because,
            told_at=view.now,
        )
        for held in _everything_held(view)
        if held.identifier in now or held.cut_off_because
    )


@dataclass(frozen=True, kw_only=True)
class _Held:
    identifier: str
    title: str
    owner: Reference
    cut_off_because: str
    """Why this software cancelled it; empty when it did not."""


def _everything_held(view: View) -> Iterator[_Held]:
    for f in view.follow_ups:
        if f.owner is not None:
            yield _Held(
                identifier=f.identifier,
                title=_title(view, f.task),
                owner=f.owner,
                cut_off_because=_cut_off_because(f.status, f.reason),
            )
    for seen in view.escalations:
        for rung in seen.rungs:
            if rung.owner is not None:
                yield _Held(
                    identifier=f"{seen.identifier}/{rung.number}",
                    title=f"Respond to escalation: {_title(view, seen.task)}",
                    owner=rung.owner,
                    cut_off_because=_cut_off_because(rung.status, rung.reason),
                )


def _title(view: View, task: TaskId) -> str:
    template = view.template(task)
    return template.title if template else str(task)


def _cut_off_because(status: FollowUpStatus, reason: str | None) -> str:
    return reason if reason and status is FollowUpStatus.CANCELLED and CUT_OFF in reason else ""
