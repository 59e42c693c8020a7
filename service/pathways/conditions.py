"""Rows of a pathway file compiled to closures over facts. Which kind a fact is, the caller has sorted out already.

An expression that meets a resource it cannot judge raises; nothing is swallowed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from service.domain.evidence import Condition, Fact, Situation
from service.domain.pathway import (
    EscalationState,
    InRecord,
    Need,
    Needs,
    OnEscalation,
    OnField,
    OnStage,
    OnTask,
    Start,
    TaskState,
)
from service.domain.vocabulary import FieldId, Reference, StageId, TaskId
from service.pathways.schema import (
    AlsoRow,
    EscalationRow,
    RecordedRow,
    RecordRow,
    StageRow,
    StartPart,
    TaskRow,
)
from service.pathways.site_files import AtSite, Shared
from service.ports import PathCompiler

Holds = Callable[[Fact, Situation], bool]
AT_SITE_KIND = "Encounter"
AT_SITE_PATHS = ("serviceProvider", "location.location")


class Row(Protocol):
    """What every row about a resource has."""

    @property
    def when(self) -> str | None: ...

    @property
    def coded(self) -> dict[str, str] | None: ...


class Conditions:
    """Compiles rows with one compiler and the value sets of one site."""

    def __init__(self, compiler: PathCompiler, shared: Shared) -> None:
        self.compiler = compiler
        self.shared = shared

    def needs(self, rows: list[Any] | None) -> Needs:
        """Any-of; None or empty rows make the empty tuple."""
        return tuple(self._need(row) for row in rows or ())

    def _need(self, row: Any) -> Need:
        match row:
            case TaskRow():
                return OnTask(task=TaskId(row.task), state=TaskState(row.is_))
            case RecordedRow():
                return OnField(field=FieldId(row.recorded), says=tuple(row.says or ()))
            case StageRow():
                return OnStage(stage=StageId(row.stage))
            case EscalationRow():
                return OnEscalation(task=TaskId(row.escalation), state=EscalationState(row.is_))
            case RecordRow():
                condition = self.condition(row.resource, row, linked_by=row.linked_by)
                return InRecord(condition=condition, ever=counts_ever(row))
            case _:
                raise TypeError("a row of a kind that the grammar does not have")

    def start(self, part: StartPart) -> Start:
        """A start with its exceptions and its linked resources."""
        return Start(
            title=part.title,
            condition=self.condition(part.resource, part, at_site=part.at_site),
            unless=tuple(self.condition(part.resource, row) for row in part.unless or ()),
            also=tuple(self._also(part.resource, row) for row in part.also or ()),
            within=part.within,
            anchor_of=self._anchor(part),
        )

    def _also(self, candidate_kind: str, row: AlsoRow) -> Condition:
        if row.pointed_to_by is None:
            return self.condition(row.resource, row, linked_by=row.linked_by)
        pointed = self._pointed(row.pointed_to_by, candidate_kind)
        parts = [pointed, *self._parts(row.resource, row)]
        text = f"{row_text(row.resource, row)}; pointed to by {row.pointed_to_by}"
        return Condition(kind=row.resource, text=text, holds=_all(tuple(parts)))

    def condition(
        self, kind: str, row: Row, *, linked_by: str | None = None, at_site: str | None = None
    ) -> Condition:
        """All of when, coded, linked-by and at-site must hold."""
        parts: list[Holds] = []
        if linked_by is not None:
            parts.append(self._linked(linked_by, kind))
        if at_site is not None:
            parts.append(self._at_site(at_site, kind))
        parts += self._parts(kind, row)
        text = row_text(kind, row, linked_by=linked_by, at_site=at_site)
        return Condition(kind=kind, text=text, holds=_all(tuple(parts)))

    def _parts(self, kind: str, row: Row) -> list[Holds]:
        parts = [self._coded(element, name, kind) for element, name in (row.coded or {}).items()]
        return parts if row.when is None else [*parts, self._predicate(row.when, kind)]

    def _pointed(self, path: str, candidate_kind: str) -> Holds:
        references = self.compiler.references(path, candidate_kind)

        def holds(fact: Fact, situation: Situation) -> bool:
            return situation.candidate is not None and fact.reference in references(
                situation.candidate.content
            )

        return holds

    def _predicate(self, when: str, kind: str) -> Holds:
        predicate = self.compiler.predicate(when, kind)
        return lambda fact, situation: predicate(fact.content, situation.now)

    def _coded(self, element: str, name: str, kind: str) -> Holds:
        codings = self.compiler.codings(element, kind)
        contains = self.shared.terminology.matchers[name].contains
        return lambda fact, _: any(contains(system, code) for system, code in codings(fact.content))

    def _linked(self, linked_by: str, kind: str) -> Holds:
        if linked_by == "self":
            return lambda fact, situation: fact.reference == situation.anchor
        references = self.compiler.references(linked_by, kind)
        return lambda fact, situation: situation.anchor in references(fact.content)

    def _at_site(self, name: str, kind: str) -> Holds:
        places = self.shared.site.at_site.get(name, AtSite()).places
        paths = [self.compiler.references(path, kind) for path in AT_SITE_PATHS]
        return lambda fact, _: any(place in places for path in paths for place in path(fact.content))

    def _anchor(self, part: StartPart) -> Callable[[Fact], Reference | None] | None:
        if part.anchor is None:
            return None
        references = self.compiler.references(part.anchor, part.resource)
        return lambda fact: next(iter(references(fact.content)), None)


def _all(parts: tuple[Holds, ...]) -> Holds:
    if len(parts) == 1:
        return parts[0]
    return lambda fact, situation: all(part(fact, situation) for part in parts)


def counts_ever(row: RecordRow) -> bool:
    """A linked row counts whenever it happened, unless it says otherwise; others count since the start."""
    return row.counts == "ever" if row.counts else row.linked_by is not None


def row_text(kind: str, row: Row, *, linked_by: str | None = None, at_site: str | None = None) -> str:
    """The row in one line, for explanations."""
    coded: Mapping[str, str] = row.coded or {}
    parts = [" ".join(row.when.split())] if row.when else []
    parts += [f"{element} in {name}" for element, name in coded.items()]
    parts += [f"linked by {linked_by}"] if linked_by else []
    parts += [f"at a site listed under {at_site}"] if at_site else []
    return f"{kind}: {'; '.join(parts)}"
