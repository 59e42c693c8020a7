"""The syntax tree of an expression: what was written and where. No meaning, no types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`column` is where a caret belongs when this part is wrong (0-based)."""

    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A System value: str, bool, int, Decimal, FhirDate, FhirDateTime, FhirTime or FhirQuantity."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty(Node):
    """`{}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class This(Node):
    """`$this`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Node):
    """`$index`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Node):
    """`$total`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Node):
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Node):
    """`name` (target None: of the focus) or `target.name`."""

    target: Node | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """`name(arguments)` on the focus (target None) or on a target."""

    target: Node | None
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Node):
    """`target[position]`."""

    target: Node
    position: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(Node):
    """`-operand` or `+operand`."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Node):
    """`left operator right`; `column` is that of the operator."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTest(Node):
    """`operand is Type` or `operand as Type`."""

    operator: str
    operand: Node
    type_name: str
