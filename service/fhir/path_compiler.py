"""The PathCompiler port on top of the strict FHIRPath subset: expressions of pathway files as plain closures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.paths import CompiledPath, FhirDate, FhirDateTime, PathProblem, compile_path, is_a
from service.fhir.references import mapping, mappings, referred
from service.ports import PathFault, PathFaultError, Resource

_NO_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)
"""References, codings and instants are elements of the resource: there is no now() in them to answer."""

_REFERENCES = frozenset({"Reference"})
_CODED = frozenset({"CodeableConcept", "Coding", "code"})
_TIMES = frozenset({"date", "dateTime", "instant", "System.Date", "System.DateTime"})
_SHOWN = 3


class StrictPathCompiler:
    """Implements ports.PathCompiler. `zone` is where dates without a time begin; `base` the record server's URL."""

    def __init__(self, *, zone: tzinfo, base: str = "") -> None:
        self._zone = zone
        self._base = base

    def predicate(self, text: str, kind: str) -> Callable[[Resource, datetime], bool]:
        compiled = _compiled(text, kind)
        return lambda resource, now: compiled.is_true(resource, now=now)

    def references(self, text: str, kind: str) -> Callable[[Resource], list[Reference]]:
        values = _elements(
            text, kind, _REFERENCES, "no Reference", "name an element that refers to a resource"
        )
        return lambda resource: [
            found for value in values(resource) if (found := referred(value, self._base)) is not None
        ]

    def codings(self, text: str, kind: str) -> Callable[[Resource], list[tuple[str | None, str]]]:
        values = _elements(text, kind, _CODED, "nothing coded", "name a CodeableConcept, Coding or code")
        return lambda resource: [pair for value in values(resource) for pair in _pairs(value)]

    def instant(self, text: str, kind: str) -> Callable[[Resource], datetime | None]:
        values = _elements(text, kind, _TIMES, "no date or time", "name an element such as period.start")
        return lambda resource: next(
            (
                value.as_instant(self._zone)
                for value in values(resource)
                if isinstance(value, FhirDate | FhirDateTime)
            ),
            None,
        )


def _compiled(text: str, kind: str) -> CompiledPath:
    try:
        return compile_path(text, kind)
    except PathProblem as problem:
        raise PathFaultError(
            PathFault(message=problem.message, column=problem.column, help=problem.help)
        ) from problem


def _elements(
    text: str, kind: str, wanted: frozenset[str], never: str, help_text: str
) -> Callable[[Resource], list[Any]]:
    """Refused where no result can ever be of a wanted type: the row would be false for everybody, without a word."""
    compiled = _compiled(text, kind)
    types = compiled.result_types
    if types is not None and not any(is_a(found, name) for found in types for name in wanted):
        raise PathFaultError(
            PathFault(message=f"this is {_declared(types)}, so {never}", column=0, help=help_text)
        )
    return lambda resource: compiled.values(resource, now=_NO_CLOCK)


def _declared(types: frozenset[str]) -> str:
    names = sorted(name.removeprefix("System.") for name in types)
    more = " / ..." if len(names) > _SHOWN else ""
    return " / ".join(names[:_SHOWN]) + more if names else "always empty"


def _pairs(value: Any) -> Iterator[tuple[str | None, str]]:
    """A code, a Coding, or every Coding of a CodeableConcept."""
    if isinstance(value, str):
        yield None, value
        return
    element = mapping(value)
    for coding in mappings(element["coding"]) if "coding" in element else iter([element]):
        code, system = coding.get("code"), coding.get("system")
        if isinstance(code, str):
            yield (system if isinstance(system, str) else None), code
