"""Which version of a pathway an enrolment follows: the one it began with, to its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from service.domain.enrolment import Enrolment
from service.domain.pathway import Pathway
from service.domain.vocabulary import RUNNING_PLAN


class Versions:
    """Every version of every pathway, found by the enrolment that follows it."""

    def __init__(self, pathways: Iterable[Pathway] = ()) -> None:
        every = tuple(pathways)
        self._by_version = {(pathway.id, pathway.version): pathway for pathway in every}
        self._current = {pathway.id: pathway for pathway in every if pathway.current}

    def get(self, enrolment: Enrolment) -> Pathway | None:
        """The version it began with; of an enrolment that no longer says which, the current one. None: it is not here."""
        if not enrolment.pathway_version:
            return self._current.get(enrolment.pathway)
        return self._by_version.get((enrolment.pathway, enrolment.pathway_version))

    def __getitem__(self, enrolment: Enrolment) -> Pathway:
        """The same; KeyError when it is not here."""
        found = self.get(enrolment)
        if found is None:
            raise KeyError(f"version {enrolment.pathway_version} of {enrolment.pathway}")
        return found

    def not_here(self, enrolments: Iterable[Enrolment]) -> tuple[Enrolment, ...]:
        """Those of the running ones that cannot be followed."""
        return tuple(e for e in enrolments if e.status in RUNNING_PLAN and self.get(e) is None)


def as_tried_out(pathway: Pathway) -> Pathway:
    """The version as a simulation plays it: people begin with it, whether it is not approved yet or not current any more."""
    return replace(pathway, status="active", current=True)
