"""Choosing here what a server cannot choose: a search by a parameter that it does not support.

Only for what the server itself calls unsupported, only up to a bound, and always said: it reads more than it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.adapters.memory_parameters import parameter
from service.adapters.memory_search import find
from service.domain.vocabulary import Reference
from service.fhir.references import mappings, relative_reference
from service.ports import NotInRecord, Resource, Search

MOST = 5_000
"""Resources of one type that may be read in order to choose among them; more are refused."""


def narrowed(
    search: Search, everything: Sequence[Resource], read: Callable[[Reference], Resource]
) -> list[Resource]:
    """What the search asks for among `everything`, with its includes read one by one where they did not come along.

    RecordRefused when a parameter is not known here either.
    """
    own = tuple((name, value) for name, value in search.params if name not in {"_include", "_revinclude"})
    chosen = find(Search(kind=search.kind, params=own), everything)
    have = {f"{each.get('resourceType')}/{each.get('id')}": each for each in everything}
    for reference in dict.fromkeys(_to_include(search, chosen)):
        if reference not in have:
            try:
                have[reference] = read(reference)
            except NotInRecord:
                continue  # a dangling reference: a server's own _include leaves it out as well
    return list(find(search, list(have.values())))


def names(search: Search) -> str:
    """The search without its values, as it may be shown: `CareTeam by patient, _include`."""
    return f"{search.kind} by {', '.join(dict.fromkeys(name for name, _ in search.params))}"


def _to_include(search: Search, chosen: Sequence[Resource]) -> list[Reference]:
    found: list[Reference] = []
    for name, value in search.params:
        kind, _, path = value.partition(":")
        what = parameter(kind, path.partition(":")[0])
        if name == "_include" and kind == search.kind and what is not None:
            for resource in chosen:
                found += [
                    reference for each in what.paths for reference in _references(resource, each.split("."))
                ]
    return found


def _references(value: object, path: list[str]) -> list[Reference]:
    if path:
        return [found for each in mappings(value) for found in _references(each.get(path[0]), path[1:])]
    literals = (relative_reference(each.get("reference")) for each in mappings(value))
    return [literal for literal in literals if literal is not None]
