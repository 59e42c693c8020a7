"""The edges of the system as Protocols: what the flow needs from clocks, the FHIR record and the queue.

Carries plain FHIR JSON mappings and domain types; implementations live in service.adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from service.domain.vocabulary import Reference

Resource = Mapping[str, Any]


class RecordFailure(Exception):
    """Base of everything that can go wrong with the FHIR record. The message never holds resource content."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RecordUnavailable(RecordFailure):
    """Use this when trying again later may succeed: no connection, timeout, 429, 5xx, 409 after all retries."""


class RecordRefused(RecordFailure):
    """Use this when the server will never accept this request as it is: 400, 401, 403, 404 on a type, 422."""


class VersionConflict(RecordFailure):
    """Use this when If-Match did not match: somebody wrote in between; read again and decide again."""


class NotInRecord(RecordFailure):
    """Use this when a resource is absent: 404 (never there or hidden) or 410 (`deleted` True)."""

    def __init__(self, message: str, *, status: int | None = None, deleted: bool = False) -> None:
        super().__init__(message, status=status)
        self.deleted = deleted


class InboxUnavailable(Exception):
    """Use this when a notification cannot be stored durably; the sender gets 503 and keeps it."""


class Clock(Protocol):
    """The time of day of the site's world."""

    def now(self) -> datetime:
        """An aware datetime."""
        ...


@dataclass(frozen=True, kw_only=True)
class Write:
    """One resource to be written; order matters, later ones may refer to earlier `full_url`s (and circularly)."""

    resource: Resource
    """Complete R4 resource; references to resources that do not exist yet are their `full_url`."""
    full_url: str
    """`urn:uuid:...`, deterministic (uuid5 of type and identifier); for an update: `Type/id`."""
    create_if_none: str | None = None
    """Query of the conditional create, e.g. `identifier=system|value` (not URL-encoded); None = update."""
    if_match: str | None = None
    """versionId the update is fenced by; None = create."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the server answered to one write."""

    reference: Reference
    version: str
    created: bool


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the server was seen to do (probed, never believed): decides how write-back works."""

    conditional_create: bool = True
    if_match: bool = True
    batch: bool = True
    atomic_transactions: bool = False
    transaction_limit: int | None = None
    """Most conditional entries in one transaction; None = no limit known."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search: resource type and parameters in order; repeated keys allowed. Values are not URL-encoded."""

    kind: str
    params: tuple[tuple[str, str], ...]


class FhirRecord(Protocol):
    """The only store of truth, a FHIR server, in R4 shapes. Every method may raise RecordFailure subclasses."""

    @property
    def capabilities(self) -> Capabilities: ...

    def read(self, reference: Reference) -> Resource:
        """The current version; NotInRecord when 404/410."""
        ...

    def search(self, search: Search) -> Iterator[Resource]:
        """All matches and includes, following pages within the same server."""
        ...

    def search_all(self, searches: Sequence[Search]) -> list[list[Resource]]:
        """Several searches at once (a batch Bundle where the server can, else one by one), all pages."""
        ...

    def create(self, write: Write) -> Written:
        """Conditional create: an existing match is returned as it is (`created` False)."""
        ...

    def update(self, write: Write) -> Written:
        """PUT with If-Match; VersionConflict when the version has moved on."""
        ...

    def transact(self, writes: Sequence[Write]) -> list[Written | RecordFailure]:
        """One transaction; one result per write, in order. Entries of a non-atomic server may fail one by one."""
        ...


# --- the queue --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RawNotification:
    """A notification exactly as it came in, after authentication and bounds, before any understanding."""

    subscription: str
    """Name of the configured subscription it came for."""
    method: str
    path: str
    """`Type/id` after the token, or empty."""
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Only the few headers that carry meaning, lower-case (e.g. x-medplum-deleted-resource, traceparent)."""


class Inbox(Protocol):
    """Durable, ordered store of raw notifications until they are taken in."""

    def append(self, notification: RawNotification) -> str:
        """Stores durably before it returns; InboxUnavailable otherwise."""
        ...

    def take(self, limit: int) -> list[tuple[str, RawNotification]]:
        """Next entries for this consumer, including those a dead consumer left behind."""
        ...

    def done(self, entries: Iterable[str]) -> None: ...

    def size(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to reconcile one person until the lease ends; a stale holder's claim no longer matches."""

    person: Reference
    token: str
    due_at: datetime | None = None
    """When the person was to be looked at, known once work begins; None for a second try."""


