"""Who belongs to a value set: FHIR R4 ValueSet and ConceptMap files compiled to a plain question about a code.

Lists of concepts, anchored regular expressions over the code, and composition. Hierarchies (is-a) need a
terminology server and are refused when the file is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Code = tuple[str | None, str]
"""System (None where the record gives none) and code."""
LONGEST_CODE = 128


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One include or exclude: what it lists or describes, and also in all of `within_all`."""

    system: str | None = None
    codes: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    """All must match the whole code."""
    whole_system: bool = False
    value_sets: tuple[str, ...] = ()
    """Urls; with `system` absent the members of any of them, else members of one of them that are selected too."""

    def selects(self, system: str | None, code: str) -> bool:
        """Whether the listed or described codes hold this one. A code without a system matches only a list."""
        if code in self.codes and system in {self.system, None}:
            return True
        if system is None or system != self.system:
            return False
        if self.patterns:
            return len(code) <= LONGEST_CODE and all(p.fullmatch(code) for p in self.patterns)
        return self.whole_system


@dataclass(frozen=True, kw_only=True)
class Composition:
    """One ValueSet file, before the value sets it is composed of are known."""

    id: str
    url: str
    title: str
    include: tuple[Selection, ...]
    exclude: tuple[Selection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConceptMaps:
    """What a site's own codes mean in standard code systems."""

    targets: Mapping[Code, tuple[Code, ...]] = field(default_factory=dict)

    def meanings(self, system: str | None, code: str) -> tuple[Code, ...]:
        """The code itself and what it is mapped to."""
        return ((system, code), *self.targets.get((system, code), ()))


@dataclass(frozen=True, kw_only=True)
class ValueSetMatcher:
    """Answers whether a code, or what a concept map says it means, belongs to the value set."""

    id: str
    title: str
    url: str
    composition: Composition = field(repr=False)
    by_url: Mapping[str, Composition] = field(repr=False, compare=False)
    maps: ConceptMaps = field(default_factory=ConceptMaps, repr=False, compare=False)

    def contains(self, system: str | None, code: str) -> bool:
        """`system` None: the record names no system, as FHIR `code` elements do."""
        return any(self._member(self.composition, s, c) for s, c in self.maps.meanings(system, code))

    def _member(self, composition: Composition, system: str | None, code: str) -> bool:
        if not any(self._chosen(s, system, code) for s in composition.include):
            return False
        return not any(self._chosen(s, system, code) for s in composition.exclude)

    def _chosen(self, selection: Selection, system: str | None, code: str) -> bool:
        if selection.system is not None and not selection.selects(system, code):
            return False
        inside = [self.by_url[url] for url in selection.value_sets]
        return not inside or any(self._member(composition, system, code) for composition in inside)
