"""A decision beside the one that was recorded: the rules that spoke, what was seen, and everything that was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from functools import cached_property
from typing import Any

from service.app.past import Past
from service.domain.intents import Decision
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.full_urls import resolved
from service.fhir.read.trail import RecordedDecision
from service.fhir.references import identifier_values
from service.fhir.render.provenance import decision_code
from service.fhir.times import parse_time
from service.ports import Resource, Write

LONGEST_SHOWN = 90
NOT_COMPARED = frozenset({"id", "meta", "text"})
"""What servers add or rewrite by themselves."""


class Comparison:
    """`writes`: all that the decision wants written, its own Provenance included."""

    def __init__(
        self, past: Past, recorded: RecordedDecision, decision: Decision, writes: Sequence[Write]
    ) -> None:
        self._past, self._recorded, self._decision = past, recorded, decision
        self._writes = [write for write in writes if write.resource["resourceType"] != "Provenance"]

    def differences(self) -> Iterator[str]:
        """Sentences; none when it is the same decision."""
        recorded, enrolment = self._recorded, self._decision.enrolment
        if enrolment.pathway_version != recorded.version:
            yield f"version {enrolment.pathway_version} would decide, and {recorded.version} did"
        if not self._writes:
            yield "there would be nothing to write"
            return
        rules = "; ".join(self._decision.rules)
        if rules != recorded.rules:
            yield f"the reasons would be: {rules or 'none'}; and were: {recorded.rules or 'none'}"
        yield from self._seen()
        code = decision_code(enrolment.identifier, enrolment.revision, [w.full_url for w in self._writes])
        if code != recorded.code:
            yield from self._written() or iter(["it would be another revision of the enrolment"])
        for write in self._writes:
            yield from self._content(write)

    def unchecked(self) -> Iterator[str]:
        """What was written, and is not known as it was written."""
        for write in self._writes:
            place = self._place(write)
            if place is not None and place in self._recorded.targets and not self._written_as(write):
                yield place

    # --- what was seen, and what was written

    def _seen(self) -> Iterator[str]:
        then, now = set(self._recorded.seen), set(self._decision.seen)
        if now - then:
            yield f"it would see {_listed(now - then)} as well"
        if then - now:
            yield f"it would not see {_listed(then - now)}"

    def _written(self) -> list[str]:
        places = {self._place(write) or _name(write.resource) for write in self._writes}
        then = self._recorded.targets
        more = [f"it would write {place} as well" for place in sorted(places - then)]
        return more + [f"it would not write {place}" for place in sorted(then - places)]

    def _place(self, write: Write) -> Reference | None:
        """Where it stands in the record: of something new, where the same business identifier stands."""
        if "/" in write.full_url:
            return Reference(write.full_url)
        return self._places.get(write.full_url)

    @cached_property
    def _places(self) -> Mapping[str, Reference]:
        return {systems.full_url(system, value): ref for (system, value), ref in self._past.ours.items()}

    def _written_as(self, write: Write) -> list[Resource]:
        """The versions that may be what was written: all after the one that was seen."""
        place = self._place(write)
        seen = dict(self._recorded.seen).get(place) if place is not None else None
        versions = self._past.history.of(place) if place is not None else ()
        known = [version.number for version in versions]
        later = versions[known.index(seen) + 1 :] if seen in known else versions
        return [version.content for version in later if version.content is not None]

    def _content(self, write: Write) -> Iterator[str]:
        body = resolved(write.resource, self._places)
        candidates = self._written_as(write)
        if not candidates or any(not _differing(body, each) for each in candidates):
            return
        nearest = min(candidates, key=lambda each: len(_differing(body, each)))
        for path, now, then in _differing(body, nearest):
            yield f"{_name(write.resource)}: {path} would be {_shown(now)}, and was {_shown(then)}"


Different = tuple[str, Any, Any]
"""Path, what would be written, what was."""


def _differing(body: Mapping[str, Any], stands: Resource) -> list[Different]:
    names = sorted((set(body) | set(stands)) - NOT_COMPARED)
    return [found for name in names for found in _leaves(name, body.get(name), stands.get(name))]


def _leaves(path: str, now: Any, then: Any) -> Iterator[Different]:
    """The smallest parts that differ."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for name in sorted({*now, *then}):
            yield from _leaves(f"{path}.{name}", now.get(name), then.get(name))
    elif isinstance(now, list | tuple) and isinstance(then, list | tuple) and len(now) == len(then):
        for number, (one, other) in enumerate(zip(now, then, strict=True)):
            yield from _leaves(f"{path}[{number}]", one, other)
    elif not _same(now, then):
        yield path, now, then


def _same(one: Any, other: Any) -> bool:
    """Equal as FHIR means it: the same instant may be written in two ways."""
    if isinstance(one, str) and isinstance(other, str) and one != other and "T" in one:
        moments = [parse_time(text, UTC) for text in (one, other)]
        return moments[0] is not None and moments[0] == moments[1]
    return bool(one == other)


def _name(resource: Resource) -> str:
    """A resource of ours by its business identifier."""
    for system in (systems.ENROLMENT, systems.FOLLOW_UP, systems.ESCALATION, systems.NOTICE):
        for value in identifier_values(resource, system):
            return f"{resource['resourceType']} {value}"
    return str(resource["resourceType"])


def _listed(seen: set[tuple[Reference, str]]) -> str:
    return ", ".join(f"{reference} version {number}" for reference, number in sorted(seen))


def _shown(value: Any) -> str:
    text = str(value) if value is not None else "nothing"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
