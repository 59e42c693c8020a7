"""Rows of a pathway file compiled to closures over facts. Which kind a fact is, the caller has sorted out already.

An expression that meets a resource it cannot judge raises; nothing is swallowed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from service.domain.evidence import Asked, Condition, Fact, Situation
from service.domain.needs import AllOf, AtLeast, InRecord, Need, Needs, NoneOf
from service.domain.pathway import Start
from service.domain.vocabulary import FieldId, Reference
from service.pathways.plain_rows import counts_ever, plain_need, record_rows
from service.pathways.rows import ANCHOR_ITSELF, ANY_OTHER, AllRow, AlsoRow, AtLeastRow, NoneRow, RecordRow
from service.pathways.schema import StartPart
from service.pathways.site_files import AtSite, Shared
from service.ports import PathCompiler, PathFaultError, Resource

Holds = Callable[[Fact, Situation], bool]
AT_SITE_KIND = "Encounter"
AT_SITE_PATHS = ("serviceProvider", "location.location")
SENT_BY = "requester"
PEOPLE = frozenset({"Practitioner", "PractitionerRole"})
"""Who can own a follow-up; an Organization is asked through the accountable person."""
CLOCK_KIND, CLOCK_OVER = "Encounter", "status = 'finished'"
"""What is anchored on an Encounter but is none itself (a request) counts from the Encounter's own end, once it has one."""


class Row(Protocol):
    """What every row about a resource has."""

    @property
    def when(self) -> str | None: ...

    @property
    def coded(self) -> dict[str, str] | None: ...


class Conditions:
    """Compiles rows with one compiler and the value sets of one site.

    `anchor_kinds`: the resource types that enrolments may be anchored on, for paths that lead away from the anchor.
    `complete`: the required fields that make up the whole minimum dataset.
    """

    def __init__(
        self,
        compiler: PathCompiler,
        shared: Shared,
        anchor_kinds: frozenset[str] = frozenset(),
        complete: tuple[FieldId, ...] = (),
    ) -> None:
        self.compiler = compiler
        self.shared = shared
        self.anchor_kinds = anchor_kinds
        self.complete = complete

    def needs(self, rows: list[Any] | None, *, windowed: bool = False) -> Needs:
        """Any-of; None or empty rows make the empty tuple. `windowed`: a window around them says which count."""
        return tuple(self._need(row, windowed=windowed) for row in rows or ())

    def _need(self, row: Any, *, windowed: bool) -> Need:
        match row:
            case RecordRow():
                return self._in_record(row, windowed=windowed)
            case AtLeastRow():
                rows = self.needs(row.of, windowed=windowed or row.within is not None)
                return AtLeast(count=row.at_least, of=rows, within=row.within)
            case AllRow():
                return AllOf(of=self.needs(row.all, windowed=windowed))
            case NoneRow():
                return NoneOf(of=self.needs(row.none, windowed=windowed))
            case _:
                return plain_need(row, self.complete)

    def _in_record(self, row: RecordRow, *, windowed: bool) -> InRecord:
        return InRecord(
            condition=self._record_row(row),
            ever=counts_ever(row),
            windowed=windowed and row.counts is None,
        )

    def start(self, part: StartPart) -> Start:
        """A start with its exceptions and its linked resources, or with its rule."""
        if part.resource is None:
            return Start(title=part.title, rule=self.needs(part.rule), within=part.within)
        return Start(
            title=part.title,
            condition=self.condition(part.resource, part, at_site=part.at_site),
            unless=tuple(self.condition(part.resource, row) for row in part.unless or ()),
            also=tuple(self._also(part.resource, row) for row in part.also or ()),
            within=part.within,
            anchor_of=self._anchor(part),
            clock_of=self._clock() if part.anchor and part.resource != CLOCK_KIND else None,
        )

    def _record_row(self, row: RecordRow) -> Condition:
        base = self.condition(row.resource, row, linked_by=row.linked_by, at_site=row.at_site)
        parts, text = [base.holds], base.text
        if row.pointed_to_by is not None:
            parts.append(self._pointed_by_anchor(row.pointed_to_by))
            text += f"; pointed to by {row.pointed_to_by} of what began this pathway"
        also = [self._also(row.resource, each) for each in row.also or ()]
        if also:
            parts.append(_together_with(also))
            text += "; together with " + "; or with ".join(each.text for each in also)
        if row.happened_at is not None:
            text += f"; which happened at its {row.happened_at}"
        happened_at = self._instant(row.happened_at, row.resource) if row.happened_at else None
        return Condition(
            kind=row.resource,
            text=text,
            holds=_all(tuple(parts)),
            happened_at=happened_at,
            looks_at=frozenset(each.kind for each in also),
            asked=replace(
                base.asked,
                pointed_to_by=row.pointed_to_by or "",
                happened_at=row.happened_at or "",
                also=tuple(also),
            ),
        )

    def _instant(self, path: str, kind: str) -> Callable[[Fact], datetime | None]:
        instant = self.compiler.instant(path, kind)
        return lambda fact: instant(fact.content)

    def _clock(self) -> Condition:
        over = self._predicate(CLOCK_OVER, CLOCK_KIND)
        return Condition(kind=CLOCK_KIND, text=f"{CLOCK_KIND}: {CLOCK_OVER}", holds=over)

    def _also(self, candidate_kind: str, row: AlsoRow) -> Condition:
        if row.pointed_to_by is None:
            return self.condition(row.resource, row, linked_by=row.linked_by)
        pointed = self._pointed(row.pointed_to_by, candidate_kind)
        parts = [pointed, *self._parts(row.resource, row)]
        text = f"{row_text(row.resource, row)}; pointed to by {row.pointed_to_by}"
        asked = replace(asked_of(row), pointed_to_by=row.pointed_to_by)
        return Condition(kind=row.resource, text=text, holds=_all(tuple(parts)), asked=asked)

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
        asked = replace(asked_of(row), linked_by=linked_by or "", at_site=at_site or "")
        return Condition(kind=kind, text=text, holds=_all(tuple(parts)), asked=asked)

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

    def _pointed_by_anchor(self, path: str) -> Holds:
        references = {
            kind: found for kind in self.anchor_kinds if (found := self._references_or_none(path, kind))
        }

        def holds(fact: Fact, situation: Situation) -> bool:
            anchor = situation.anchor_fact
            if anchor is None or anchor.kind not in references:
                return False
            return fact.reference in references[anchor.kind](anchor.content)

        return holds

    def _references_or_none(self, path: str, kind: str) -> Callable[[Resource], list[Reference]] | None:
        """None where resources of this type have no such path; that one type has it was checked."""
        try:
            return self.compiler.references(path, kind)
        except PathFaultError:
            return None

    def _predicate(self, when: str, kind: str) -> Holds:
        predicate = self.compiler.predicate(when, kind)

        def holds(fact: Fact, situation: Situation) -> bool:
            asked = (when, situation.now)
            found = fact.known.get(asked)
            if found is None:
                found = fact.known[asked] = predicate(fact.content, situation.now)
            return bool(found)

        return holds

    def _coded(self, element: str, name: str, kind: str) -> Holds:
        codings = self.compiler.codings(element, kind)
        matcher = self.shared.terminology.matchers[name]

        def holds(fact: Fact, _: Situation) -> bool:
            asked = (element, id(matcher))
            found = fact.known.get(asked)
            if found is None:
                pairs = fact.known.get(element)
                if pairs is None:
                    pairs = fact.known[element] = codings(fact.content)
                found = any(matcher.contains(system, code) for system, code in pairs)
                fact.known[asked] = found
            return bool(found)

        return holds

    def _linked(self, linked_by: str, kind: str) -> Holds:
        if linked_by == ANCHOR_ITSELF:
            return lambda fact, situation: fact.reference == situation.anchor
        if linked_by == ANY_OTHER:
            return lambda fact, situation: fact.reference != situation.anchor
        references = self.compiler.references(linked_by, kind)
        return lambda fact, situation: situation.anchor in references(fact.content)

    def _at_site(self, name: str, kind: str) -> Holds:
        places = self.shared.site.at_site.get(name, AtSite()).places
        paths = [self.compiler.references(path, kind) for path in AT_SITE_PATHS]
        return lambda fact, _: any(place in places for path in paths for place in path(fact.content))

    def sender(self) -> Callable[[Fact], Reference | None]:
        """Who sent the resource that an enrolment is anchored on: its `requester`, where it has one and that is a person."""
        found = {
            kind: paths for kind in self.anchor_kinds if (paths := self._references_or_none(SENT_BY, kind))
        }

        def sent_by(fact: Fact) -> Reference | None:
            references = found[fact.kind](fact.content) if fact.kind in found else []
            return next((each for each in references if each.partition("/")[0] in PEOPLE), None)

        return sent_by

    def _anchor(self, part: StartPart) -> Callable[[Fact], Reference | None] | None:
        if part.anchor is None:
            return None
        references = self.compiler.references(part.anchor, part.resource or "")
        return lambda fact: next(iter(references(fact.content)), None)


