"""The clinic that every benchmark uses: its staff, people who were discharged, and the shipped pathways.

Everybody is synthetic. Nothing here is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from service.app.practice import practice_of, role_codes
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.flow.practice import Practice
from service.pathways.library import Library, load_library

MAPPINGS = Path(__file__).parents[1] / "mappings"
ZONE = ZoneInfo("America/Denver")
NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZONE)
ACCOUNTABLE = Reference("Practitioner/staff-0")
STAFF = 40
"""A clinic of this size: every role is held by somebody, the rest play none of the roles."""
FIFTEEN = 15

Json = dict[str, Any]


@cache
def library() -> Library:
    found = load_library(MAPPINGS, StrictPathCompiler(zone=ZONE, base=""), today=date(2026, 3, 6))
    assert found.pathways, "the shipped pathways could not be read: throughline pathways check"
    return found


@cache
def practice(base_url: str = "http://localhost/fhir") -> Practice:
    """The shipped pathways, as a worker holds them."""
    made = practice_of(
        library(), zone=ZONE, base_url=base_url, accountable=ACCOUNTABLE, software_version="bench"
    )
    return replace(made, pathways={p.id: p for p in made.pathways.values()})


def codes() -> list[tuple[str | None, str]]:
    return role_codes(library())


# --- resources ---------------------------------------------------------------------------------------------------


def staff() -> Iterator[Json]:
    """Practitioners and their PractitionerRoles."""
    roles = sorted(library().roles)
    for number in range(STAFF):
        name = f"staff-{number}"
        yield {
            "resourceType": "Practitioner",
            "id": name,
            "active": True,
            "name": [{"family": f"Bench{number}", "given": ["Staff"]}],
        }
        if number < 2 * len(roles):
            coding = {
                "system": "https://throughline.example/fhir/CodeSystem/role",
                "code": roles[number % len(roles)],
            }
            yield {
                "resourceType": "PractitionerRole",
                "id": f"{name}-role",
                "active": True,
                "practitioner": {"reference": f"Practitioner/{name}"},
                "code": [{"coding": [coding]}],
            }


def discharged(key: str, at: datetime) -> list[Json]:
    """A person and the inpatient stay that ended an hour before `at`; the keys of two people are equally long."""
    stay = {
        "resourceType": "Encounter",
        "id": f"stay-{key}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{key}"},
        "period": {
            "start": (at - timedelta(days=10)).isoformat(timespec="seconds"),
            "end": (at - timedelta(hours=1)).isoformat(timespec="seconds"),
        },
        "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F32.2"}]}],
        "hospitalization": {
            "dischargeDisposition": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/discharge-disposition", "code": "home"}
                ]
            }
        },
    }
    return [*_person(key), stay]


def in_crisis(key: str, at: datetime) -> list[Json]:
    """A person whose visit to the emergency department for a mental-health crisis ended an hour before `at`."""
    patient, stay = discharged(key, at)
    visit = {**stay, "id": f"crisis-{key}", "class": {**stay["class"], "code": "EMER"}}
    visit["period"] = {**stay["period"], "start": (at - timedelta(hours=6)).isoformat(timespec="seconds")}
    return [patient, visit]


def _person(key: str) -> Iterator[Json]:
    yield {
        "resourceType": "Patient",
        "id": key,
        "active": True,
        "name": [{"family": "Bench", "given": [key]}],
    }


def passing_through(key: str, at: datetime) -> list[Json]:
    """A person of whom the record says much and no pathway anything: forty observations and an outpatient visit."""
    about = {"subject": {"reference": f"Patient/{key}"}}
    visit = {
        "resourceType": "Encounter",
        "id": f"visit-{key}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "period": {
            "start": (at - timedelta(days=2)).isoformat(),
            "end": (at - timedelta(days=2)).isoformat(),
        },
        **about,
    }
    measured = [
        {
            "resourceType": "Observation",
            "id": f"obs-{key}-{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "effectiveDateTime": (at - timedelta(hours=number)).isoformat(),
            **about,
        }
        for number in range(40)
    ]
    return [*_person(key), visit, *measured]
