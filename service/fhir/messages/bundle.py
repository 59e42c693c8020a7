"""A `$process-message` Bundle (Da Vinci Unsolicited Notifications: admit, discharge, transfer) as a Message.

Everything that keeps it from being worked on is told at once, with the element. Nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.fhir.messages.content import (
    TAKEN_KINDS,
    Entry,
    Message,
    MessageRefused,
    Sender,
)
from service.fhir.messages.envelope import Envelope, envelope_issues, read_envelope
from service.fhir.messages.identity import full_url_of, keys_of, named_by, patient_keys, with_identifier
from service.fhir.messages.local import Names, localized
from service.fhir.messages.structure import content_issues
from service.fhir.outcome import Issue, IssueCode
from service.fhir.references import mapping, mappings
from service.fhir.times import parse_time
from service.ports import Resource

ADMIT, DISCHARGE, TRANSFER = "notification-admit", "notification-discharge", "notification-transfer"
EVENTS = frozenset({ADMIT, DISCHARGE, TRANSFER})
CLOCKS_DIFFER = timedelta(minutes=5)
"""A sender's clock may be this far ahead; a time beyond it says nothing about order."""


def read_bundle(bundle: Resource, *, sender: Sender, now: datetime) -> Message:
    """The Message; MessageRefused with every issue. `now` bounds what order is judged by."""
    envelope = read_envelope(bundle)
    issues = list(envelope_issues(envelope, sender, EVENTS))
    if issues:
        raise MessageRefused(issues)
    found = _Content(envelope, sender)
    issues = [*found.issues(), *content_issues(envelope)]
    if issues:
        raise MessageRefused(issues)
    return Message(
        sender=sender.name,
        identity=f"{sender.name} {envelope.bundle_id} {envelope.header_id}",
        event=envelope.event,
        sent_at=_sent_at(envelope, sender, now),
        patient=found.patient_entry(),
        entries=tuple(found.other_entries()),
        notes=tuple(found.notes()),
    )


def _sent_at(envelope: Envelope, sender: Sender, now: datetime) -> datetime:
    told = parse_time(envelope.bundle.get("timestamp"), sender.zone)
    return told if told is not None and told <= now + CLOCKS_DIFFER else now


@dataclass(frozen=True)
class _Place:
    """One entry and where it stands."""

    index: int
    full_url: str
    resource: Resource

    @property
    def kind(self) -> str:
        return str(self.resource.get("resourceType"))

    @property
    def path(self) -> str:
        return f"Bundle.entry[{self.index}].resource"


class _Content:
    """The entries behind the header, and what refers to what."""

    def __init__(self, envelope: Envelope, sender: Sender) -> None:
        self._envelope = envelope
        self._sender = sender
        self._places = [_Place(index, url, resource) for index, url, resource in envelope.contents]
        self._names = Names((place.full_url, place.resource) for place in self._places)

    def issues(self) -> Iterator[Issue]:
        yield from self._focus_issues()
        yield from self._patient_issues()

    def patient_entry(self) -> Entry:
        [place] = self._of_kind("Patient")
        return self._entry(place)

    def other_entries(self) -> Iterator[Entry]:
        for place in self._places:
            if place.kind in TAKEN_KINDS and place.kind != "Patient":
                yield self._entry(place)

    def notes(self) -> Iterator[str]:
        kinds = sorted({place.kind for place in self._places} - TAKEN_KINDS)
        yield from (f"resources of type {kind} are not taken from messages" for kind in kinds)

    # --- checks

    def _focus_issues(self) -> Iterator[Issue]:
        for number, focus in enumerate(mappings(self._envelope.header.get("focus"))):
            place = self._target(focus)
            where = f"Bundle.entry[0].resource.focus[{number}]"
            if place is None or place.kind != "Encounter":
                yield _refused(IssueCode.NOT_FOUND, FOCUS, where)
                continue
            if self._envelope.event == DISCHARGE and place.resource.get("status") != "finished":
                yield _refused(IssueCode.BUSINESS_RULE, NOT_FINISHED, f"{place.path}.status")

    def _patient_issues(self) -> Iterator[Issue]:
        patients = self._of_kind("Patient")
        if len(patients) != 1:
            yield _refused(IssueCode.BUSINESS_RULE, ONE_PATIENT, "Bundle.entry")
            return
        if not patient_keys(patients[0].resource, self._sender):
            yield _refused(IssueCode.REQUIRED, NO_IDENTIFIER, f"{patients[0].path}.identifier")
        for place in self._places:
            element = _ABOUT.get(place.kind)
            if element and self._target(place.resource.get(element)) != patients[0]:
                yield _refused(IssueCode.BUSINESS_RULE, SOMEBODY_ELSE, f"{place.path}.{element}")

    # --- entries

    def _of_kind(self, kind: str) -> list[_Place]:
        return [place for place in self._places if place.kind == kind]

    def _target(self, element: object) -> _Place | None:
        name = self._names.target(mapping(element).get("reference"))
        return next((place for place in self._places if place.full_url == name), None)

    def _entry(self, place: _Place) -> Entry:
        resource = localized(place.resource, self._known())
        keys = patient_keys(resource, self._sender) if place.kind == "Patient" else keys_of(resource)
        if not keys:
            key = named_by(self._sender, place.kind, str(place.resource.get("id") or place.full_url))
            resource, keys = with_identifier(resource, key), (key,)
        return Entry(full_url=self._url(place), resource=resource, keys=keys)

    def _known(self) -> Mapping[str, str]:
        """What a reference in the message may say -> the full URL of an entry that is taken."""
        urls = {place.full_url: self._url(place) for place in self._places if place.kind in TAKEN_KINDS}
        return self._names.spelled(urls)

    def _url(self, place: _Place) -> str:
        return full_url_of(self._sender, f"{self._envelope.bundle_id} {place.full_url}")


_ABOUT: Mapping[str, str] = {"Encounter": "subject", "Condition": "subject", "Coverage": "beneficiary"}


def _refused(code: IssueCode, says: str, where: str) -> Issue:
    return Issue(code=code, says=says, expression=(where,))


# --- wording ----------------------------------------------------------------------------------------------------

FOCUS = "The focus of an admit, discharge or transfer is an Encounter in the same Bundle: put it there and refer to its fullUrl."
NOT_FINISHED = "This is a discharge notification, but its Encounter is not finished. Send status finished, or the event that it is about."
ONE_PATIENT = (
    "A notification is about exactly one Patient, who is in the Bundle. Send one message for each person."
)
NO_IDENTIFIER = (
    "The Patient has no identifier by which the person can be found: send the medical record number with its system."
    " Social security and similar numbers are not used for that."
)
SOMEBODY_ELSE = (
    "This is about somebody else than the Patient of the notification, or about nobody in the Bundle."
)
