"""Work that stands under the wrong record follows the person: into the record that stays, or back to whom it is about."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.domain.vocabulary import Reference
from service.fhir.belonging import Reading, Stray, is_claimed, stray, strays
from service.fhir.former_records import belonging_to, moved_from, standing_under
from service.fhir.patient_links import Ambiguous, survivor
from service.fhir.read import Catalogue
from service.fhir.references import reference_to
from service.fhir.render.moved import Move, Reason, moved
from service.fhir.searches import enrolments_named, ours_under
from service.flow.write_back import write_back
from service.ports import FhirRecord, NotInRecord, RecordRefused, Resource, Search, Write, Written

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a move came to."""

    elsewhere: Reference | None = None
    """Whose record stays, when the person's own was merged away: care goes on there, and nothing is decided here."""
    written: tuple[Written, ...] = ()
    others: tuple[Reference, ...] = ()
    """Who else gained or lost work by it: to be looked at too."""


@dataclass(frozen=True, kw_only=True)
class Mover:
    """Moves what is ours. VersionConflict when somebody else wrote meanwhile: read again."""

    record: FhirRecord
    catalogue: Catalogue
    now: datetime
    software_version: str

    def follow(self, person: Reference, reading: Reading) -> Moved:
        """Move what stands under records that were merged away, and what belongs to somebody else."""
        stays = self._survivor(person, reading.resources)
        leaving = reading.former if stays is None else reading.former | {person}
        ours = standing_under(leaving, reading.resources, self._base)
        if ours:
            log.info("work follows a person whose records were merged", extra={"moved": len(ours)})
        by_way_of = () if stays is None else (person,)
        written = self._write(moved(ours, self._move(to=stays or person, came_from=by_way_of)))
        if stays is not None or written:
            return Moved(elsewhere=stays, written=written)
        return self._return(strays(person, reading, self.record.read, self._base))

    def fetch(self, person: Reference, identifiers: Collection[str]) -> Moved:
        """Bring enrolments that this person should have begun, and that stand under another, to whom they are about.

        RecordRefused when the record does not say clearly that they are not the other's: somebody has to put it right.
        """
        found: list[Stray] = []
        for plan in self._all(enrolments_named(identifiers)):
            one = stray(plan, person, self.record.read, self._base)
            if one is None:
                continue
            if self._is_by_now(one.whose, person):
                return self._gather(one.whose, person)
            if is_claimed(plan, one.whose, person, self.record.read, self._base):
                return Moved(elsewhere=one.whose)
            if one.to == one.whose:
                raise RecordRefused(HELD.format(plan=reference_to(plan)))
            found.append(one)
        return self._return(found)

    # --- moving

    def _gather(self, former: Reference, person: Reference) -> Moved:
        """What stands under a record that was merged into the person's, where nobody has looked since."""
        ours = standing_under({former}, self._all(ours_under(former)), self._base)
        return Moved(written=self._write(moved(ours, self._move(to=person))))

    def _return(self, found: Iterable[Stray]) -> Moved:
        written: list[Written] = []
        others: dict[Reference, None] = {}
        for each in found:
            log.warning("a pathway belongs to somebody else than under whom it stands: it moves to them")
            ours = belonging_to(each.identifier, self._all(ours_under(each.whose)))
            written += self._write(moved([(one, each.whose) for one in ours], self._back(each)))
            others |= dict.fromkeys((each.to, each.whose))
        return Moved(written=tuple(written), others=tuple(others))

    def _back(self, one: Stray) -> Move:
        """What an enrolment remembers of merges that hold, it keeps: from there its beginning is read."""
        known = [*moved_from(one.plan), one.about]
        kept = [each for each in known if each != one.to and self._is_by_now(each, one.to)]
        return self._move(to=one.to, why=Reason.BELONGS, came_from=tuple(dict.fromkeys(kept)))

    def _is_by_now(self, former: Reference, to: Reference) -> bool:
        try:
            return reference_to(survivor(self.record.read(former), self.record.read, self._base)) == to
        except (Ambiguous, NotInRecord):
            return False

    def _survivor(self, person: Reference, resources: Iterable[Resource]) -> Reference | None:
        """Whoever the person is by now, when that is another record; a link that leads nowhere moves nobody."""
        patients = (each for each in resources if each.get("resourceType") == "Patient")
        own = next((each for each in patients if reference_to(each) == person), None)
        if own is None:
            return None
        try:
            found = reference_to(survivor(own, self.record.read, self._base))
        except (Ambiguous, NotInRecord) as problem:
            log.warning(
                "a merged record leads nowhere; care goes on where it is (%s)", type(problem).__name__
            )
            return None
        return found if found != person else None

    def _all(self, searches: Sequence[Search]) -> list[Resource]:
        return [each for found in self.record.search_all(searches) for each in found]

    def _write(self, writes: list[Write]) -> tuple[Written, ...]:
        return write_back(self.record, writes).written if writes else ()

    def _move(
        self, *, to: Reference, why: Reason = Reason.MERGED, came_from: tuple[Reference, ...] = ()
    ) -> Move:
        return Move(
            to=to,
            now=self.now,
            zone=self.catalogue.zone,
            software_version=self.software_version,
            why=why,
            came_from=came_from,
        )

    @property
    def _base(self) -> str:
        return self.catalogue.base_url


# --- wording ----------------------------------------------------------------------------------------------------

HELD = (
    "{plan} began with something about this person and stands under another Patient, and the record does not say clearly"
    " whose it is. Correct the subject of what began it, or the links between the Patients."
)
