"""Rows that need no compiling: about follow-ups, fields, stages, levels, places and other pathways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.domain.needs import (
    EnrolmentState,
    EscalationState,
    FieldsComplete,
    FieldsMissing,
    Need,
    OnEscalation,
    OnField,
    OnLevel,
    OnPathway,
    OnPlace,
    OnStage,
    OnTask,
    PlaceState,
    TaskState,
)
from service.domain.vocabulary import CapacityId, FieldId, PathwayId, StageId, TaskId
from service.pathways.rows import (
    ALL_FIELDS,
    ANY_OTHER,
    NESTED,
    CompleteRow,
    EnrolledRow,
    EscalationRow,
    LevelRow,
    MissingRow,
    RecordedRow,
    RecordRow,
    SlotRow,
    StageRow,
    TaskRow,
)


def record_rows(rows: list[Any] | None) -> Iterator[RecordRow]:
    """The rows about resources among these, also inside others."""
    for row in rows or ():
        if isinstance(row, RecordRow):
            yield row
        yield from record_rows(next((getattr(row, key) for key in NESTED if hasattr(row, key)), None))


def plain_need(row: Any, complete: tuple[FieldId, ...]) -> Need:
    """A row that neither asks about a resource nor holds other rows."""
    match row:
        case TaskRow():
            return OnTask(task=TaskId(row.task), state=TaskState(row.is_), times=row.times or 1)
        case RecordedRow():
            return OnField(field=FieldId(row.recorded), says=tuple(row.says or ()))
        case StageRow():
            return OnStage(stage=StageId(row.stage))
        case EscalationRow():
            return OnEscalation(task=TaskId(row.escalation), state=EscalationState(row.is_))
        case LevelRow():
            return OnLevel(criterion=row.level, levels=tuple(row.is_))
        case MissingRow():
            return FieldsMissing(fields=tuple(FieldId(name) for name in row.missing))
        case CompleteRow():
            named = tuple(FieldId(name) for name in row.complete)
            return FieldsComplete(fields=complete if row.complete == [ALL_FIELDS] else named)
        case SlotRow():
            return OnPlace(capacity=CapacityId(row.slot), state=PlaceState(row.is_))
        case EnrolledRow():
            return OnPathway(pathway=PathwayId(row.enrolled), state=EnrolmentState(row.is_))
        case _:
            raise TypeError("a row of a kind that the grammar does not have")


def counts_ever(row: RecordRow) -> bool:
    """A row linked to the anchor counts whenever it happened, unless it says otherwise; others count since the start."""
    if row.counts:
        return row.counts == "ever"
    return row.pointed_to_by is not None or row.linked_by not in {None, ANY_OTHER}
