"""The rows of pathway.yaml: what must be so in the record, on a follow-up, in a stage; and what every mapping has in common.

Whether the names and paths in a row exist is checked elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from service.domain.needs import EnrolmentState, EscalationState, PlaceState, TaskState
from service.pathways.scalars import Count, Duration, OneOf, Slug, Text, refuse
from service.pathways.spelling import did_you_mean


def kebab(name: str) -> str:
    """The key of a field: `ask_role` is written `ask-role`."""
    return name.rstrip("_").replace("_", "-")


class Part(BaseModel):  # type: ignore[pydantic-alias, unused-ignore]
    """A mapping of the file. `noun` names it in messages."""

    # Files use kebab-case only; nothing constructs these models by field name.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=kebab)
    noun: ClassVar[str] = "this mapping"  # type: ignore[pydantic-alias, unused-ignore]


Coded = dict[Text, Slug]


ANCHOR_ITSELF = "self"
ANY_OTHER = "other"
"""Words of linked-by that are no path: the enrolment's anchor, and any resource but the anchor."""


class AlsoRow(Part):
    """Another resource that points to the one above (linked-by), or that the one above points to (pointed-to-by)."""

    noun: ClassVar[str] = "a row of also"
    resource: Text
    when: Text | None = None
    coded: Annotated[Coded, Field(min_length=1)] | None = None
    linked_by: Text | None = None
    pointed_to_by: Text | None = None

    @model_validator(mode="after")
    def is_linked(self) -> AlsoRow:
        if (self.linked_by is None) == (self.pointed_to_by is None):
            raise refuse("not-linked", "a row of also needs one of linked-by and pointed-to-by")
        if self.linked_by in {ANCHOR_ITSELF, ANY_OTHER}:
            raise refuse(
                "not-linked",
                f"'linked-by: {self.linked_by}' says nothing in a row of also",
                "name the element that refers to the resource above, such as encounter",
            )
        return self


class RecordRow(Part):
    """Something in the record; one of when, coded, linked-by, pointed-to-by and at-site is needed."""

    noun: ClassVar[str] = "a row about a resource"
    resource: Text
    when: Text | None = None
    coded: Annotated[Coded, Field(min_length=1)] | None = None
    linked_by: Text | None = None
    pointed_to_by: Text | None = None
    also: Annotated[list[AlsoRow], Field(min_length=1)] | None = None
    at_site: Slug | None = None
    happened_at: Text | None = None
    counts: Annotated[str, OneOf("a way to count", ("since-start", "ever"))] | None = None

    @model_validator(mode="after")
    def says_something(self) -> RecordRow:
        link = None if self.linked_by == ANY_OTHER else self.linked_by
        if not any((self.when, self.coded, link, self.pointed_to_by, self.at_site)):
            raise refuse("says-nothing", f"any {self.resource} would do here", "add when, coded or linked-by")
        return self


class TaskRow(Part):
    noun: ClassVar[str] = "a row about a task"
    task: Slug
    is_: Annotated[str, OneOf("a state of a task", tuple(s.value for s in TaskState))]
    times: Count | None = None


class RecordedRow(Part):
    noun: ClassVar[str] = "a row about a required field"
    recorded: Slug
    says: Annotated[list[Text], Field(min_length=1)] | None = None


class StageRow(Part):
    noun: ClassVar[str] = "a row about a stage"
    stage: Slug


class EscalationRow(Part):
    noun: ClassVar[str] = "a row about an escalation"
    escalation: Slug
    is_: Annotated[str, OneOf("a state of an escalation", tuple(s.value for s in EscalationState))]


ALL_FIELDS = "all"


def all_or_names(value: Any) -> Any:
    """`all` on its own is the list of nothing but that word."""
    if isinstance(value, str) and value != ALL_FIELDS:
        raise refuse(
            "wrong-shape",
            f"'complete' must be a list of required fields, or {ALL_FIELDS}",
            did_you_mean(value, [ALL_FIELDS]) or f"write [{value}]" if value.strip() else "",
        )
    return [value] if value == ALL_FIELDS else value


class LevelRow(Part):
    noun: ClassVar[str] = "a row about a criterion"
    level: Slug
    is_: Annotated[list[Slug], Field(min_length=1)]


class AtLeastRow(Part):
    noun: ClassVar[str] = "a row that counts"
    at_least: Count
    within: Duration | None = None
    of: Rows


class AllRow(Part):
    noun: ClassVar[str] = "a row of rows that must all hold"
    all: Rows


class NoneRow(Part):
    noun: ClassVar[str] = "a row of rows of which none may hold"
    none: Rows


class MissingRow(Part):
    noun: ClassVar[str] = "a row about fields that are missing"
    missing: Annotated[list[Slug], Field(min_length=1)]


class CompleteRow(Part):
    """`complete: all` is every required field, those where-available excepted."""

    noun: ClassVar[str] = "a row about fields that are recorded"
    complete: Annotated[
        list[Slug],
        Field(min_length=1),
        BeforeValidator(all_or_names),
        WithJsonSchema(
            {"anyOf": [{"const": ALL_FIELDS}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
        ),
    ]


class SlotRow(Part):
    noun: ClassVar[str] = "a row about a reserved place"
    slot: Slug
    is_: Annotated[str, OneOf("a state of a request for a place", tuple(s.value for s in PlaceState))]


class EnrolledRow(Part):
    noun: ClassVar[str] = "a row about another pathway"
    enrolled: Slug
    is_: Annotated[str, OneOf("a state of an enrolment", tuple(s.value for s in EnrolmentState))]


ROWS: dict[str, type[Part]] = {
    "resource": RecordRow,
    "task": TaskRow,
    "recorded": RecordedRow,
    "stage": StageRow,
    "escalation": EscalationRow,
    "level": LevelRow,
    "at-least": AtLeastRow,
    "all": AllRow,
    "none": NoneRow,
    "missing": MissingRow,
    "complete": CompleteRow,
    "slot": SlotRow,
    "enrolled": EnrolledRow,
}
NESTED = ("of", "all", "none")
"""Keys under which a row holds rows."""


def row_kind(value: Any) -> str | None:
    """Which kind of row this is, by the first key that says so."""
    if not isinstance(value, dict):
        return None
    return next((f"row:{key}" for key in ROWS if key in value), None)


Row = Annotated[
    Annotated[RecordRow, Tag("row:resource")]
    | Annotated[TaskRow, Tag("row:task")]
    | Annotated[RecordedRow, Tag("row:recorded")]
    | Annotated[StageRow, Tag("row:stage")]
    | Annotated[EscalationRow, Tag("row:escalation")]
    | Annotated[LevelRow, Tag("row:level")]
    | Annotated[AtLeastRow, Tag("row:at-least")]
    | Annotated[AllRow, Tag("row:all")]
    | Annotated[NoneRow, Tag("row:none")]
    | Annotated[MissingRow, Tag("row:missing")]
    | Annotated[CompleteRow, Tag("row:complete")]
    | Annotated[SlotRow, Tag("row:slot")]
    | Annotated[EnrolledRow, Tag("row:enrolled")],
    Discriminator(row_kind),
]
Rows = Annotated[list[Row], Field(min_length=1)]


class UnlessRow(Part):
    """A row on the same resource as its start."""

    noun: ClassVar[str] = "a row of unless"
    when: Text | None = None
    coded: Annotated[Coded, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def says_something(self) -> UnlessRow:
        if self.when is None and self.coded is None:
            raise refuse("says-nothing", "this row says nothing", "add when or coded")
        return self
