"""What a part of an expression may refer to while it is compiled, and what a function call hands to its builder."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from service.fhir.paths.code import Code, Shape
from service.fhir.paths.errors import PathProblem
from service.fhir.paths.syntax import Call, Node


@dataclass(frozen=True, kw_only=True)
class Scope:
    """`focus` is the shape of $this; `in_loop` allows $index, `in_aggregate` allows $total;
    `in_repeat` forbids another repeat(), whose types would be worked out again for each round of the outer one.
    """

    resource_type: str
    variables: frozenset[str]
    focus: Shape
    in_loop: bool = False
    in_aggregate: bool = False
    in_repeat: bool = False

    def looping_over(self, items: Shape) -> Scope:
        return replace(self, focus=Shape(items.types), in_loop=True)


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A call whose target is compiled. Arguments wait: each function says which focus they have."""

    call: Call
    target: Code
    scope: Scope
    compile_in: Callable[[Node, Scope], Code]

    def argument(self, position: int) -> Code:
        """An argument that is evaluated on the surrounding focus, not on the items of the target."""
        return self.compile_in(self.call.arguments[position], self.scope)

    def lambda_argument(self, position: int) -> Code:
        """An argument that is evaluated once for each item of the target."""
        return self.compile_in(self.call.arguments[position], self.scope.looping_over(self.target.shape))

    def criterion(self, position: int) -> Code:
        """A lambda argument that must be able to answer true or false."""
        compiled = self.lambda_argument(position)
        kinds = compiled.shape.kinds
        if kinds and "Boolean" not in kinds:
            raise PathProblem(
                f"{self.call.name}() needs a condition that is true or false",
                self.call.arguments[position].column,
                "compare it with a value, or ask .exists()",
            )
        return compiled

    @property
    def count(self) -> int:
        return len(self.call.arguments)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint for a name that is nearly right."""
    candidates = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"did you mean '{by_lower[close[0]]}'?" if close else None
