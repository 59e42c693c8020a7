"""The operations on Subscriptions (ports.SubscriptionServer): how one stands, and which events were missed.

Backport 1.1 and R5 name and answer them alike. Must not decide what an answer means.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from service.adapters.fhir.address import literal
from service.adapters.fhir.answers import resource_of
from service.adapters.fhir.client import FhirClient, Request
from service.domain.vocabulary import Reference
from service.ports import NotInRecord, RecordRefused, Resource


class HttpSubscriptionServer:
    """ports.SubscriptionServer over HTTP."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    def capability_statement(self) -> Resource:
        return self._get("metadata", "GET metadata")

    def status(self, subscription: Reference) -> Resource:
        return self._operation(subscription, "$status", {})

    def events(self, subscription: Reference, first: int, last: int) -> Resource:
        asked = {"eventsSinceNumber": str(first), "eventsUntilNumber": str(last), "content": "id-only"}
        return self._operation(subscription, "$events", asked)

    def _operation(self, subscription: Reference, name: str, asked: Mapping[str, str]) -> Resource:
        """By GET, because nothing is changed; servers that know the operation by POST only are asked that way then."""
        kind, logical_id = literal(subscription)
        path, doing = f"{kind}/{logical_id}/{name}", f"{kind} {name}"
        try:
            return self._get(f"{path}?{urlencode(asked)}" if asked else path, f"GET {doing}")
        except (RecordRefused, NotInRecord) as refused:
            if refused.status not in {400, 404, 405}:
                raise
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": key, "valueCode" if key == "content" else "valueString": value}
                for key, value in asked.items()
            ],
        }
        request = Request(method="POST", url=self._client.base.below(path), doing=f"POST {doing}", body=body)
        return resource_of(self._client.send(request), f"POST {doing}")

    def _get(self, path: str, doing: str) -> Resource:
        request = Request(method="GET", url=self._client.base.below(path), doing=doing)
        return resource_of(self._client.send(request), doing)