def _all(parts: tuple[Holds, ...]) -> Holds:
    if len(parts) == 1:
        return parts[0]
    return lambda fact, situation: all(part(fact, situation) for part in parts)


def _together_with(also: list[Condition]) -> Holds:
    """Any one of these about another resource, which is linked to the one in question either way."""

    def holds(fact: Fact, situation: Situation) -> bool:
        about = replace(situation, anchor=fact.reference, candidate=fact)
        return any(
            not other.void and other.reference != fact.reference and condition.holds(other, about)
            for condition in also
            for other in situation.others.get(condition.kind, ())
        )

    return holds


def anchor_kinds(starts: list[StartPart]) -> frozenset[str]:
    """Resource types that enrolments of these starts are anchored on, as far as the file says."""
    named = {start.resource for start in starts if start.anchor is None and start.resource is not None}
    return frozenset(named | {row.resource for start in starts for row in record_rows(start.rule)})


def asked_of(row: Row) -> Asked:
    """What a row says in itself, without what it is linked to."""
    return Asked(when=" ".join((row.when or "").split()), coded=dict(row.coded or {}))


_LINKS = {ANCHOR_ITSELF: "linked by self", ANY_OTHER: "another one than began this pathway"}


def row_text(kind: str, row: Row, *, linked_by: str | None = None, at_site: str | None = None) -> str:
    """The row in one line, for explanations."""
    coded: Mapping[str, str] = row.coded or {}
    parts = [" ".join(row.when.split())] if row.when else []
    parts += [f"{element} in {name}" for element, name in coded.items()]
    parts += [_LINKS.get(linked_by, f"linked by {linked_by}")] if linked_by else []
    parts += [f"at a site listed under {at_site}"] if at_site else []
    return f"{kind}: {'; '.join(parts)}"
