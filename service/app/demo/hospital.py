"""The hospital of the demonstration: the sandbox server's own admission and discharge workflow, asked for over HTTP.

Throughline has no part in these writes; it only hears of them, as it would of any hospital's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from service.app.demo import cast
from service.app.demo.cast import Person
from service.app.demo.failing import StoryFailed
from service.ports import FhirRecord, Resource, Search, Write

MRN_SYSTEM = "urn:oid:1.2.3.4.5.1"
"""Where the sandbox keeps medical record numbers unless told otherwise."""


class HospitalDeclined(StoryFailed):
    """Use this when the sandbox's workflow did not do what it was asked for."""


@dataclass(frozen=True, kw_only=True)
class Hospital:
    """Registers, admits and discharges people."""

    root_url: str
    """Address of the sandbox without `/fhir`."""
    record: FhirRecord

    def register(self, person: Person) -> str:
        """The person's Patient reference; found again when they are known already."""
        query = Search(kind="Patient", params=(("identifier", f"{MRN_SYSTEM}|{person.mrn}"),))
        if not list(self.record.search(query)):
            self._run(
                "adt.register_patient",
                {
                    "mrn": person.mrn,
                    "given": person.given,
                    "family": person.family,
                    "birth_date": "1990-01-01",
                },
            )
        found = list(self.record.search(query))
        if not found:
            message = f"the sandbox did not register {person.mrn}"
            raise HospitalDeclined(message)
        return _reference(found[0])

    def admit(self, patient: str) -> str:
        """The reference of the new inpatient Encounter."""
        before = self._encounters(patient)
        self._run("adt.admit", {"patient": patient, "reason": "Low mood, safety concern", "bed": "bed-401-1"})
        new = sorted(set(self._encounters(patient)) - set(before))
        if not new:
            message = "the sandbox did not admit the person"
            raise HospitalDeclined(message)
        return new[0]

    def discharge(self, encounter: str) -> None:
        """Home, now."""
        self._run("adt.discharge", {"encounter": encounter, "disposition": "home"})

    def emergency_visit_ends(self, patient: str, person: Person, at: datetime) -> str:
        """At home, after four hours. The sandbox has no workflow for it: its record is written to, as any client may."""
        visit = cast.emergency_visit(patient, person, (at - timedelta(hours=4)).isoformat(), at.isoformat())
        write = Write(
            resource=visit,
            full_url=f"urn:uuid:{person.key}-emergency",
            create_if_none=cast.seeded(f"{person.key}-emergency"),
        )
        return self.record.create(write).reference

    def _encounters(self, patient: str) -> list[str]:
        found = self.record.search(Search(kind="Encounter", params=(("patient", patient), ("_count", "50"))))
        return [_reference(encounter) for encounter in found]

    def _run(self, workflow: str, arguments: Mapping[str, str]) -> None:
        address = f"{self.root_url}/ui/workflows/{workflow}"
        try:
            answer = httpx.post(address, data=dict(arguments), timeout=30.0, trust_env=False)
        except httpx.HTTPError as failure:
            message = f"the sandbox did not answer to its workflow {workflow} ({type(failure).__name__})"
            raise HospitalDeclined(message) from None
        if answer.status_code != httpx.codes.OK:
            message = f"the sandbox answered {answer.status_code} to its workflow {workflow}"
            raise HospitalDeclined(message)


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
