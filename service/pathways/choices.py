"""Where a criterion decides: one thing, or one for each of its levels; and a lead that is handed over.

The levels are keys that authors name themselves; whether the criterion has them is checked elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Discriminator, Tag

from service.domain.vocabulary import Priority
from service.pathways.rows import Part, Rows
from service.pathways.scalars import Duration, OneOf, Slug

PRIORITIES = tuple(p.value for p in Priority)
PriorityWord = Annotated[str, OneOf("a priority", PRIORITIES)]


class ByLevel(Part):
    """One thing per level of a criterion; the levels are further keys."""

    model_config = ConfigDict(extra="allow")
    by: Slug

    @property
    def levels(self) -> dict[str, Any]:
        """Level -> what is chosen there."""
        return self.__pydantic_extra__ or {}


class DuePart(ByLevel):
    noun: ClassVar[str] = "a length of time by level"
    __pydantic_extra__: dict[str, Duration]
    otherwise: Duration


class RolePart(ByLevel):
    noun: ClassVar[str] = "a role by level"
    __pydantic_extra__: dict[str, Slug]
    otherwise: Slug


class PriorityPart(ByLevel):
    noun: ClassVar[str] = "a priority by level"
    __pydantic_extra__: dict[str, PriorityWord]
    otherwise: PriorityWord


def _one_or_levels(value: Any) -> str:
    return "due:levels" if isinstance(value, dict) else "due:one"


DueIn = Annotated[
    Annotated[Duration, Tag("due:one")] | Annotated[DuePart, Tag("due:levels")], Discriminator(_one_or_levels)
]
RoleOrLevels = Annotated[
    Annotated[Slug, Tag("due:one")] | Annotated[RolePart, Tag("due:levels")], Discriminator(_one_or_levels)
]
PriorityOrLevels = Annotated[
    Annotated[PriorityWord, Tag("due:one")] | Annotated[PriorityPart, Tag("due:levels")],
    Discriminator(_one_or_levels),
]


class ThenPart(Part):
    noun: ClassVar[str] = "then"
    task: Slug


class HandoverPart(Part):
    noun: ClassVar[str] = "a lead that is handed over"
    role: RoleOrLevels
    until: Rows | None = None
    then: ThenPart


def _lead_kind(value: Any) -> str:
    if not isinstance(value, dict):
        return "lead:one"
    return "lead:levels" if "by" in value else "lead:handover"


Lead = Annotated[
    Annotated[Slug, Tag("lead:one")]
    | Annotated[RolePart, Tag("lead:levels")]
    | Annotated[HandoverPart, Tag("lead:handover")],
    Discriminator(_lead_kind),
]
