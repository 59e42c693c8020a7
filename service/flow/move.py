"""Work that stands under a record that was merged away follows the person to the record that stays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.domain.vocabulary import Reference
from service.fhir.former_records import standing_under
from service.fhir.patient_links import Ambiguous, survivor
from service.fhir.read import Catalogue
from service.fhir.references import reference_to
from service.fhir.render.moved import Move, moved
from service.flow.write_back import write_back
from service.ports import FhirRecord, NotInRecord, Resource, Written

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a move came to."""

    elsewhere: Reference | None = None
    """Whose record stays, when the person's own was merged away: care goes on there, and nothing is decided here."""
    written: tuple[Written, ...] = ()


def move_work(
    person: Reference,
    resources: Sequence[Resource],
    former: frozenset[Reference],
    record: FhirRecord,
    catalogue: Catalogue,
    now: datetime,
    software_version: str,
) -> Moved:
    """Move what of ours stands under `former`, or under the person when they are somebody else by now.

    `resources`: as read. VersionConflict when somebody else wrote meanwhile: read again.
    """
    stays = _survivor(person, resources, record, catalogue.base_url)
    leaving = former if stays is None else former | {person}
    ours = standing_under(leaving, resources, catalogue.base_url)
    move = Move(to=stays or person, now=now, zone=catalogue.zone, software_version=software_version)
    writes = moved(ours, move)
    if writes:
        log.info("work follows a person whose records were merged", extra={"moved": len(ours)})
    written = write_back(record, writes).written if writes else ()
    return Moved(elsewhere=stays, written=written)


def _survivor(
    person: Reference, resources: Sequence[Resource], record: FhirRecord, base_url: str
) -> Reference | None:
    """Whoever the person is by now, when that is another record; a link that leads nowhere moves nobody."""
    patients = (each for each in resources if each.get("resourceType") == "Patient")
    own = next((each for each in patients if reference_to(each) == person), None)
    if own is None:
        return None
    try:
        found = reference_to(survivor(own, record.read, base_url))
    except (Ambiguous, NotInRecord) as problem:
        log.warning("a merged record leads nowhere; care goes on where it is (%s)", type(problem).__name__)
        return None
    return found if found != person else None
