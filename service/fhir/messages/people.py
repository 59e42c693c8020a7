"""Which Patient of the record a message is about, and how two of them become one (Patient.link, R4 8.1.2).

Guesses nobody: where the identifiers point to several people, a person has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.domain.vocabulary import Reference
from service.fhir.messages.content import Key
from service.fhir.messages.identity import keys_of
from service.fhir.patient_links import Ambiguous, Read, survivor
from service.fhir.references import mapping, mappings, reference_to
from service.ports import Resource

Json = dict[str, Any]


def the_one(patients: Iterable[Resource], read: Read, base: str = "") -> Resource | None:
    """The one Patient that all of these are by now; None when there are none. Ambiguous when they are several."""
    people = {reference_to(each): each for each in (survivor(p, read, base) for p in patients)}
    if len(people) > 1:
        raise Ambiguous(SEVERAL)
    return next(iter(people.values()), None)


def carries(resource: Resource, keys: Iterable[Key]) -> bool:
    return not set(keys).isdisjoint(keys_of(resource))


def those_who_hold(patients: Iterable[Resource], keys: Iterable[Key]) -> list[Resource]:
    """Of these, the ones whose number it is by now; all where it is out of use (`old`) with each of them.

    After a merge that was taken back the number of the one stands with the other too, out of use.
    """
    known, wanted = list(patients), frozenset(keys)
    holders = [each for each in known if carries(_without_old(each), wanted)]
    return holders or known


def _without_old(patient: Resource) -> Json:
    numbers = [each for each in mappings(patient.get("identifier")) if each.get("use") != "old"]
    return {**patient, "identifier": numbers}


def with_replaced(survivor: Mapping[str, Any], old: Reference) -> Json:
    """The surviving Patient, saying whom it replaces."""
    return _linked(survivor, old, "replaces")


def with_replacement(old: Mapping[str, Any], place: str) -> Json:
    """A Patient that was merged, out of use; `place`: reference or full URL of the one that replaces it."""
    return {**_linked(old, place, "replaced-by"), "active": False}


def with_old_identifiers(patient: Mapping[str, Any], keys: Iterable[Key]) -> Json:
    """The surviving Patient with the numbers of the one that was merged, out of use."""
    known = set(keys_of(patient))
    old = [{"use": "old", "system": system, "value": value} for system, value in keys]
    new = [each for each in old if (each["system"], each["value"]) not in known]
    return {**patient, "identifier": [*mappings(patient.get("identifier")), *new]} if new else dict(patient)


def _linked(patient: Mapping[str, Any], place: str, kind: str) -> Json:
    links = list(mappings(patient.get("link")))
    if any(
        each.get("type") == kind and mapping(each.get("other")).get("reference") == place for each in links
    ):
        return dict(patient)
    return {**patient, "link": [*links, {"other": {"reference": place}, "type": kind}]}


# --- wording ----------------------------------------------------------------------------------------------------

SEVERAL = (
    "The identifiers of the Patient in this message belong to several Patients of the record. Merge them there, or correct"
    " the identifiers, then retry."
)
