"""PV1, PV2 and DG1 as Encounter, with the places, people and diagnoses it refers to (v2-to-FHIR: PV1[Encounter] and others)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.fhir.hl7v2 import labels
from service.fhir.hl7v2.adt_events import CANCELS_DISCHARGE, status_of
from service.fhir.hl7v2.datatypes import (
    Json,
    coding,
    compact,
    concept,
    date_time,
    each_of,
    identifier,
    place_name,
    said_name,
    staff_name,
)
from service.fhir.hl7v2.diagnoses import diagnosis_entries
from service.fhir.hl7v2.parsed import Parsed, Repetition, Segment
from service.fhir.hl7v2.tables import (
    admission_type,
    hospital_service,
    patient_class,
    patient_class_status,
)
from service.fhir.messages.content import Entry, Key, Sender
from service.fhir.messages.identity import full_url_of, keys_of, named_by, with_identifier
from service.fhir.times import fhir_time

NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PEOPLE = ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM"), (52, "PART"))
"""PV1 field -> v3-ParticipationType"""
_PLACES = ((3, "active"), (6, "completed"), (11, "active"), (42, "reserved"))
"""PV1 field -> Encounter.location.status"""
_END = frozenset({"period.end", "hospitalization.dischargeDisposition", "hospitalization.destination"})


@dataclass
class Visit:
    """One message's stay under construction: the Encounter and what stands beside it."""

    message: Parsed
    pv1: Segment
    event: str
    sender: Sender
    patient: Entry
    happened_at: datetime | None
    """When the event happened or was recorded (EVN-6, EVN-2), where that is known."""
    beside: dict[str, Entry] = field(default_factory=dict)
    """By full URL."""

    def entries(self) -> Iterator[Entry]:
        """The Encounter last: it refers to all others."""
        stay = self._stay()
        yield from self.beside.values()
        yield stay

    def _stay(self) -> Entry:
        status = self._status()
        resource = compact(
            {
                "resourceType": "Encounter",
                "identifier": self._identifiers(),
                "status": status,
                "class": coding(self.pv1.first(2), self.sender, default="0004", translated=patient_class()),
                "type": each_of([concept(self.pv1.first(4), self.sender, default="0007", translated=admission_type())]),
                "serviceType": concept(
                    self.pv1.first(10), self.sender, default="0069", translated=hospital_service()
                ),
                "subject": {"reference": self.patient.full_url},
                "participant": list(self._participants()),
                "period": self._period(status),
                "reasonCode": each_of(concept(each, self.sender) for each in self._reasons()),
                "hospitalization": self._hospitalization(),
                "location": list(self._locations()),
                "serviceProvider": self._provider(),
            }
        )  # fmt: skip
        key = self._key()
        if key not in keys_of(resource):
            resource = with_identifier(resource, key)
        url = full_url_of(self.sender, f"Encounter {key[0]} {key[1]}")
        for entry, use in diagnosis_entries(self.message, self.sender, self.patient, url, key[1]):
            self.beside[entry.full_url] = entry
            resource.setdefault("diagnosis", []).append(
                compact({"condition": {"reference": entry.full_url}, "use": use})
            )
        return Entry(
            full_url=url,
            resource=labels.with_labels(
                resource, [*labels.of_message(self.message), *labels.of_visit(self.message)]
            ),
            keys=(key,),
            if_new={"status": self._status_if_new(), "class": {"system": NULL_FLAVOR, "code": "UNK"}},
            removes=_END if self.event in CANCELS_DISCHARGE else frozenset(),
        )

    # --- which stay

    def _identifiers(self) -> list[Json]:
        numbers = [identifier(each, self.sender, kind="VN") for each in self.pv1.repetitions(19)]
        return each_of([*numbers, *(identifier(each, self.sender) for each in self.pv1.repetitions(50))])

    def _key(self) -> Key:
        """The visit number, else what no other stay of this person has: when it began."""
        numbers = keys_of({"identifier": self._identifiers()})
        if numbers:
            return numbers[0]
        system, value = self.patient.keys[0]
        return named_by(self.sender, "Encounter", f"{value} {self._began() or ''} {system}"[:200].strip())

    def has_key(self) -> bool:
        return bool(keys_of({"identifier": self._identifiers()})) or self._began() is not None

    # --- how it stands

    def _began(self) -> str | None:
        return date_time(self.pv1.text(44), self.sender.zone)

    def _ended(self) -> str | None:
        return date_time(self.pv1.text(45), self.sender.zone)

    def _status(self) -> str | None:
        """By the event; where that says nothing a stay with an end is finished, and otherwise what is known stays."""
        told = status_of(self.event)
        if told == "planned" and self.pv1.text(2).upper() == "E" and self._began():
            return "in-progress"  # an arrival in the emergency department often comes as A04
        if told == "planned" and self._ended():
            return "finished"
        return told or ("finished" if self._ended() else None)

    def _status_if_new(self) -> str:
        known = patient_class_status().get(self.pv1.text(2).upper())
        return known.code if known else "unknown"

    def _period(self, status: str | None) -> Json:
        """The end of PV1-45; a discharge without one ended when it happened."""
        end = self._ended()
        if end is None and self.event == "A03" and self.happened_at is not None:
            end = fhir_time(self.happened_at, self.sender.zone)
        return compact({"start": self._began(), "end": end if status == "finished" else None})

    def _reasons(self) -> list[Repetition]:
        pv2 = self.message.first("PV2")
        return pv2.repetitions(3) if pv2 else []

    def _hospitalization(self) -> Json:
        pv1, sender = self.pv1, self.sender
        return compact(
            {
                "preAdmissionIdentifier": identifier(pv1.first(5), sender),
                "admitSource": concept(pv1.first(14), sender, default="0023"),
                "reAdmission": concept(pv1.first(13), sender, default="0092"),
                "specialCourtesy": each_of(concept(each, sender, default="0099") for each in pv1.repetitions(16)),
                "specialArrangement": each_of(concept(each, sender, default="0009") for each in pv1.repetitions(15)),
                "dischargeDisposition": concept(pv1.first(36), sender, default="0112"),
                "destination": _said(pv1.text(37, 9) or pv1.first(37).text(1, 2) or pv1.text(37)),
            }
        )  # fmt: skip

    # --- who and where

    def _participants(self) -> Iterator[Json]:
        for number, part in _PEOPLE:
            for each in self.pv1.repetitions(number):
                name = staff_name(each)
                display = said_name(name)
                pointer = self._practitioner(each, name) or _said(display)
                if pointer:
                    kind = {"coding": [{"system": PARTICIPATION, "code": part}]}
                    yield {"type": [kind], "individual": compact({**pointer, "display": display})}

    def _practitioner(self, value: Repetition, name: Json | None) -> Json | None:
        number = identifier(value, self.sender, authority=9)
        if number is None:
            return None
        resource = compact(
            {"resourceType": "Practitioner", "identifier": [number], "name": [name] if name else []}
        )
        return self._beside(resource)

    def _locations(self) -> Iterator[Json]:
        is_planned = self.pv1.text(2).upper() == "P"
        seen = set()
        for number, status in _PLACES:
            value = self.pv1.first(number)
            name = place_name(value)
            if not name or value.raw_text in seen:
                continue
            seen.add(value.raw_text)
            key = named_by(
                self.sender, "Location", "^".join(value.text(n) for n in range(1, 9)).strip("^")[:180]
            )
            place = {"resourceType": "Location", "status": "active", "mode": "instance", "name": name}
            pointer = self._beside(with_identifier(place, key))
            stands = "planned" if number == 3 and is_planned else status
            if pointer:
                yield {"location": {**pointer, "display": name}, "status": stands}

    def _provider(self) -> Json | None:
        """The facility: PV1-39, else the sending one (MSH-4)."""
        name = self.pv1.text(39) or self.message.header.text(4)
        if not name:
            return None
        organization = {"resourceType": "Organization", "active": True, "name": name}
        pointer = self._beside(
            with_identifier(organization, named_by(self.sender, "Organization", name[:180]))
        )
        return {**pointer, "display": name} if pointer else None

    def _beside(self, resource: Mapping[str, Any]) -> Json | None:
        keys = keys_of(resource)
        if not keys:
            return None
        url = full_url_of(self.sender, f"{resource['resourceType']} {keys[0][0]} {keys[0][1]}")
        self.beside.setdefault(url, Entry(full_url=url, resource=resource, keys=keys))
        return {"reference": url}


def _said(display: str) -> Json | None:
    return {"display": display} if display else None
