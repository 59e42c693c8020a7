"""Three-valued and, or, xor, implies (FHIRPath N1, section 6.5). None is 'nothing'; the right side waits if it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from service.fhir.paths.code import Env, Truth


def _and(left: Truth, right: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool | None:
        one = left(focus, env)
        if one is False:
            return False
        other = right(focus, env)
        return False if other is False else True if one and other else None

    return truth


def _or(left: Truth, right: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool | None:
        one = left(focus, env)
        if one:
            return True
        other = right(focus, env)
        return True if other else None if one is None or other is None else False

    return truth


def _xor(left: Truth, right: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool | None:
        one, other = left(focus, env), right(focus, env)
        return None if one is None or other is None else one is not other

    return truth


def _implies(left: Truth, right: Truth) -> Truth:
    def truth(focus: Any, env: Env) -> bool | None:
        one = left(focus, env)
        if one is False:
            return True
        other = right(focus, env)
        return True if other else None if one is None else other

    return truth


LOGIC: Final[Mapping[str, Callable[[Truth, Truth], Truth]]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
