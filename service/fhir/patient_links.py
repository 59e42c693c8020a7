"""Patients that are one person by now: what Patient.link says (R4 8.1.2). Decides nothing, guesses nothing."""

from __future__ import annotations

from collections.abc import Callable

from service.domain.vocabulary import Reference
from service.fhir.references import mappings, reference_to, referred
from service.ports import Resource

Read = Callable[[Reference], Resource]

FURTHEST = 8
"""Merges of merges that are followed; more is a circle or a mistake."""


class Ambiguous(Exception):
    """Use this when the record does not say who somebody is; the text says what a person has to put right."""


def replaced_by(patient: Resource, base: str = "") -> Reference | None:
    """The Patient that this one was merged into."""
    for link in mappings(patient.get("link")):
        if link.get("type") == "replaced-by":
            return referred(link.get("other"), base)
    return None


def replaces(patient: Resource, base: str = "") -> tuple[Reference, ...]:
    """The Patients that were merged into this one."""
    links = (link for link in mappings(patient.get("link")) if link.get("type") == "replaces")
    found = (referred(link.get("other"), base) for link in links)
    return tuple(dict.fromkeys(each for each in found if each and each.startswith("Patient/")))


def survivor(patient: Resource, read: Read, base: str = "") -> Resource:
    """Whoever this Patient is by now, after every merge; Ambiguous when the links run in a circle."""
    seen = {reference_to(patient)}
    while (following := replaced_by(patient, base)) is not None:
        if following in seen or len(seen) > FURTHEST:
            raise Ambiguous(CIRCLE)
        seen.add(following)
        patient = read(following)
    return patient


CIRCLE = "The links between merged Patients of the record run in a circle. Correct them there, then retry."
