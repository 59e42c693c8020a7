"""What a definition needs beside the pathway: its words for people, and where its value sets stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.domain.due import Within
from service.domain.evidence import Condition
from service.domain.needs import Needs


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How the authors' page says things, so that the exported text reads the same."""

    any_of: Callable[[Needs], str]
    """Needs as the end of "when ..."."""
    record: Callable[[Condition], str]
    """A row about the record."""
    length: Callable[[Within], str]
    """`7 days`, `4 working hours`."""
    value_sets: Mapping[str, str]
    """Canonical url of each value set by its id."""
