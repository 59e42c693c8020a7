"""What a site wants to be told by its record server, in words that hold for every flavour of Subscription."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

NO_PAYLOAD = "none"


class Flavour(StrEnum):
    """Which kind of Subscription the server understands."""

    R4_REST_HOOK = "r4-rest-hook"
    """FHIR R4: criteria are a search."""
    R4_BACKPORT = "r4-backport"
    """Subscriptions R5 Backport 1.1 on R4: criteria are a topic's canonical URL."""
    R4B_BACKPORT = "r4b-backport"
    """The same guide on R4B, whose topics are resources of their own."""
    R5_TOPIC = "r5-topic"
    """FHIR R5, where Subscriptions are about topics by nature."""

    @property
    def by_topic(self) -> bool:
        """Whether a topic says what is told; it shakes hands, counts events and may say that it is alive."""
        return self is not Flavour.R4_REST_HOOK


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An extension that one kind of server understands, e.g. how often it tries again."""

    url: str
    kind: str
    """FHIR's name of the value's type: boolean, integer, positiveInt, unsignedInt, string, code or uri"""
    value: bool | int | str
    on: str = "channel"
    """channel or subscription"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one subscription is to watch, as a site says it in its subscriptions folder."""

    name: str
    flavour: Flavour = Flavour.R4_REST_HOOK
    criteria: str = ""
    """`Encounter?...` (R4 rest-hook)"""
    topic: str = ""
    """Canonical URL (all others)"""
    filters: tuple[str, ...] = ()
    """`Encounter?patient=Patient/123`; all must hold"""
    watched: tuple[str, ...] = ()
    """Resource types that a topic is about; of criteria it is the type in front."""
    payload: str = "application/fhir+json"
    content: str = "id-only"
    """empty, id-only or full-resource (by topic)"""
    auth: str = "header"
    """header, signature or address"""
    header: str = "Authorization"
    status: str = "requested"
    """What it is created as: `requested` by the standard, `active` for servers that never activate one."""
    deletions: bool = False
    """Ask for deletions too, where the server knows that extension."""
    heartbeat_seconds: int | None = None
    timeout_seconds: int | None = None
    most_events: int | None = None
    """Most events in one notification (maxCount)"""
    end_days: int | None = None
    """How long it is asked for at a time; it is renewed before."""
    channel_coding: bool = False
    """Say the channel type as a Coding as well; one server reads nothing else."""
    canary: bool = False
    """It tells about the one marked resource whose notification must come back."""
    extras: tuple[Extra, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types it tells about; what a catch-up of it reads."""
        return self.watched or ((self.criteria.partition("?")[0],) if self.criteria else ())

    @property
    def tells_all(self) -> bool:
        """Whether every change of its types is to be told: then a change that nobody told of means silence."""
        return self.flavour is Flavour.R4_REST_HOOK and self.criteria.endswith("?")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One wanted subscription together with where and how it is to be notified, and until when."""

    wanted: Wanted
    endpoint: str = field(repr=False)
    secret: str = field(repr=False)
    end: str | None = None
    """Subscription.end, an instant."""
