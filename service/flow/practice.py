"""How a site wants its people cared for, as a reconcile needs it. Holds what the wiring makes; knows no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId
from service.fhir.read import Catalogue


@dataclass(frozen=True, kw_only=True)
class Practice:
    """How a site wants its people cared for: what the wiring makes of the mappings folder and the settings."""

    pathways: Mapping[PathwayId, Pathway]
    """The current version of each."""
    catalogue: Catalogue
    types: frozenset[str]
    """Resource types that any pathway asks about."""
    ever: frozenset[str] = frozenset()
    """Of these, the ones to be read whole: a pathway asks whether something was *ever* so."""
    lookback: timedelta = timedelta(days=30)
    """How long before the beginning of the oldest running enrolment the record is read."""
    software_version: str = ""
    earlier: tuple[Pathway, ...] = ()
    """Versions that people are still on although another one is current."""

    @property
    def versions(self) -> list[Pathway]:
        """Everything that can be decided by; current ones first."""
        return [*self.pathways.values(), *self.earlier]
