"""The grammar of a worked case: which keys a timeline may have and what each may hold."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from service.domain.vocabulary import FollowUpStatus, PlanStatus
from service.pathways.rows import Part
from service.pathways.scalars import LiteralReference, OneOf, Slug, Text, a_text, refuse, shown

TaskStatusWord = Annotated[str, OneOf("a Task status", tuple(s.value for s in FollowUpStatus))]
PlanStatusWord = Annotated[str, OneOf("a status", tuple(s.value for s in PlanStatus))]


def read_local_time(value: Any) -> datetime:
    """Day and time without a zone, such as 2026-03-06 16:30; seconds are optional."""
    text = a_text(value)
    wrong = refuse("bad-time", f"{shown(text)} is not a day and time", "write it as 2026-03-06 16:30")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?", text) is None:
        raise wrong
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None


def read_number(value: Any) -> int:
    """A whole number from 0 to 999."""
    text = a_text(value)
    if re.fullmatch(r"[0-9]{1,3}", text) is None:
        raise refuse("bad-number", f"{shown(text)} is not a whole number from 0 to 999")
    return int(text)


def read_file_name(value: Any) -> str:
    """A JSON file beside the case, in resources/."""
    text = a_text(value)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json", text) is None:
        raise refuse("bad-file-name", f"{shown(text)} is not the name of a JSON file in resources/")
    return text


LocalTime = Annotated[datetime, BeforeValidator(read_local_time)]
Number = Annotated[int, BeforeValidator(read_number)]
FileName = Annotated[str, BeforeValidator(read_file_name)]
Names = list[Slug]


class TaskActPart(Part):
    """What the owner of a follow-up does in their own system."""

    noun: ClassVar[str] = "what happens to a task"
    status: TaskStatusWord | None = None
    records: dict[Slug, Text] = Field(default_factory=dict)
    waives: dict[Slug, Text] = Field(default_factory=dict)


class EarlierPart(Part):
    """What became of the enrolment before the newest one on the same pathway."""

    noun: ClassVar[str] = "earlier"
    stage: Slug | None = None
    status: PlanStatusWord | None = None


class ExpectPart(Part):
    noun: ClassVar[str] = "expect"
    stage: Slug | None = None
    unmet: Names | None = None
    missing: Names | None = None
    tasks: dict[Slug, TaskStatusWord] | None = None
    owners: dict[Slug, LiteralReference] | None = None
    due: dict[Slug, LocalTime] | None = None
    escalated: dict[Slug, Number] | None = None
    variances: Names | None = None
    status: PlanStatusWord | None = None
    measures: dict[Slug, Annotated[list[Number], Field(min_length=2, max_length=2)]] | None = None
    lead: LiteralReference | None = None
    accountable: LiteralReference | None = None
    queue: dict[Slug, Number] | None = None
    earlier: EarlierPart | None = None
    enrolled: dict[Slug, PlanStatusWord] | None = None
    asked: dict[Slug, Number] | None = None


class StepPart(Part):
    noun: ClassVar[str] = "a step of the timeline"
    at: LocalTime
    arrives: list[FileName] = Field(default_factory=list)
    resource: dict[str, Any] | None = None
    task: dict[Slug, TaskActPart] = Field(default_factory=dict)
    respond: dict[Slug, TaskStatusWord] = Field(default_factory=dict)
    expect: ExpectPart | None = None


class CaseFile(Part):
    """A whole case."""

    noun: ClassVar[str] = "a case"
    case: Text
    pathway: Slug
    beside: list[Slug] = Field(default_factory=list)
    people: dict[Slug, LiteralReference] = Field(default_factory=dict)
    timeline: Annotated[list[StepPart], Field(min_length=1)]
