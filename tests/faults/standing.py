"""What stands in the record in the end, whatever order it came about in: for comparing two ways to the same end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from service.fhir import systems
from service.fhir.references import identifier_values
from service.ports import Resource

OURS = (systems.ENROLMENT, systems.FOLLOW_UP, systems.ESCALATION, systems.NOTICE)


def told_of(everything: Sequence[Resource], *, narratives: bool = True) -> dict[str, Mapping[str, Any]]:
    """Everything Throughline wrote, by business identifier, without what depends on the order of writing.

    References become business identifiers. How often an enrolment was written again may differ; what it says may not.
    """
    names = {f"{r['resourceType']}/{r['id']}": name for r in everything if (name := name_of(r))}
    left_out = {"id", "meta"} if narratives else {"id", "meta", "text"}
    found: dict[str, Mapping[str, Any]] = {}
    for resource in everything:
        name = name_of(resource)
        if name is not None:
            assert name not in found, f"twice in the record: {name}"
            found[name] = _plain({k: v for k, v in resource.items() if k not in left_out}, names)
    return found


def differences(found: Any, wanted: Any, path: str = "") -> list[str]:
    """One line for each place in which the two differ, short enough to read in a failing test."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return [
            line
            for key in sorted({*found, *wanted})
            for line in differences(found.get(key), wanted.get(key), f"{path} / {key}")
        ]
    if found == wanted:
        return []
    if isinstance(found, list) and isinstance(wanted, list):
        extra, less = [e for e in found if e not in wanted], [e for e in wanted if e not in found]
        return [f"{path}: {str(extra)[:400]} instead of {str(less)[:400]}"]
    return [f"{path}: {str(found)[:300]} instead of {str(wanted)[:300]}"]


def name_of(resource: Resource) -> str | None:
    """`Task post-discharge-coordination/Encounter/12/contact-person/1`; None when the resource is not ours."""
    for system in OURS:
        for value in identifier_values(resource, system):
            return f"{resource['resourceType']} {value}"
    return None


def wrong_with(everything: Sequence[Resource]) -> list[str]:
    """What may never be, one line each: something twice, a Reference that leads nowhere, a resource without its trail."""
    names = Counter(name for r in everything if (name := name_of(r)))
    trails = [r for r in everything if r["resourceType"] == "Provenance"]
    decisions = Counter(
        tag["code"] for r in trails for tag in r["meta"]["tag"] if tag["system"] == systems.DECISION
    )
    found = [f"twice: {name}" for name, times in (names + decisions).items() if times > 1]
    known = {f"{r['resourceType']}/{r['id']}" for r in everything}
    ours = [r for r in everything if name_of(r)]
    found += [
        f"{name_of(resource) or 'Provenance'} refers to {to}, which is nowhere"
        for resource in [*ours, *trails]
        for to in map(_unversioned, _references(resource))
        if to.startswith("urn:") or (to not in known and to.partition("/")[0] != "Device")
    ]
    told = {_unversioned(target["reference"]) for trail in trails for target in trail["target"]}
    # What a cut-off step left behind is adopted by the decision after it; its trail is that of the enrolment it is in.
    found += [
        f"no Provenance: {name_of(r)}"
        for r in ours
        if identifier_values(r, systems.ENROLMENT) and f"{r['resourceType']}/{r['id']}" not in told
    ]
    return found


def _unversioned(reference: str) -> str:
    return reference.partition("/_history/")[0]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        with suppress(KeyError, TypeError):
            return {**value, "reference": names[value["reference"]]}
        return {key: _plain(each, names) for key, each in value.items()}
    if isinstance(value, list):
        kept = [
            each for each in value if not (isinstance(each, Mapping) and each.get("url") == systems.REVISION)
        ]
        return sorted(
            (_plain(each, names) for each in kept), key=lambda each: json.dumps(each, sort_keys=True)
        )
    return value