class WorkIndex(Protocol):
    """Who must be looked at, and when; who is being looked at now. One person at a time, wake-ups merged."""

    def wake(self, people: Iterable[Reference], at: datetime) -> None:
        """Look at these people at `at` or earlier (the earliest wins)."""
        ...

    def claim(self, now: datetime, limit: int) -> list[Claim]:
        """Take people who are due at `now` and not being worked on, and those whose lease ran out."""
        ...

    def begin(self, claim: Claim) -> Claim | None:
        """Start work: renews the lease and clears the wake-ups so far; None when the claim is stale."""
        ...

    def finish(self, claim: Claim, next_due_at: datetime | None) -> None:
        """Give the person back, due again at `next_due_at`; a wake-up that came meanwhile is kept."""
        ...

    def back_off(self, claim: Claim, delay: timedelta) -> None:
        """Keep the claim closed for `delay` (real time), then let anybody take it again."""
        ...

    def failures(self, person: Reference) -> int:
        """How often in a row reconciling this person has failed."""
        ...

    def size(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Something that could not be worked on and waits for a person; nothing else waits for it."""

    id: str
    kind: str
    """`notification` or `person`"""
    subject: str
    """Subscription name, or the Reference of the person."""
    reason: str
    """One plain sentence without personal data: what is wrong and what to do."""
    at: datetime
    body: bytes = b""


class DeadLetters(Protocol):
    """Parked work, visible, retryable."""

    def park(self, letter: DeadLetter) -> None: ...

    def list(self) -> list[DeadLetter]: ...

    def take(self, letter_id: str) -> DeadLetter | None:
        """Remove and return one, to be tried again."""
        ...


class Doorbell(Protocol):
    """Tells workers that there is something to do; merged, and never the only way work is found."""

    def inbox_has_mail(self) -> None: ...

    def person_is_due(self, claim: Claim) -> None: ...


class Watermarks(Protocol):
    """Small durable marks, e.g. up to where the catch-up sweep has read."""

    def get(self, name: str) -> str | None: ...

    def set(self, name: str, value: str) -> None: ...


ResourceVersion = tuple[Reference, str]
"""`Type/id` and meta.versionId."""


class Echoes(Protocol):
    """Versions that we wrote ourselves, kept for minutes; forgetting one costs a look that finds nothing to do."""

    def note(self, written: Iterable[Written]) -> None:
        """To be called only by who looks at the person again afterwards."""
        ...

    def ours(self, versions: Iterable[ResourceVersion]) -> frozenset[ResourceVersion]: ...


# --- compiling pathway files ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PathFault:
    """Why an expression of a pathway file is refused; `column` counts from 0 inside the expression."""

    message: str
    column: int
    help: str | None = None


class PathFaultError(Exception):
    """Use this when an expression cannot be compiled."""

    def __init__(self, fault: PathFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class PathCompiler(Protocol):
    """Compiles FHIRPath of a pathway file; raises PathFaultError."""

    def predicate(self, text: str, kind: str) -> Callable[[Resource, datetime], bool]: ...

    def references(self, text: str, kind: str) -> Callable[[Resource], list[Reference]]:
        """The path's Reference elements as `Type/id`."""
        ...

    def codings(self, text: str, kind: str) -> Callable[[Resource], list[tuple[str | None, str]]]:
        """(system, code) pairs of the Coding, CodeableConcept or code at the path."""
        ...

    def instant(self, text: str, kind: str) -> Callable[[Resource], datetime | None]: ...
