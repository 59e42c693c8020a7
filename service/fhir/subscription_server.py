"""What a server can be asked about subscriptions: a port that stands beside ports.FhirRecord."""

from __future__ import annotations

from typing import Protocol

from service.domain.vocabulary import Reference
from service.ports import Resource


class SubscriptionServer(Protocol):
    """What a server says about its subscriptions beside the Subscription resources. RecordFailure as everywhere."""

    def capability_statement(self) -> Resource: ...

    def status(self, subscription: Reference) -> Resource:
        """`$status`: the notification Bundle that says how the subscription stands; NotInRecord where there is none."""
        ...

    def events(self, subscription: Reference, first: int, last: int) -> Resource:
        """`$events`: the notification Bundle of these events; servers may hold fewer. NotInRecord where there is none."""
        ...
