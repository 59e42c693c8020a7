"""FHIR search over resources in memory: the parameters that Throughline and its pathways use, exactly and no more.

An unknown parameter is refused, never ignored: ignoring one would answer with other people's records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from service.adapters.memory_parameters import CONTROL, Parameter, parameter
from service.ports import RecordRefused, Resource, Search

Found = list[Mapping[str, Any]]

_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)(?=\d)")
_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")


def find(search: Search, resources: Sequence[Mapping[str, Any]]) -> Found:
    """Matches in order of `_sort` (else of `resources`), followed by what was included; RecordRefused as said above."""
    tests = [_test(search.kind, name, value) for name, value in search.params if _base(name) not in CONTROL]
    matches = [r for r in resources if r.get("resourceType") == search.kind]
    for test in tests:
        matches = [r for r in matches if test(r)]
    for name, value in search.params:
        if name == "_sort":
            matches = _sorted(search.kind, value, matches)
    return [*matches, *_included(search, matches, resources)]


def _base(name: str) -> str:
    return name.partition(":")[0]


def _known(kind: str, name: str) -> Parameter:
    found = parameter(kind, name)
    if found is None:
        raise RecordRefused(
            f"GET {kind}?: the search parameter {name} is not known for {kind} (400).", status=400
        )
    return found


def _test(kind: str, name: str, text: str) -> Callable[[Resource], bool]:
    base, _, modifier = name.partition(":")
    what = _known(kind, base)
    wanted = list(_split(text, ","))
    if modifier == "missing":
        return lambda r: (not list(_values(r, what))) == (text == "true")
    if modifier == "not" and what.kind == "token":
        return lambda r: not any(_token(v, w) for v in _values(r, what) for w in wanted)
    if modifier == "identifier" and what.kind == "reference":
        return lambda r: any(_token(v.get("identifier"), w) for v in _values(r, what) for w in wanted)
    if modifier[:1].isupper() and what.kind == "reference":
        wanted = [f"{modifier}/{w}" for w in wanted]
    elif modifier:
        raise RecordRefused(f"GET {kind}?: the modifier in {name} is not known (400).", status=400)
    says = _SAYS[what.kind]
    return lambda r: any(says(value, w) for value in _values(r, what) for w in wanted)


def _values(resource: Resource, what: Parameter) -> Iterator[Any]:
    for path in what.paths:
        yield from _walk(resource, path.split("."))


def _walk(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _walk(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        yield from _walk(value.get(path[0]), path[1:])


def _token(value: Any, wanted: str) -> bool:
    system, bar, code = _partition(wanted)
    return any(
        (not bar or (s or "") == system) and ((bar and not code) or c == code) for s, c in _tokens(value)
    )


def _tokens(value: Any) -> Iterator[tuple[str | None, str]]:
    """(system, code) of a code, boolean, Coding, CodeableConcept, Identifier or ContactPoint."""
    if isinstance(value, bool):
        yield None, "true" if value else "false"
    elif isinstance(value, str):
        yield None, value
    elif isinstance(value, Mapping) and ("coding" in value or "text" in value):
        for coding in value.get("coding", []):
            yield from _tokens(coding)
    elif isinstance(value, Mapping):
        yield value.get("system"), str(value.get("code", value.get("value", "")))


def _reference(value: Any, wanted: str) -> bool:
    target = value.get("reference", "") if isinstance(value, Mapping) else value
    found = _LITERAL.search(str(target))
    here = found[1] if found else str(target)
    return here == wanted or ("/" not in wanted and here.partition("/")[2] == wanted)


def _text(value: Any, wanted: str) -> bool:
    words = value.values() if isinstance(value, Mapping) else [value]
    flat = [w for word in words for w in (word if isinstance(word, list) else [word])]
    return any(isinstance(w, str) and w.lower().startswith(wanted.lower()) for w in flat)


def _uri(value: Any, wanted: str) -> bool:
    return bool(value == wanted)


def _date(value: Any, wanted: str) -> bool:
    """R4 Search 3.1.1.4.7: `eq` means that the range of the parameter holds the range of the value."""
    found = _PREFIX.match(wanted)
    how = found[1] if found else "eq"
    low, high = _range(value)
    start, end = _instants(wanted[len(found[1]) if found else 0 :])
    return {
        "eq": start <= low and high <= end, "ne": not (start <= low and high <= end),
        "gt": high > end, "lt": low < start, "ge": high > start, "le": low < end,
        "sa": low >= end, "eb": high <= start,
    }[how]  # fmt: skip


_SAYS: dict[str, Callable[[Any, str], bool]] = {
    "token": _token, "reference": _reference, "string": _text, "uri": _uri, "date": _date,
}  # fmt: skip
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _range(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, Mapping):
        low = _instants(value["start"])[0] if value.get("start") else _EVER[0]
        return low, _instants(value["end"])[1] if value.get("end") else _EVER[1]
    return _instants(str(value))


def _instants(text: str) -> tuple[datetime, datetime]:
    """First instant and the one after the last of a FHIR date, dateTime or instant; without zone it counts as UTC."""
    try:
        if len(text) <= 10:
            year, month, day = ([int(part) for part in text.split("-")] + [0, 0])[:3]
            low = datetime(year, month or 1, day or 1, tzinfo=UTC)
            if day:
                return low, low + timedelta(days=1)
            return low, datetime(year + (month in {0, 12}), month % 12 + 1 if month else 1, 1, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RecordRefused("GET: a date in a search is not a FHIR date (400).", status=400) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    fine = timedelta(microseconds=1) if "." in text else timedelta(seconds=1)
    return aware, aware + fine


def _sorted(kind: str, order: str, matches: Found) -> Found:
    for name in reversed(order.split(",")):
        what = _known(kind, name.removeprefix("-"))

        def key(resource: Resource, what: Parameter = what) -> tuple[bool, Any]:
            values = list(_values(resource, what))
            if what.kind == "date":
                return not values, min((_range(v)[0] for v in values), default=_EVER[1])
            return not values, min(map(str, values), default="")

        matches = sorted(matches, key=key, reverse=name.startswith("-"))
    return matches


def _included(search: Search, matches: Found, resources: Sequence[Mapping[str, Any]]) -> Found:
    have = {_name(r) for r in matches}
    found: Found = []
    for name, value in search.params:
        if _base(name) in {"_include", "_revinclude"}:
            source, _, rest = value.partition(":")
            what = _known(source, rest.partition(":")[0])
            around = [*matches, *found] if name.endswith(":iterate") else matches
            near = _pointed_to(source, what, around) if _base(name) == "_include" else None
            for each in resources:
                wanted = _name(each) in near if near is not None else _points_at(each, source, what, around)
                if wanted and _name(each) not in have:
                    have.add(_name(each))
                    found.append(each)
    return found


def _pointed_to(source: str, what: Parameter, among: Found) -> set[str]:
    values = [v for r in among if r.get("resourceType") == source for v in _values(r, what)]
    found = [_LITERAL.search(str(v.get("reference", ""))) for v in values if isinstance(v, Mapping)]
    return {each[1] for each in found if each}


def _points_at(resource: Resource, source: str, what: Parameter, among: Found) -> bool:
    names = {_name(r) for r in among}
    return resource.get("resourceType") == source and bool(_pointed_to(source, what, [resource]) & names)


def _name(resource: Resource) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _split(text: str, at: str) -> Iterator[str]:
    """Split at unescaped separators; escapes stay for `_partition` to undo."""
    yield from re.findall(rf"(?:[^{at}\\]|\\.)+", text) or [""]


def _partition(token: str) -> tuple[str, bool, str]:
    """`system|code` apart at the first unescaped bar; (``, False, code) without one."""
    found = re.match(r"((?:[^|\\]|\\.)*)\|(.*)$", token, re.DOTALL)
    if found is None:
        return "", False, _unescaped(token)
    return _unescaped(found[1]), True, _unescaped(found[2])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([,$|\\])", r"\1", text)
