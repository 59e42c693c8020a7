"""What one message tells, whatever it came as: a FHIR message Bundle or HL7 v2. The common form that is upserted.

Resources are R4 and refer to each other by full URL; nothing in them leads to another server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from service.fhir.outcome import Issue
from service.ports import Resource

Key = tuple[str, str]
"""Identifier system and value."""

SHARED_KINDS = frozenset({"Organization", "Practitioner", "PractitionerRole", "Location"})
"""The site's own: made when missing, never changed by a message about one person."""
PERSONAL_KINDS = frozenset({"Patient", "Encounter", "Coverage", "Condition"})
TAKEN_KINDS = SHARED_KINDS | PERSONAL_KINDS


class MessageRefused(Exception):
    """Use this when a message can never be worked on as it is. Says every reason at once, and no content."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(" ".join(issue.says for issue in issues))
        self.issues = tuple(issues)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Somebody who may send messages, and what their own words mean."""

    name: str
    zone: tzinfo
    """In which their times without offset are."""
    may_post: bool = False
    """By `$process-message`."""
    endpoints: frozenset[str] = frozenset()
    """What MessageHeader.source.endpoint may say; empty: anything."""
    application: str = ""
    """MSH-3.1; empty: this sender has no HL7 v2 feed."""
    facility: str = ""
    """MSH-4.1"""
    certificates: frozenset[str] = frozenset()
    """Names in client certificates that speak for its HL7 v2, as `DNS:…`, `URI:…`, `email:…`, `IP:…` or `CN:…`; empty: any."""
    processing: frozenset[str] = frozenset({"P"})
    """MSH-11.1 that is taken: production, unless a test feed is meant."""
    match_on: tuple[str, ...] = ()
    """Identifier systems by which their patients are found; empty: every one but those in identity.PERSONAL_NUMBERS."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """Assigning authority (HL7 v2 namespace or OID) -> identifier system."""
    code_systems: Mapping[str, str] = field(default_factory=dict)
    """Name of coding system (HL7 v2) -> code system."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One resource that a message tells of."""

    full_url: str
    """`urn:uuid:...`, deterministic for the same sender and thing."""
    resource: Resource
    keys: tuple[Key, ...]
    """Identifiers by which it is found in the record, most trusted first; the first is unique to it. Never empty."""
    if_new: Mapping[str, Any] = field(default_factory=dict)
    """Elements that R4 needs and the message does not tell: used only where the record does not have it yet."""
    removes: frozenset[str] = frozenset()
    """`element` or `element.element` that the message takes back."""

    @property
    def kind(self) -> str:
        return str(self.resource["resourceType"])


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message about one person."""

    sender: str
    identity: str
    """The same for the same message, however often it is sent."""
    event: str
    sent_at: datetime
    """What order is judged by; never later than when it was understood."""
    patient: Entry
    entries: tuple[Entry, ...] = ()
    """Everything else."""
    replaced: tuple[Key, ...] = ()
    """Identifiers of a Patient that was merged into this one."""
    notes: tuple[str, ...] = ()
    """What of it was left out, and why; no content."""
