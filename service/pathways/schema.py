"""The grammar of pathway.yaml: which keys there are and what each may hold. What names refer to is checked later.

`pathway.schema.json` for editors is generated from these models.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from service.domain.pathway import IfUnmet, Once
from service.pathways.choices import DueIn, Lead, PriorityOrLevels, PriorityWord, RoleOrLevels
from service.pathways.rows import AlsoRow, Coded, Part, Rows, UnlessRow
from service.pathways.scalars import Amount, Count, Day, Duration, OneOf, Slug, Text, Version, YesNo, refuse

SENDER = "sender"
"""Whom `asks` can name; its title stands in roles.yaml."""
ASSURANCE = ("weekly", "monthly")


class Governance(Part):
    noun: ClassVar[str] = "governance"
    steward: Text
    approved_on: Day
    review_by: Day
    sources: Annotated[dict[Slug, Text], Field(min_length=1)]


class StartPart(Part):
    noun: ClassVar[str] = "a start"
    title: Text
    resource: Text | None = None
    rule: Rows | None = None
    when: Text | None = None
    coded: Annotated[Coded, Field(min_length=1)] | None = None
    unless: Annotated[list[UnlessRow], Field(min_length=1)] | None = None
    also: Annotated[list[AlsoRow], Field(min_length=1)] | None = None
    at_site: Slug | None = None
    within: Duration
    anchor: Text | None = None

    @model_validator(mode="after")
    def says_something(self) -> StartPart:
        if (self.resource is None) == (self.rule is None):
            raise refuse(
                "resource-or-rule",
                "a start needs one of resource and rule, not both or neither",
                "'resource: ...' looks at one resource, 'rule: [...]' at several together",
            )
        if self.rule is not None:
            return self._alone()
        if self.when is None and self.coded is None:
            raise refuse(
                "says-nothing", f"every {self.resource} would start this pathway", "add when or coded"
            )
        return self

    def _alone(self) -> StartPart:
        about_one = ("when", "coded", "unless", "also", "at_site", "anchor")
        named = next((name for name in about_one if getattr(self, name) is not None), None)
        if named is not None:
            key = named.replace("_", "-")
            raise refuse(
                "rule-alone",
                f"'{key}' is about one resource, and this start has a rule",
                "write it into a row of the rule",
            )
        return self


class SeriesPart(Part):
    noun: ClassVar[str] = "a series"
    every: Duration
    until: Rows | None = None


def _steps(value: Any) -> Any:
    if isinstance(value, str):
        raise refuse(
            "wrong-shape",
            "'series' must be a list of lengths of time, or a mapping with 'every'",
            "write [7 days, 14 days], or {every: 7 days, until: [...]}",
        )
    return value


Series = Annotated[
    Annotated[Annotated[list[Duration], Field(min_length=1), BeforeValidator(_steps)], Tag("series:steps")]
    | Annotated[SeriesPart, Tag("series:every")],
    Discriminator(lambda value: "series:every" if isinstance(value, dict) else "series:steps"),
]


class CapacityPart(Part):
    noun: ClassVar[str] = "a capacity"
    title: Text
    schedules: Slug
    count: Amount
    request: Slug
    why: Slug


class Attempts(Part):
    noun: ClassVar[str] = "attempts"
    count: Count
    every: Duration


class TaskPart(Part):
    noun: ClassVar[str] = "a task"
    id: Slug
    title: Text
    ask: Text
    owner: RoleOrLevels | None = None
    asks: Annotated[str, OneOf("known for asks", (SENDER,), "; a role is named under 'owner'")] | None = None
    accept_within: DueIn
    due_in: DueIn
    clock: Annotated[str, OneOf("a clock", ("start", "stage", "opened"))] = "start"
    priority: PriorityOrLevels = "routine"
    opens_when: Rows | None = None
    opens_after: Duration | None = None
    done_when: Rows | None = None
    again_while: Rows | None = None
    not_needed_when: Rows | None = None
    series: Series | None = None
    purpose: Slug | None = None
    records: list[Slug] = Field(default_factory=list)
    attempts: Attempts | None = None
    escalation: Slug | None = None
    why: Slug

    @model_validator(mode="after")
    def one_owner(self) -> TaskPart:
        if (self.owner is None) == (self.asks is None):
            raise refuse(
                "owner-or-asks",
                "a task needs one of owner and asks, not both or neither",
                "'owner: ...' names a role, 'asks: sender' whoever sent the request",
            )
        return self


class StagePart(Part):
    noun: ClassVar[str] = "a stage"
    id: Slug
    title: Text
    enter: Rows | None = None
    tasks: list[TaskPart] = Field(default_factory=list)
    final: YesNo = False
    repeats: YesNo = False


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
                "notify-or-reassign",
                "a rung needs one of notify and reassign-to, not both or neither",
                "write 'notify: role' where somebody is told, 'reassign-to: role' where the follow-up moves to them",
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
    assurance: Annotated[str, OneOf("a rhythm of assurance", ASSURANCE)] | None = None
    why: Slug


class PathwayFile(Part):
    """A whole pathway.yaml."""

    noun: ClassVar[str] = "a pathway"
    pathway: Slug
    title: Text
    version: Version
    status: Annotated[str, OneOf("a status", ("draft", "active", "retired"))]
    calendar: Slug
    lead: Lead
    once: Annotated[str, OneOf("a way to enrol once", tuple(o.value for o in Once))] = "anchor"
    excludes: list[Slug] = Field(default_factory=list)
    supersedes: list[Slug] = Field(default_factory=list)
    precedence: Amount | None = None
    governance: Governance
    criteria: dict[Slug, Annotated[dict[Slug, Rows], Field(min_length=1)]] = Field(default_factory=dict)
    starts: Annotated[list[StartPart], Field(min_length=1)]
    stages: Annotated[list[StagePart], Field(min_length=1)]
    required: list[RequiredPart] = Field(default_factory=list)
    gates: list[GatePart] = Field(default_factory=list)
    capacity: dict[Slug, CapacityPart] = Field(default_factory=dict)
    escalations: dict[Slug, LadderPart]
    measures: list[MeasurePart] = Field(default_factory=list)
