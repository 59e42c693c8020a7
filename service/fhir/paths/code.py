"""Compiled parts of an expression and what is known of them before any resource is seen.

A part runs as a plain closure over its compiled children. Lists that closures return are shared: never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.fhir.paths.elements import Element, ElementType, element_type
from service.fhir.paths.items import as_truth


class Env:
    """One evaluation: the time, the variables, the whole resource; $index and $total while a loop runs."""

    __slots__ = ("index", "now", "resource", "total", "variables")

    def __init__(self, resource: Element, now: datetime, variables: Mapping[str, Any]) -> None:
        self.resource = resource
        self.now = now
        self.variables = variables
        self.index = 0
        self.total: list[Any] = []


Run = Callable[[Any, Env], list[Any]]
Truth = Callable[[Any, Env], bool | None]

EMPTY: Final[list[Any]] = []
TRUE: Final[list[Any]] = [True]
FALSE: Final[list[Any]] = [False]
ABSENT: Final = Element({}, ElementType("Element", {"^": ""}), {})
"""The focus where there is none ({}.iif(...))."""
UNEXPECTED: Final = object()
"""What `raw` gives where the JSON is not shaped as the type says (a list, a plain value): neither None nor a value."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What may come out: type names ('code', 'Encounter.location', 'System.Boolean'; None: not known) and how many."""

    types: frozenset[str] | None
    many: bool = False
    ordered: bool = True

    @property
    def kinds(self) -> frozenset[str] | None:
        """System kinds, and the own names of types that stand for none; None if anything may come."""
        if self.types is None or "Resource" in self.types:
            return None
        return frozenset(kind_of_type(name) for name in self.types)


def kind_of_type(name: str) -> str:
    if name.startswith("System."):
        return name.removeprefix("System.")
    return element_type(name).kind or name


def system(kind: str, *, many: bool = False) -> Shape:
    return Shape(frozenset({f"System.{kind}"}), many)


BOOLEAN: Final = system("Boolean")
UNKNOWN: Final = Shape(None, many=True)
NOTHING: Final = Shape(frozenset())


def _UNSET(_focus: Any, _env: Env) -> bool | None:  # noqa: N802
    raise AssertionError


@dataclass(slots=True)
class Code:
    """A compiled part. `truth` answers three-valued without a list; `raw` reads the plain JSON value of a path whose
    every step is at most one, skipping Elements; `loop` is what where() loops over and its criterion. Both are for
    speed only: `run` is what counts.
    """

    run: Run
    shape: Shape
    truth: Truth = _UNSET
    raw: Callable[[Any], Any] | None = None
    constant: Any = None
    loop: tuple[Run, Truth] | None = None

    def __post_init__(self) -> None:
        if self.truth is _UNSET:
            run = self.run
            self.truth = lambda focus, env: as_truth(run(focus, env))


def boolean_code(truth: Truth) -> Code:
    """A part that answers true, false or nothing."""

    def run(focus: Any, env: Env) -> list[Any]:
        answer = truth(focus, env)
        return EMPTY if answer is None else TRUE if answer else FALSE

    return Code(run, BOOLEAN, truth)


def constant_code(value: Any, shape: Shape) -> Code:
    items = [value]
    return Code(lambda _focus, _env: items, shape, constant=value)
