"""The template of a follow-up: what is asked of whom, how soon, how often, and where a criterion decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.domain.due import Within
from service.domain.needs import Needs
from service.domain.vocabulary import FieldId, LadderId, Priority, RoleId, TaskId

Option = TypeVar("Option")


@dataclass(frozen=True, kw_only=True)
class Choice(Generic[Option]):
    """One thing, or one for each level of a criterion (e.g. risk); `otherwise` when no level is known."""

    otherwise: Option
    criterion: str | None = None
    by_level: Mapping[str, Option] = field(default_factory=dict)

    def at(self, level: str | None) -> Option:
        """What is chosen at a level."""
        return self.by_level.get(level or "", self.otherwise)

    @property
    def options(self) -> tuple[Option, ...]:
        """Everything that could be chosen."""
        return (self.otherwise, *self.by_level.values())


DueIn = Choice[Within]
"""A length of time, or one per level."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A follow-up that comes again: each next one is due so long after the last completed.

    Either `steps` (a taper: one length for each further contact, then it is over) or `every` until `until` holds.
    """

    steps: tuple[Within, ...] = ()
    every: Within | None = None
    until: Needs = ()

    def step(self, completed: int) -> Within | None:
        """How long after the `completed`-th contact the next one is due; None when there is no next one."""
        if self.every is not None:
            return self.every
        return self.steps[completed - 1] if 0 < completed <= len(self.steps) else None


@dataclass(frozen=True, kw_only=True)
class FollowUpTask:
    """The template of a follow-up."""

    id: TaskId
    title: str
    ask: str
    """What the owner is asked to do, one or two plain sentences."""
    owner: RoleId
    accept_within: Within
    due_in: DueIn
    clock: str = "start"
    """`start` = the enrolment's clock; `stage` = entry of its stage; `opened` = when the Task was opened."""
    priority: Priority = Priority.ROUTINE
    opens_when: Needs = ()
    """Empty: as soon as its stage is reached."""
    opens_after: Within | None = None
    done_when: Needs = ()
    records: tuple[FieldId, ...] = ()
    """Required fields the owner is asked to record as Task.output."""
    attempts: int = 1
    """How many failed attempts are tried again before the person counts as unreachable."""
    attempt_every: Within | None = None
    escalation: LadderId | None = None
    owner_by: Choice[RoleId] | None = None
    """Where a criterion decides who is asked; `owner` is then who is asked without a level. Likewise the next two."""
    accept_within_by: Choice[Within] | None = None
    priority_by: Choice[Priority] | None = None
    asks_sender: bool = False
    """The owner is whoever sent what the enrolment is about, where that is a person; `owner` is only its role's name."""
    series: Series | None = None
    again_while: Needs = ()
    """Asked again after it was completed, while these hold."""
    not_needed_when: Needs = ()
    """Not opened, and withdrawn with the reason, while these hold."""
    purpose: str = ""
    """What it is for; follow-ups of one purpose are asked for once, whichever pathway asks."""
    why: str = ""

    @property
    def comes_again(self) -> bool:
        """Being completed once does not end it."""
        return self.series is not None or bool(self.again_while)
