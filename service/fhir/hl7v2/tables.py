"""The concept maps of the HL7 v2-to-FHIR implementation guide, read from its own CSV sheets (tables/SOURCE.md)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a code of an HL7 v2 table is in FHIR."""

    code: str
    display: str
    system: str


@cache
def event_status() -> Mapping[str, Target]:
    """Trigger event -> Encounter.status; `unknown` where the event says nothing about it."""
    return _read("event-encounter-status")


@cache
def patient_class() -> Mapping[str, Target]:
    """HL70004 -> Encounter.class."""
    return _read("patient-class-encounter-class")


@cache
def patient_class_status() -> Mapping[str, Target]:
    """HL70004 -> Encounter.status, where nothing else says it."""
    return _read("patient-class-encounter-status")


@cache
def hospital_service() -> Mapping[str, Target]:
    """HL70069 -> Encounter.serviceType."""
    return _read("hospital-service")


@cache
def admission_type() -> Mapping[str, Target]:
    """HL70007 -> Encounter.type."""
    return _read("admission-type")


def _read(name: str) -> Mapping[str, Target]:
    """Rows with a code on both sides; the sheets also list FHIR codes that no v2 code leads to."""
    sheet = files("service.fhir.hl7v2").joinpath("tables", f"{name}.csv").read_text(encoding="utf-8")
    rows = csv.reader(sheet.splitlines())
    next(rows), next(rows)  # two rows of headings
    return {row[0]: _target(row) for row in rows if len(row) > 9 and row[0] and row[6]}


def _target(row: list[str]) -> Target:
    """Columns 6 to 9: code, a column that some sheets use for the display, display, code system."""
    return Target(code=row[6].strip(), display=(row[8] or row[7]).strip(), system=row[9].strip())
