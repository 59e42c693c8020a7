"""Where FHIR R5 differs from R4 in what Throughline reads and writes, type by type (R5, "Differences" of each resource).

A type that is not here, and an element that is not named, has the same shape in both as far as anything here looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.fhir.r5.administration import ADMINISTRATION, HOSPITALIZATION, PAST, TELECOM
from service.fhir.r5.lenses import (
    Json,
    Lens,
    Object,
    choice,
    coded,
    concept,
    concepts,
    first_concept,
    first_of,
    items,
    listed,
    one_reason,
    reasons,
    references,
    renamed,
)
from service.fhir.r5.planned_support import activities
from service.fhir.references import mapping, mappings

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

# R5 `discharged` (the person has left, papers are still open) and `discontinued` (begun and broken off) both mean that
# the person is no longer in care there, which is what follow-up turns on; R4 has one word for it.
_ENCOUNTER_TO_R4 = {
    "completed": "finished",
    "discharged": "finished",
    "discontinued": "finished",
    "on-hold": "onleave",
}
_ENCOUNTER_TO_R5 = {
    "finished": "completed",
    "onleave": "on-hold",
    "arrived": "in-progress",
    "triaged": "in-progress",
}


def _class_to_r4(encounter: Object) -> Json:
    """R5 allows several classes; the v3-ActCode one counts, else the first."""
    found = [coding for each in mappings(encounter.get("class")) for coding in mappings(each.get("coding"))]
    known = [coding for coding in found if coding.get("system") == ACT_CODE]
    return {"class": next(iter([*known, *found]), None)}


_CLASS = Lens(
    r4=("class",),
    r5=("class",),
    to_r4=_class_to_r4,
    to_r5=lambda o, _: {"class": [{"coding": [each]} for each in mappings(o.get("class"))]},
)


def _reasons_to_r4(encounter: Object) -> Json:
    """R5 Encounter.reason is a list of {use, value[]}."""
    values = [each for reason in mappings(encounter.get("reason")) for each in mappings(reason.get("value"))]
    return {
        "reasonCode": [c for each in values if (c := each.get("concept"))],
        "reasonReference": [r for each in values if (r := each.get("reference"))],
    }


def _reasons_to_r5(encounter: Object, _before: Object) -> Json:
    said: list[Json] = [{"concept": each} for each in mappings(encounter.get("reasonCode"))]
    said += [{"reference": each} for each in mappings(encounter.get("reasonReference"))]
    return {"reason": [{"value": said}] if said else []}


_ENCOUNTER_REASONS = Lens(
    r4=("reasonCode", "reasonReference"), r5=("reason",), to_r4=_reasons_to_r4, to_r5=_reasons_to_r5
)


def _diagnosis_to_r4(diagnosis: Object) -> Json:
    points = (each.get("reference") for each in mappings(diagnosis.get("condition")))
    return {
        "condition": next((r for r in points if r), None),
        "use": next(mappings(diagnosis.get("use")), None),
    }


_DIAGNOSIS = Lens(
    r4=("condition", "use"),
    r5=("condition", "use"),
    to_r4=_diagnosis_to_r4,
    to_r5=lambda o, _: {
        "condition": [{"reference": each} for each in mappings(o.get("condition"))],
        "use": list(mappings(o.get("use"))),
    },
)

_TEXT_PAYLOAD = Lens(
    r4=("contentString",),
    r5=("contentCodeableConcept",),
    to_r4=lambda o: {"contentString": _words(o.get("contentCodeableConcept"))},
    to_r5=lambda o, _: {
        "contentCodeableConcept": {"text": o["contentString"]} if o.get("contentString") else {}
    },
)


def _words(value: object) -> str | None:
    """What R5 puts into a CodeableConcept because it has no plain text any more."""
    held = mapping(value)
    shown = (str(each.get("display") or "") for each in mappings(held.get("coding")))
    text = held.get("text")
    return text if isinstance(text, str) and text else next((each for each in shown if each), None)


def _context_to_r4(document: Object) -> Json:
    held = {
        "encounter": list(mappings(document.get("context"))),
        "event": [c for each in mappings(document.get("event")) if (c := each.get("concept"))],
        "period": document.get("period"),
        "facilityType": document.get("facilityType"),
        "practiceSetting": document.get("practiceSetting"),
    }
    return {"context": {name: value for name, value in held.items() if value}}


def _context_to_r5(document: Object, _before: Object) -> Json:
    held = mapping(document.get("context"))
    return {
        "context": list(mappings(held.get("encounter"))),
        "event": [{"concept": each} for each in mappings(held.get("event"))],
        "period": held.get("period"),
        "facilityType": held.get("facilityType"),
        "practiceSetting": held.get("practiceSetting"),
    }


_DOCUMENT_CONTEXT = Lens(
    r4=("context",),
    r5=("context", "event", "period", "facilityType", "practiceSetting"),
    to_r4=_context_to_r4,
    to_r5=_context_to_r5,
)


def _away_to_r4(role: Object) -> Json:
    times = [mappings(each.get("notAvailableTime")) for each in mappings(role.get("availability"))]
    return {"notAvailable": [dict(each) for some in times for each in some]}


def _away_to_r5(role: Object, before: Object) -> Json:
    away = list(mappings(role.get("notAvailable")))
    others = [
        {name: value for name, value in each.items() if name != "notAvailableTime"}
        for each in mappings(before.get("availability"))
    ]
    return {
        "availability": [each for each in others if each] + ([{"notAvailableTime": away}] if away else [])
    }


_AWAY = Lens(r4=("notAvailable",), r5=("availability",), to_r4=_away_to_r4, to_r5=_away_to_r5)


def _provision_to_r4(consent: Object) -> Json:
    """R5 says permit or deny once for the whole (`decision`), and lists what is excepted from it."""
    decision = consent.get("decision")
    inside: dict[str, Any] = dict(next(mappings(consent.get("provision")), {}))
    return {"provision": {**({"type": decision} if decision else {}), **inside}}


def _provision_to_r5(consent: Object, before: Object) -> Json:
    said = mapping(consent.get("provision"))
    inside = {name: value for name, value in said.items() if name != "type"}
    rest = list(mappings(before.get("provision")))[1:]
    return {"decision": said.get("type"), "provision": [each for each in [inside, *rest] if each]}


_PROVISION = Lens(
    r4=("provision",), r5=("provision", "decision"), to_r4=_provision_to_r4, to_r5=_provision_to_r5
)

LENSES: Mapping[str, Sequence[Lens]] = {
    **ADMINISTRATION,
    "Appointment": (
        reasons(),
        concepts("serviceType", "serviceType"),
        renamed("cancelationReason", "cancellationReason"),
    ),
    "CarePlan": (
        renamed("author", "custodian"),
        references("addresses", "addresses"),
        activities(),
    ),
    "CareTeam": (
        reasons(),
        items("participant", (listed("role"), renamed("period", "coveragePeriod"))),
    ),
    "Communication": (reasons(), items("payload", (_TEXT_PAYLOAD,))),
    "CommunicationRequest": (reasons(), items("payload", (_TEXT_PAYLOAD,))),
    "Consent": (renamed("patient", "subject"), renamed("dateTime", "date"), _PROVISION),
    "DocumentReference": (_DOCUMENT_CONTEXT,),
    "Encounter": (
        coded("status", _ENCOUNTER_TO_R4, _ENCOUNTER_TO_R5),
        _CLASS,
        _ENCOUNTER_REASONS,
        first_concept("serviceType", "serviceType"),
        renamed("period", "actualPeriod"),
        HOSPITALIZATION,
        PAST,
        items("participant", (renamed("individual", "actor"),)),
        items("diagnosis", (_DIAGNOSIS,)),
        items("location", (renamed("physicalType", "form"),)),
    ),
    "Location": (renamed("physicalType", "form"), TELECOM),
    "MedicationRequest": (
        choice(("medicationCodeableConcept", "medicationReference"), "medication"),
        reasons(),
        first_of("performer", "performer"),
    ),
    "MedicationStatement": (
        choice(("medicationCodeableConcept", "medicationReference"), "medication"),
        reasons(),
    ),
    "PractitionerRole": (_AWAY, TELECOM),
    "Procedure": (
        reasons(),
        renamed("performedDateTime", "occurrenceDateTime"),
        renamed("performedPeriod", "occurrencePeriod"),
        renamed("performedString", "occurrenceString"),
    ),
    "RiskAssessment": (reasons(),),
    "Schedule": (concepts("serviceType", "serviceType"),),
    "ServiceRequest": (
        concept("code", "code"),
        reasons(),
        reasons("location", ("locationCode", "locationReference")),
        references("supportingInfo", "supportingInfo"),
    ),
    "Slot": (concepts("serviceType", "serviceType"), first_of("appointmentType", "appointmentType")),
    "Task": (
        concept("statusReason", "statusReason"),
        one_reason("reason", ("reasonCode", "reasonReference")),
        concepts("performerType", "requestedPerformer"),
    ),
}
