"""A person's record with its history, read from a FHIR server: whatever deciding reads today, and how it was before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.adapters.fhir_versions import History
from service.app.replay import Site
from service.domain.owners import NoAccountablePerson
from service.domain.vocabulary import Reference
from service.fhir.history import History as Versions
from service.fhir.history import NotABundle, Version, as_version, versions_in
from service.fhir.references import mappings, reference_to, relative_reference, version_of
from service.fhir.searches import ALWAYS, person_searches
from service.flow.directory import KeptDirectory
from service.flow.reconcile import look
from service.ports import (
    Capabilities,
    FhirRecord,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    Resource,
    Search,
    Write,
    Written,
)

PEOPLE = ("Practitioner/", "PractitionerRole/")
ROUNDS = 3
"""What an earlier version refers to is read too; who it is called after then, once more."""
EVER = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a server tells about somebody's past."""

    history: Versions
    notes: tuple[str, ...]
    """Where it does not tell: one sentence each."""


def read_past(person: Reference, record: FhirRecord, history: History, site: Site, now: datetime) -> Read:
    """Everything about the person, each resource with all its versions. RecordFailure when it cannot be read."""
    return _Reading(person, record, history, site, now).read()


@dataclass
class _Remembering:
    """ports.FhirRecord, for reading: what it answered is kept."""

    reader: FhirRecord
    found: dict[Reference, Resource] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return self.reader.capabilities

    def read(self, reference: Reference) -> Resource:
        return self._kept([self.reader.read(reference)])[0]

    def search(self, search: Search) -> Iterator[Resource]:
        return iter(self._kept(self.reader.search(search)))

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        return [self._kept(answer) for answer in self.reader.search_all(searches)]

    def create(self, write: Write) -> Written:
        raise NotImplementedError("nothing is written while looking back")

    def update(self, write: Write) -> Written:
        raise NotImplementedError("nothing is written while looking back")

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        raise NotImplementedError("nothing is written while looking back")

    def _kept(self, resources: Iterable[Resource]) -> list[Resource]:
        kept = list(resources)
        self.found.update({ref: each for each in kept if (ref := reference_to(each)) is not None})
        return kept


class _Reading:
    def __init__(
        self, person: Reference, record: FhirRecord, history: History, site: Site, now: datetime
    ) -> None:
        self._person, self._site, self._now = person, site, now
        self._history_of = history
        self._record = _Remembering(record)
        self._zone = site.practice.catalogue.zone
        self._base = site.practice.catalogue.base_url
        self._history = Versions()
        self._without_history: set[str] = set()

    def read(self) -> Read:
        self._record.read(self._person)
        self._as_deciding_reads()
        self._whole()
        self._trail()
        for _ in range(ROUNDS):
            for reference in sorted(set(self._wanted()) - set(self._history)):
                self._history.add(self._versions(reference))
        notes = [
            f"the FHIR server tells no history of {kind}: each is taken as it is now"
            for kind in sorted(self._without_history)
        ]
        return Read(history=self._history, notes=tuple(notes))

    def _as_deciding_reads(self) -> None:
        """Whatever a look reads today, so that nothing is forgotten here that deciding comes to ask for."""
        staff = KeptDirectory(
            self._record, self._site.role_codes, also=self._site.also, monotonic=lambda: 0.0
        )
        try:
            look(
                self._person,
                record=self._record,
                practice=self._site.practice,
                now=self._now,
                directory=staff.people,
            )
        except NoAccountablePerson:
            return  # what matters here is what was read until then

    def _whole(self) -> None:
        """Also what today's windows leave out."""
        types = self._site.practice.types | ALWAYS
        self._record.search_all(person_searches(self._person, types, EVER, ever=types))

    def _trail(self) -> None:
        plans = [ref for ref in self._record.found if ref.startswith("CarePlan/")]
        self._record.search_all([Search(kind="Provenance", params=(("target", plan),)) for plan in plans])

    def _wanted(self) -> Iterator[Reference]:
        """What was found, what decisions saw and wrote, and everybody who is mentioned."""
        yield from self._record.found
        contents = [*self._record.found.values(), *self._contents()]
        for content in contents:
            trail = content.get("resourceType") == "Provenance"
            for text in _references(content):
                reference = relative_reference(text, self._base)
                if reference is not None and (trail or reference.startswith(PEOPLE)):
                    yield reference

    def _contents(self) -> Iterator[Resource]:
        for reference in self._history:
            yield from (v.content for v in self._history.of(reference) if v.content is not None)

    def _versions(self, reference: Reference) -> list[Version]:
        current = self._record.found.get(reference)
        only = as_version(current, self._zone) if current is not None else None
        if current is not None and version_of(current) == "1":
            return [only] if only else []
        try:
            pages = [page for page in self._history_of(reference) if page.get("entry")]
            return [version for page in pages for version in versions_in(page, self._zone)]
        except (RecordRefused, NotABundle):
            self._without_history.add(reference.partition("/")[0])
        except NotInRecord:
            pass  # it never was, or is hidden: whoever needs it says that it is lost
        return [only] if only else []


def _references(value: object) -> Iterator[str]:
    """Every Reference.reference in a resource."""
    for each in mappings(value):
        for name, inside in each.items():
            if name == "reference" and isinstance(inside, str):
                yield inside
            else:
                yield from _references(inside)
