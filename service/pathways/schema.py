"""The grammar of pathway.yaml: which keys there are and what each may hold. What names refer to is checked later.

`pathway.schema.json` for editors is generated from these models.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from service.domain.pathway import IfUnmet
from service.domain.vocabulary import Priority
from service.pathways.rows import AlsoRow, Coded, Part, Rows, UnlessRow
from service.pathways.scalars import Count, Day, Duration, OneOf, Slug, Text, Version, YesNo, refuse

PRIORITIES = tuple(p.value for p in Priority)
PriorityWord = Annotated[str, OneOf("a priority", PRIORITIES)]


class Governance(Part):
    noun: ClassVar[str] = "governance"
    steward: Text
    approved_on: Day
    review_by: Day
    sources: Annotated[dict[Slug, Text], Field(min_length=1)]


class StartPart(Part):
    noun: ClassVar[str] = "a start"
    title: Text
    resource: Text
    when: Text | None = None
    coded: Annotated[Coded, Field(min_length=1)] | None = None
    unless: Annotated[list[UnlessRow], Field(min_length=1)] | None = None
    also: Annotated[list[AlsoRow], Field(min_length=1)] | None = None
    at_site: Slug | None = None
    within: Duration
    anchor: Text | None = None

    @model_validator(mode="after")
    def says_something(self) -> StartPart:
        if self.when is None and self.coded is None:
            raise refuse(
                "says-nothing", f"every {self.resource} would start this pathway", "add when or coded"
            )
        return self


class DuePart(Part):
    """One length of time per level of a criterion; the levels are further keys."""

    model_config = ConfigDict(extra="allow")
    noun: ClassVar[str] = "due-in"
    __pydantic_extra__: dict[str, Duration]
    by: Slug
    otherwise: Duration

    @property
    def levels(self) -> dict[str, Any]:
        """Level -> length of time."""
        return self.__pydantic_extra__ or {}


DueIn = Annotated[
    Annotated[Duration, Tag("due:one")] | Annotated[DuePart, Tag("due:levels")],
    Discriminator(lambda value: "due:levels" if isinstance(value, dict) else "due:one"),
]


class Attempts(Part):
    noun: ClassVar[str] = "attempts"
    count: Count
    every: Duration


class TaskPart(Part):
    noun: ClassVar[str] = "a task"
    id: Slug
    title: Text
    ask: Text
    owner: Slug
    accept_within: Duration
    due_in: DueIn
    clock: Annotated[str, OneOf("a clock", ("start", "stage", "opened"))] = "start"
    priority: PriorityWord = "routine"
    opens_when: Rows | None = None
    opens_after: Duration | None = None
    done_when: Rows | None = None
    records: list[Slug] = Field(default_factory=list)
    attempts: Attempts | None = None
    escalation: Slug | None = None
    why: Slug


class StagePart(Part):
    noun: ClassVar[str] = "a stage"
    id: Slug
    title: Text
    enter: Rows | None = None
    tasks: list[TaskPart] = Field(default_factory=list)
    final: YesNo = False


class RequiredPart(Part):
    noun: ClassVar[str] = "a required field"
    id: Slug
    title: Text
    needs: Rows | None = None
    ask: Slug
    where_available: YesNo = False
    why: Slug


class GatePart(Part):
    noun: ClassVar[str] = "a gate"
    id: Slug
    title: Text
    before: Slug
    needs: Rows
    applies_when: Rows | None = None
    if_unmet: Annotated[str, OneOf("known for an unmet gate", tuple(i.value for i in IfUnmet))] = "hold"
    waived_by: list[Slug] = Field(default_factory=list)
    why: Slug


class RungPart(Part):
    noun: ClassVar[str] = "a rung"
    after: Duration
    notify: Slug | None = None
    reassign_to: Slug | None = None
    priority: PriorityWord
    respond_within: Duration
    plan: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def one_person(self) -> RungPart:
        if (self.notify is None) == (self.reassign_to is None):
            raise refuse(
                "notify-or-reassign", "a rung needs one of notify and reassign-to, not both or neither"
            )
        return self


class LadderPart(Part):
    noun: ClassVar[str] = "a ladder"
    title: Text
    why: Slug
    rungs: Annotated[list[RungPart], Field(min_length=1)]


class MeasurePart(Part):
    noun: ClassVar[str] = "a measure"
    id: Slug
    title: Text
    denominator: Rows | None = None
    exclusion: Rows | None = None
    numerator: Rows
    within: Duration | None = None
    same_day: Annotated[str, OneOf("known for same-day", ("counts", "does-not-count"))] = "counts"
    why: Slug


class PathwayFile(Part):
    """A whole pathway.yaml."""

    noun: ClassVar[str] = "a pathway"
    pathway: Slug
    title: Text
    version: Version
    status: Annotated[str, OneOf("a status", ("draft", "active", "retired"))]
    calendar: Slug
    lead: Slug
    governance: Governance
    criteria: dict[Slug, Annotated[dict[Slug, Rows], Field(min_length=1)]] = Field(default_factory=dict)
    starts: Annotated[list[StartPart], Field(min_length=1)]
    stages: Annotated[list[StagePart], Field(min_length=1)]
    required: list[RequiredPart] = Field(default_factory=list)
    gates: list[GatePart] = Field(default_factory=list)
    escalations: dict[Slug, LadderPart]
    measures: list[MeasurePart] = Field(default_factory=list)
