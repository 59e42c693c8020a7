"""Reading a person from a handful of resources, with the roles that these tests know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.domain.evidence import PersonRecord
from service.domain.vocabulary import Reference, RoleId
from service.fhir.read import Catalogue, read_person
from service.fhir.systems import ROLE
from tests.fhir.decisions import DENVER, NOW, PERSON

COORDINATOR = RoleId("transition-coordinator")
SUPERVISOR = RoleId("clinical-supervisor")


def means(role: RoleId):
    """Matches a role's own code, as every role does."""
    return lambda system, code: (system, code) == (ROLE, role)


def a_catalogue(**changes: Any) -> Catalogue:
    settings: dict[str, Any] = {
        "zone": DENVER,
        "roles": {role: means(role) for role in (COORDINATOR, SUPERVISOR)},
    }
    return Catalogue(**{**settings, **changes})


def read(
    *resources: Mapping[str, Any], now: datetime = NOW, person: Reference = PERSON, **catalogue: Any
) -> PersonRecord:
    return read_person(resources, person=person, catalogue=a_catalogue(**catalogue), now=now)
