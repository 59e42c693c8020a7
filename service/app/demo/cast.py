"""Who takes part in the demonstration: a clinic, its staff by name, and four synthetic people.

Everybody here is made up. The hospital's own staff come from the sandbox server's workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEED = "https://throughline.example/demo"
"""Identifier system of everything the demonstration seeds."""
ROLE = "https://throughline.example/fhir/CodeSystem/role"
CLINIC = "Willow Street Community Mental Health"

IN_THE_CARE_TEAM = ("transition-coordinator", "outpatient-clinician", "case-manager", "psychiatric-provider")
"""Roles that the demonstration names in each person's CareTeam; the others stand in the practitioner directory."""


@dataclass(frozen=True, kw_only=True)
class Professional:
    """One synthetic member of the clinic's staff."""

    key: str
    role: str
    given: str
    family: str
    title: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


STAFF = (
    Professional(
        key="tess",
        role="transition-coordinator",
        given="Tess",
        family="Okafor",
        title="Transition coordinator",
    ),
    Professional(
        key="omar",
        role="outpatient-clinician",
        given="Omar",
        family="Lindqvist",
        title="Outpatient clinician",
    ),
    Professional(key="cora", role="case-manager", given="Cora", family="Benitez", title="Case manager"),
    Professional(
        key="priya",
        role="psychiatric-provider",
        given="Priya",
        family="Nandakumar",
        title="Psychiatric provider",
    ),
    Professional(
        key="ines",
        role="outpatient-intake-clinician",
        given="Ines",
        family="Marchetti",
        title="Intake clinician",
    ),
    Professional(
        key="kofi", role="crisis-clinician", given="Kofi", family="Asante", title="Crisis clinician"
    ),
    Professional(
        key="sam", role="clinical-supervisor", given="Sam", family="Whitlock", title="Clinical supervisor"
    ),
    Professional(key="lena", role="pathway-lead", given="Lena", family="Hofstad", title="Pathway lead"),
    Professional(
        key="dara", role="clinical-director", given="Dara", family="Quill", title="Clinical director"
    ),
    Professional(key="skye", role="scheduler", given="Skye", family="Romero", title="Scheduler"),
    Professional(
        key="dev", role="duty-clinician", given="Dev", family="Castellan", title="Clinician on duty"
    ),
    Professional(
        key="toby",
        role="transition-coordinator",
        given="Toby",
        family="Grell",
        title="Transition coordinator",
    ),
    Professional(key="mona", role="community-lead", given="Mona", family="Vasquez", title="Community lead"),
    Professional(key="kim", role="care-coordinator", given="Kim", family="Adeyemi", title="Care coordinator"),
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """One of the synthetic people, and what their story shows."""

    key: str
    mrn: str
    given: str
    family: str
    story: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


AVA = Person(key="ava", mrn="DEMO-1001", given="Ava", family="Testerly", story="every step is taken in time")
BEN = Person(
    key="ben", mrn="DEMO-1002", given="Ben", family="Sampleton", story="nobody acts, and silence escalates"
)
CHO = Person(
    key="cho",
    mrn="DEMO-1003",
    given="Cho",
    family="Mockridge",
    story="a follow-up is rejected and finds an owner",
)
PEOPLE = (AVA, BEN, CHO)
"""They are discharged from the ward."""
DEE = Person(
    key="dee",
    mrn="DEMO-1004",
    given="Dee",
    family="Fictley",
    story="a crisis begins several pathways at once",
)
EVERYBODY = (*PEOPLE, DEE)


def clinic() -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "identifier": [_identifier("clinic")],
        "active": True,
        "name": CLINIC,
    }


def practitioner(who: Professional) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "identifier": [_identifier(who.key)],
        "active": True,
        "name": [{"given": [who.given], "family": who.family, "text": who.name}],
    }


def practitioner_role(who: Professional, staff: Mapping[str, str], organization: str) -> dict[str, Any]:
    return {
        "resourceType": "PractitionerRole",
        "identifier": [_identifier(f"{who.key}-role")],
        "active": True,
        "practitioner": {"reference": staff[who.key], "display": who.name},
        "organization": {"reference": organization, "display": CLINIC},
        "code": [_role(who)],
    }


def care_team(patient: str, person: Person, staff: Mapping[str, str]) -> dict[str, Any]:
    """The named people around one person; both transition coordinators, so that a refusal finds a second one."""
    members = [who for who in STAFF if who.role in IN_THE_CARE_TEAM]
    return {
        "resourceType": "CareTeam",
        "identifier": [_identifier(f"{person.key}-team")],
        "status": "active",
        "name": f"Care team at {CLINIC}",
        "subject": {"reference": patient},
        "participant": [
            {"role": [_role(who)], "member": {"reference": staff[who.key], "display": who.name}}
            for who in members
        ],
    }


def diagnosis(patient: str, encounter: str) -> dict[str, Any]:
    """The ward's discharge diagnosis; ICD-10-CM F33.2, major depressive disorder, recurrent severe."""
    return {
        "resourceType": "Condition",
        "identifier": [_identifier(f"diagnosis-{encounter.rpartition('/')[2]}")],
        "clinicalStatus": _code("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": _code(
            "http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"
        ),
        "category": [
            _code("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")
        ],
        "code": {
            "coding": [
                {
                    "system": "http://hl7.org/fhir/sid/icd-10-cm",
                    "code": "F33.2",
                    "display": "Major depressive disorder, recurrent severe without psychotic features",
                }
            ]
        },
        "subject": {"reference": patient},
        "encounter": {"reference": encounter},
    }


def emergency_visit(patient: str, person: Person, began: str, ended: str) -> dict[str, Any]:
    """A visit to the emergency department that ends at home; ICD-10-CM R45.851, suicidal ideations."""
    ideation = {
        "system": "http://hl7.org/fhir/sid/icd-10-cm",
        "code": "R45.851",
        "display": "Suicidal ideations",
    }
    return {
        "resourceType": "Encounter",
        "identifier": [_identifier(f"{person.key}-emergency")],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"},
        "subject": {"reference": patient},
        "period": {"start": began, "end": ended},
        "reasonCode": [{"coding": [ideation]}],
        "hospitalization": {
            "dischargeDisposition": _code(
                "http://terminology.hl7.org/CodeSystem/discharge-disposition", "home"
            )
        },
    }


def seeded(key: str) -> str:
    """The conditional-create query of a seeded resource."""
    return f"identifier={SEED}|{key}"


def _identifier(key: str) -> dict[str, str]:
    return {"system": SEED, "value": key}


def _role(who: Professional) -> dict[str, Any]:
    return {"coding": [{"system": ROLE, "code": who.role, "display": who.title}], "text": who.title}


def _code(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
