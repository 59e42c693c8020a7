"""Small R4 resources for tests: valid, about one synthetic person, with every element open to be said otherwise.

Keyword arguments replace or add elements by their FHIR name (`class_` for `class`, `for_` for `for`); None removes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLE = "https://throughline.example/fhir/CodeSystem/role"
REQUIRED_FIELD = "https://throughline.example/fhir/CodeSystem/required-field"
GATE = "https://throughline.example/fhir/CodeSystem/gate"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

PERSON = "Patient/ada"
UPDATED = "2026-03-06T16:30:00-07:00"

Json = dict[str, Any]


def resource(kind: str, logical_id: str, elements: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """The elements, then the changes, with id and meta as a server would give them."""
    head = {"resourceType": kind, "id": logical_id, "meta": {"versionId": "1", "lastUpdated": UPDATED}}
    both = {**head, **elements, **{name.rstrip("_"): value for name, value in changes.items()}}
    return {name: value for name, value in both.items() if value is not None}


def a_patient(logical_id: str = "ada", **changes: Any) -> Json:
    return resource(
        "Patient", logical_id, {"active": True, "name": [{"family": "Lovelace", "given": ["Ada"]}]}, changes
    )


def an_encounter(logical_id: str = "12", **changes: Any) -> Json:
    """An inpatient stay that ended on Friday 2026-03-06 at 14:00 in Denver."""
    elements = {
        "status": "finished",
        "class": {"system": ACT_CODE, "code": "IMP"},
        "subject": {"reference": PERSON},
        "period": {"start": "2026-03-01T09:00:00-07:00", "end": "2026-03-06T14:00:00-07:00"},
    }
    return resource("Encounter", logical_id, elements, changes)


def a_condition(logical_id: str = "depression", **changes: Any) -> Json:
    elements = {
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2"}]},
        "subject": {"reference": PERSON},
        "recordedDate": "2026-03-02T10:00:00-07:00",
    }
    return resource("Condition", logical_id, elements, changes)


def a_service_request(logical_id: str = "referral", **changes: Any) -> Json:
    elements = {
        "status": "active",
        "intent": "order",
        "subject": {"reference": PERSON},
        "code": {"text": "Outpatient follow-up"},
        "authoredOn": "2026-03-06T13:00:00-07:00",
    }
    return resource("ServiceRequest", logical_id, elements, changes)


def an_appointment(logical_id: str = "first", **changes: Any) -> Json:
    elements = {
        "status": "booked",
        "created": "2026-03-06T15:00:00-07:00",
        "start": "2026-03-10T10:00:00-06:00",
        "end": "2026-03-10T11:00:00-06:00",
        "participant": [{"actor": {"reference": PERSON}, "status": "accepted"}],
    }
    return resource("Appointment", logical_id, elements, changes)


def a_practitioner(logical_id: str, given: str, family: str, **changes: Any) -> Json:
    name = [{"use": "official", "given": [given], "family": family}]
    return resource("Practitioner", logical_id, {"active": True, "name": name}, changes)


def a_practitioner_role(logical_id: str, practitioner: str | None, /, *roles: str, **changes: Any) -> Json:
    elements = {
        "active": True,
        "practitioner": {"reference": practitioner} if practitioner else None,
        "code": [a_role(role) for role in roles] or None,
    }
    return resource("PractitionerRole", logical_id, elements, changes)


def a_care_team(*members: tuple[str, str], logical_id: str = "team", **changes: Any) -> Json:
    """`members` are (reference, role id)."""
    participants = [{"member": {"reference": who}, "role": [a_role(role)]} for who, role in members]
    elements = {"status": "active", "subject": {"reference": PERSON}, "participant": participants}
    return resource("CareTeam", logical_id, elements, changes)


def a_role(role: str) -> Json:
    """A CodeableConcept of one of Throughline's own role codes."""
    return {"coding": [{"system": ROLE, "code": role}]}


def a_task(logical_id: str = "foreign", **changes: Any) -> Json:
    """A Task of some other system."""
    elements = {
        "status": "requested",
        "intent": "order",
        "for": {"reference": PERSON},
        "authoredOn": "2026-03-06T10:00:00-07:00",
        "lastModified": "2026-03-06T11:00:00-07:00",
    }
    return resource("Task", logical_id, elements, changes)


def a_task_answer(
    task: Mapping[str, Any],
    *,
    status: str = "completed",
    at: str = "2026-03-06T18:00:00-07:00",
    records: Mapping[str, Any] | None = None,
    waives: Mapping[str, str] | None = None,
) -> Json:
    """The Task as its owner leaves it: a new status, and what was recorded or waived.

    A value of `records` is a string, or a mapping such as {"valueBoolean": True}.
    """
    outputs = list(task.get("output", []))
    for name, value in (records or {}).items():
        outputs.append(
            {
                "type": coded(REQUIRED_FIELD, name),
                **(value if isinstance(value, Mapping) else {"valueString": value}),
            }
        )
    outputs += [{"type": coded(GATE, gate), "valueString": reason} for gate, reason in (waives or {}).items()]
    return {**task, "status": status, "lastModified": at, **({"output": outputs} if outputs else {})}


def coded(system: str, code: str) -> Json:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code}]}
