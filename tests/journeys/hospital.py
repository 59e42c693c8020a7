"""The hospital, the emergency department and everybody else who writes about a person but not about follow-ups.

Ids are readable: `Patient/ada`, her stay `Encounter/ada-stay`, her crisis contact `Encounter/ada-crisis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.builders import (
    ACT_CODE,
    Json,
    a_care_team,
    a_condition,
    a_patient,
    an_appointment,
    an_encounter,
    coded,
)
from tests.journeys.fhir_server import FhirServer

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
SERVICE_TYPE = "http://terminology.hl7.org/CodeSystem/service-type"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
CONTACT_KIND = "https://throughline.example/fhir/CodeSystem/contact-kind"

DEPRESSION = (ICD_10_CM, "F33.2")
BROKEN_BONE = (ICD_10_CM, "S52.501A")
HOME = (DISPOSITION, "home")
AGAINST_ADVICE = (DISPOSITION, "aadvice")
RISK_LEVELS = {"high": "LA9193-9", "moderate": "LA6751-7", "low": "LA9194-7"}
OUTPATIENT_PSYCHIATRY = (SERVICE_TYPE, "490")

Code = tuple[str, str]


class Hospital:
    """Writes to the record at the present instant, as any hospital's system would."""

    def __init__(self, fhir: FhirServer, now: Callable[[], datetime]) -> None:
        self._fhir = fhir
        self._now = now
        self._people: dict[str, Json] = {}

    # --- people

    def registers(self, *people: str, **changes: Any) -> None:
        """Patients with a family name that is nobody else's."""
        for person in people:
            name = [{"family": f"Testerly-{person}", "given": [person.title()]}]
            patient = a_patient(person, name=name, meta=None, **changes)
            self._people[person] = patient
            self._fhir.put(patient)

    def names(self) -> list[str]:
        """Family names; none of them may turn up in a log."""
        return [patient["name"][0]["family"] for patient in self._people.values()]

    def names_care_team(self, person: str, **members: str) -> None:
        """A CareTeam `<person>-team`: member of staff -> role."""
        team = a_care_team(
            *((f"Practitioner/{member}", role) for member, role in members.items()),
            logical_id=f"{person}-team",
            subject={"reference": f"Patient/{person}"},
            meta=None,
        )
        self._arrives(person, team)

    def notes_death(self, person: str) -> None:
        self.registers(person, deceasedDateTime=self._now().isoformat())

    # --- stays and crisis contacts

    def discharges(self, person: str, **changes: Any) -> None:
        """A hospital stay of ten days ends now: `Encounter/<person>-stay`. See `stay` for what may be said otherwise."""
        self._arrives(person, stay(person, self._now(), **changes))

    def ends_crisis_contact(self, person: str, **changes: Any) -> None:
        """An emergency visit of four hours ends now: `Encounter/<person>-crisis`."""
        self._arrives(person, crisis(person, self._now(), **changes))

    def admits(self, person: str, visit: str = "readmission", **changes: Any) -> None:
        """A psychiatric stay begins now."""
        begun = {"start": self._now().isoformat()}
        elements = {"status": "in-progress", "period": begun, "disposition": None, **changes}
        self._arrives(person, stay(person, self._now(), visit=visit, **elements))

    def changes(self, reference: str, **elements: Any) -> None:
        """Somebody corrects a resource; None removes an element."""
        resource = {**self._fhir.get(reference), **{name.rstrip("_"): v for name, v in elements.items()}}
        self._fhir.put({name: value for name, value in resource.items() if value is not None})

    def deletes(self, reference: str) -> None:
        self._fhir.delete(reference)

    # --- what else is recorded

    def diagnoses(self, person: str, code: Code, *, visit: str = "stay", **changes: Any) -> None:
        """A Condition `<person>-diagnosis`, recorded for the visit."""
        elements = {
            "subject": {"reference": f"Patient/{person}"},
            "encounter": {"reference": f"Encounter/{person}-{visit}"},
            "code": coded(*code),
            "recordedDate": self._now().isoformat(),
            "meta": None,
        }
        self._arrives(person, a_condition(f"{person}-diagnosis", **{**elements, **changes}))

    def assesses_risk(self, person: str, level: str) -> None:
        """Suicide risk level: `high`, `moderate` or `low`."""
        self.records(
            person,
            "Observation",
            f"risk-{level}",
            status="final",
            code=coded(LOINC, "93374-7"),
            effectiveDateTime=self._now().isoformat(),
            valueCodeableConcept=coded(LOINC, RISK_LEVELS[level]),
        )

    def books(self, person: str, *, status: str = "booked", start: datetime | None = None) -> None:
        """An outpatient appointment, `Appointment/<person>-first`."""
        begins = start or self._now() + timedelta(days=2)
        appointment = an_appointment(
            f"{person}-first",
            status=status,
            created=self._now().isoformat(),
            start=begins.isoformat(),
            end=(begins + timedelta(hours=1)).isoformat(),
            serviceType=[coded(*OUTPATIENT_PSYCHIATRY)],
            participant=[{"actor": {"reference": f"Patient/{person}"}, "status": "accepted"}],
            meta=None,
        )
        self._arrives(person, appointment)

    def records(self, person: str, kind: str, name: str, **elements: Any) -> None:
        """Any other resource about the person: `<kind>/<person>-<name>`."""
        who = (
            {"for": {"reference": f"Patient/{person}"}}
            if kind == "Task"
            else {"subject": {"reference": f"Patient/{person}"}}
        )
        self._arrives(person, {"resourceType": kind, "id": f"{person}-{name}", **who, **elements})

    def writes(self, *resources: Mapping[str, Any]) -> None:
        """In one transaction."""
        self._fhir.put_all(*resources)

    def _arrives(self, person: str, resource: Json) -> None:
        if person not in self._people:
            self.registers(person)
        self._fhir.put(resource)


def stay(
    person: str,
    now: datetime,
    *,
    visit: str = "stay",
    class_: str = "IMP",
    reason: Code | None = DEPRESSION,
    disposition: Code | None = HOME,
    **changes: Any,
) -> Json:
    """A hospital stay that ends now, home, with a mental-health reason, unless said otherwise."""
    return _visit(person, visit, now, timedelta(days=10), class_, reason, disposition, changes)


def crisis(
    person: str,
    now: datetime,
    *,
    visit: str = "crisis",
    class_: str = "EMER",
    reason: Code | None = DEPRESSION,
    disposition: Code | None = HOME,
    **changes: Any,
) -> Json:
    """An emergency visit that ends now, home, with a mental-health reason, unless said otherwise."""
    return _visit(person, visit, now, timedelta(hours=4), class_, reason, disposition, changes)


def _visit(
    person: str,
    visit: str,
    now: datetime,
    length: timedelta,
    class_: str,
    reason: Code | None,
    disposition: Code | None,
    changes: Mapping[str, Any],
) -> Json:
    elements: Json = {
        "class_": {"system": ACT_CODE, "code": class_},
        "subject": {"reference": f"Patient/{person}"},
        "period": {"start": (now - length).isoformat(), "end": now.isoformat()},
        "reasonCode": [coded(*reason)] if reason else None,
        "hospitalization": {"dischargeDisposition": coded(*disposition)} if disposition else None,
        "serviceProvider": {"display": "North Valley Hospital"},
        "meta": None,
    }
    return an_encounter(f"{person}-{visit}", **{**elements, **changes})
