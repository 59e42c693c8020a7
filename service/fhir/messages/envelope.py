"""The envelope of a FHIR message: Bundle and MessageHeader, and whether they may be taken (R4 Messaging; Da Vinci Alerts).

Sees who says it, what it is about and by which ids it is known; not the content.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.fhir.messages.content import Sender
from service.fhir.outcome import Issue, IssueCode
from service.fhir.references import mapping, mappings
from service.ports import Resource

EVENT_SYSTEM = "http://hl7.org/fhir/us/davinci-alerts/CodeSystem/notification-event"
MOST_ENTRIES = 200
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A Bundle opened, whatever it holds; nothing is checked yet."""

    bundle: Resource
    entries: tuple[Mapping[str, Any], ...]
    header: Mapping[str, Any]
    """The first entry's resource when it is a MessageHeader, else empty."""

    @property
    def bundle_id(self) -> str:
        """Bundle.identifier as `system|value`, else Bundle.id; empty when it has neither."""
        identifier = mapping(self.bundle.get("identifier"))
        value = identifier.get("value")
        if isinstance(value, str) and value.strip():
            return f"{identifier.get('system') or ''}|{value}"
        return _id_of(self.bundle)

    @property
    def header_id(self) -> str:
        return _id_of(self.header)

    @property
    def event(self) -> str:
        return str(mapping(self.header.get("eventCoding")).get("code") or "")

    @property
    def contents(self) -> list[tuple[int, str, Resource]]:
        """(index, fullUrl, resource) of every entry behind the header."""
        found = []
        for index, entry in enumerate(self.entries[1:], start=1):
            resource = mapping(entry.get("resource"))
            url = entry.get("fullUrl")
            name = f"{resource.get('resourceType')}/{resource.get('id')}"
            found.append((index, url if isinstance(url, str) and url else name, resource))
        return found


def read_envelope(bundle: Resource) -> Envelope:
    entries = tuple(mappings(bundle.get("entry")))
    first = mapping(entries[0].get("resource")) if entries else {}
    is_header = first.get("resourceType") == "MessageHeader"
    return Envelope(bundle=bundle, entries=entries, header=first if is_header else {})


def envelope_issues(envelope: Envelope, sender: Sender, events: Collection[str]) -> Iterator[Issue]:
    """What keeps it from being a notification that this sender may send. `events`: codes that are taken."""
    bundle = envelope.bundle
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "message":
        yield _issue(IssueCode.STRUCTURE, NOT_A_MESSAGE, "Bundle.type")
        return
    if not envelope.header:
        yield _issue(IssueCode.STRUCTURE, NO_HEADER, "Bundle.entry[0].resource")
        return
    yield from _bundle_issues(envelope)
    yield from _header_issues(envelope, sender, events)


def _bundle_issues(envelope: Envelope) -> Iterator[Issue]:
    bundle = envelope.bundle
    if not envelope.bundle_id:
        yield _issue(IssueCode.REQUIRED, NO_BUNDLE_ID, "Bundle.id")
    if not _INSTANT.fullmatch(str(bundle.get("timestamp") or "")):
        yield _issue(IssueCode.REQUIRED, NO_TIMESTAMP, "Bundle.timestamp")
    if len(envelope.entries) < 2:
        yield _issue(IssueCode.REQUIRED, NO_CONTENT, "Bundle.entry")
    if len(envelope.entries) > MOST_ENTRIES:
        yield _issue(IssueCode.TOO_COSTLY, TOO_MANY.format(MOST_ENTRIES), "Bundle.entry")
        return
    kinds = [mapping(entry.get("resource")).get("resourceType") for entry in envelope.entries]
    if kinds.count("MessageHeader") > 1:
        yield _issue(IssueCode.STRUCTURE, ONE_HEADER, "Bundle.entry")
    yield from _entry_issues(envelope)


def _entry_issues(envelope: Envelope) -> Iterator[Issue]:
    for index, entry in enumerate(envelope.entries):
        if not isinstance(mapping(entry.get("resource")).get("resourceType"), str):
            yield _issue(IssueCode.STRUCTURE, NO_RESOURCE, f"Bundle.entry[{index}].resource")
        for name in ("search", "request", "response"):
            if name in entry:
                yield _issue(IssueCode.STRUCTURE, NO_REQUESTS, f"Bundle.entry[{index}].{name}")
    urls = [entry["fullUrl"] for entry in envelope.entries if isinstance(entry.get("fullUrl"), str)]
    if len(set(urls)) != len(urls):
        yield _issue(IssueCode.STRUCTURE, SAME_URL, "Bundle.entry.fullUrl")


def _header_issues(envelope: Envelope, sender: Sender, events: Collection[str]) -> Iterator[Issue]:
    header, where = envelope.header, "Bundle.entry[0].resource"
    if not envelope.header_id:
        yield _issue(IssueCode.REQUIRED, NO_HEADER_ID, f"{where}.id")
    if "response" in header:
        yield _issue(IssueCode.BUSINESS_RULE, A_RESPONSE, f"{where}.response")
    coding = mapping(header.get("eventCoding"))
    if coding.get("system") != EVENT_SYSTEM or coding.get("code") not in events:
        yield _issue(
            IssueCode.NOT_SUPPORTED, OTHER_EVENT.format(", ".join(sorted(events))), f"{where}.eventCoding"
        )
    elif not list(mappings(header.get("focus"))):
        yield _issue(IssueCode.REQUIRED, NO_FOCUS, f"{where}.focus")
    endpoint = mapping(header.get("source")).get("endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        yield _issue(IssueCode.REQUIRED, NO_ENDPOINT, f"{where}.source.endpoint")
    elif sender.endpoints and endpoint not in sender.endpoints:
        yield _issue(IssueCode.FORBIDDEN, OTHER_ENDPOINT, f"{where}.source.endpoint")


def _id_of(resource: Mapping[str, Any]) -> str:
    value = resource.get("id")
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _issue(code: IssueCode, says: str, where: str) -> Issue:
    return Issue(code=code, says=says, expression=(where,))


# --- wording ----------------------------------------------------------------------------------------------------

NOT_A_MESSAGE = (
    "A message is a Bundle of type message whose first entry is a MessageHeader; this is something else."
)
NO_HEADER = "The first entry of a message is its MessageHeader."
ONE_HEADER = "A message has exactly one MessageHeader."
NO_BUNDLE_ID = (
    "The message needs an id of its own: send Bundle.id (or Bundle.identifier), another one for each message."
)
NO_HEADER_ID = (
    "The MessageHeader needs an id: by it a message that is sent again is known not to be a second one."
)
NO_TIMESTAMP = "Bundle.timestamp is missing or not an instant with a time zone: it says which of two messages is the newer."
NO_CONTENT = "A message has a MessageHeader and what it is about; there is no further entry."
TOO_MANY = "A notification about one person needs no more than {} entries; this one was not stored."
NO_RESOURCE = "An entry of a message holds a resource; this one does not."
NO_REQUESTS = "Entries of a message hold resources only: leave out search, request and response."
SAME_URL = "Two entries have the same fullUrl, so that it is not clear which one a reference means."
A_RESPONSE = "This is a response to a message. Notifications are not answered by messages; nothing was asked."
OTHER_EVENT = "This event is not taken here. What is taken: {} of the Da Vinci notification-event codes."
NO_FOCUS = "MessageHeader.focus is missing: it names the Encounter that the notification is about."
NO_ENDPOINT = "MessageHeader.source.endpoint is missing: it says which system sends this."
OTHER_ENDPOINT = "This sender may not speak for that source: MessageHeader.source.endpoint is not one of those agreed with it."
