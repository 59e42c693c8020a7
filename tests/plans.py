"""Decisions as writes, small but shaped like real ones: an enrolment and its follow-ups point at each other."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from service.ports import Write

IDENTIFIERS = "https://throughline.example/fhir/identifier"


def full_url(kind: str, value: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{IDENTIFIERS}/{kind}|{value}')}"


def new(kind: str, resource_type: str, value: str, **elements) -> Write:
    """A conditional create by business identifier."""
    resource = {
        "resourceType": resource_type,
        "identifier": [{"system": f"{IDENTIFIERS}/{kind}", "value": value}],
        **elements,
    }
    return Write(
        resource=resource,
        full_url=full_url(kind, value),
        create_if_none=f"identifier={IDENTIFIERS}/{kind}|{value}",
    )


def follow_up(enrolment: str, name: str, person: str) -> Write:
    return new(
        "follow-up",
        "Task",
        f"{enrolment}/{name}/1",
        status="requested",
        intent="order",
        **{"for": {"reference": person}},
        basedOn=[{"reference": full_url("enrolment", enrolment)}],
    )


def enrolment_plan(enrolment: str, names: list[str], person: str) -> list[Write]:
    """A new enrolment (first), its follow-ups, and the Provenance of the decision about them all."""
    tasks = [follow_up(enrolment, name, person) for name in names]
    enrolling = new(
        "enrolment",
        "CarePlan",
        enrolment,
        status="active",
        intent="plan",
        subject={"reference": person},
        activity=[{"reference": {"reference": task.full_url}} for task in tasks],
    )
    tag = str(uuid5(NAMESPACE_URL, enrolment))
    trail = Write(
        resource={
            "resourceType": "Provenance",
            "meta": {
                "tag": [{"system": "https://throughline.example/fhir/CodeSystem/decision", "code": tag}]
            },
            "target": [{"reference": each.full_url} for each in [enrolling, *tasks]],
            "recorded": "2026-03-06T16:30:00-07:00",
            "agent": [{"who": {"display": "Throughline"}}],
        },
        full_url=f"urn:uuid:{tag}",
        create_if_none=f"_tag=https://throughline.example/fhir/CodeSystem/decision|{tag}",
    )
    return [enrolling, *tasks, trail]
