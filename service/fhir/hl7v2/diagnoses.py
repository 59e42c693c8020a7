"""DG1 as Condition, and its use in the Encounter (v2-to-FHIR: DG1[Condition], DG1[Encounter])."""

from __future__ import annotations

from collections.abc import Iterator

from service.fhir.hl7v2 import labels
from service.fhir.hl7v2.datatypes import Json, compact, concept, date_time, each_of, own_system
from service.fhir.hl7v2.parsed import Parsed, Segment
from service.fhir.messages.content import Entry, Sender
from service.fhir.messages.identity import full_url_of, keys_of, named_by, with_identifier

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"


def diagnosis_entries(
    message: Parsed, sender: Sender, patient: Entry, encounter: str, visit: str
) -> Iterator[tuple[Entry, Json | None]]:
    """(Condition, Encounter.diagnosis.use) of each DG1 that names something; `visit` tells stays apart."""
    seen = set()
    for dg1 in message.all("DG1"):
        code = _code(dg1, sender)
        if code is None:
            continue
        resource = _condition(dg1, sender, code)
        keys = keys_of(resource)
        if not keys:
            what = dg1.text(3) or dg1.text(4)
            key = named_by(sender, "Condition", f"{visit[:100]} {what}"[:180].strip())
            resource, keys = with_identifier(resource, key), (key,)
        url = full_url_of(sender, f"Condition {keys[0][0]} {keys[0][1]}")
        if url in seen:
            continue
        seen.add(url)
        resource |= {"subject": {"reference": patient.full_url}, "encounter": {"reference": encounter}}
        marked = labels.with_labels(resource, [*labels.of_message(message), *labels.of_diagnosis(dg1)])
        yield Entry(full_url=url, resource=marked, keys=keys), concept(dg1.first(6), sender, default="0052")


def _code(dg1: Segment, sender: Sender) -> Json | None:
    """DG1-3, with the description of DG1-4 as its words."""
    said = concept(dg1.first(3), sender) or {}
    return compact({**said, "text": dg1.text(4) or said.get("text")}) or None


def _condition(dg1: Segment, sender: Sender, code: Json) -> Json:
    is_withdrawn = dg1.text(21).upper() == "D"
    verified = "entered-in-error" if is_withdrawn else "confirmed"
    return compact(
        {
            "resourceType": "Condition",
            "identifier": each_of([_identifier(dg1, sender)]),
            # R4 con-5: what is entered in error has no clinical status.
            "clinicalStatus": None if is_withdrawn else _one(_CLINICAL, "active"),
            "verificationStatus": _one(_VERIFIED, verified),
            "category": [_one(_CATEGORY, "encounter-diagnosis")],
            "code": code,
            "onsetDateTime": date_time(dg1.text(5), sender.zone),
            "recordedDate": date_time(dg1.text(19), sender.zone),
        }
    )


def _identifier(dg1: Segment, sender: Sender) -> Json | None:
    """DG1-20, an EI: number and who gave it."""
    value = dg1.first(20)
    number = value.text(1)
    if not number or len(number) > 255:
        return None
    name = value.text(2) or value.text(3)
    system = sender.authorities.get(name) or own_system(sender, name or "diagnosis")
    return {"system": system, "value": number}


def _one(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}
