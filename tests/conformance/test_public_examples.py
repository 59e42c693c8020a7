"""Every public example around notifications, sent to the real web application: what it is answered and taken for.

Those that are no notifications (Subscriptions, topics, messages) are taken as the hint that something changed; they wake
nobody. A message that carries no notification is caught up, because what it tells of is in the record if it is true.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from service.fhir.notifications import parse
from tests.conformance.receiving import Hospital

HERE = Path(__file__).parent / "examples"
NOTIFICATIONS = Path(__file__).parents[1] / "fhir/data/notifications"
FILES = {
    f"{path.parent.name}/{path.stem}": path
    for folder in (HERE, NOTIFICATIONS)
    for path in sorted(folder.glob("*/*.json"))
}
BASES = {
    "r4": "https://fhirserver.org/fhir",
    "r4b": "http://example.org/FHIR/R4B",
    "r5": "http://example.org/FHIR/R5",
}
# What it is taken for, which resources of the record it names, and whether the record has to be read to know what changed.
EXPECTED: dict[str, tuple[str, list[str], bool]] = {
    "r4/Subscription_empty": ("resource-change", [], True),
    "r4/Subscription_full-resource": ("resource-change", [], True),
    "r4/Subscription_id-only": ("resource-change", [], True),
    "r4/capability_statement_example": ("resource-change", ["CapabilityStatement/r4-capabilitystatement-example-server"], False),
    "r4/empty_notification_bundle_example": ("event", [], True),
    "r4/empty_notification_bundle_non_conformant_example": ("event", [], True),
    "r4/full_resource_notification_bundle_example": ("event", ["Encounter/86009987-eabe-42bf-8c02-b112b18cb616"], False),
    "r4/handshake_bundle_example": ("handshake", [], True),
    "r4/heartbeat_bundle_example": ("heartbeat", [], False),
    "r4/id_only_notification_bundle_example": ("event", ["Encounter/86009987-eabe-42bf-8c02-b112b18cb616"], False),
    "r4/subscription_resource_example": ("resource-change", ["Subscription/123"], False),
    "r4/subscription_status_example": ("event", [], True),
    "r4b/message-request-link": ("resource-change", ["MessageHeader/267b18ce-3d37-4581-9baa-6fada338038b"], True),
    "r4b/message-response-link": ("resource-change", ["MessageHeader/caf609cf-c3a7-4be3-a3aa-356b9bb69d4f", "OperationOutcome/03f9aa7d-b395-47b9-84e0-053678b6e4e3"], True),
    "r4b/messageheader-example": ("resource-change", ["MessageHeader/1cbdfb97-5859-48a4-8301-d54eab818d68"], False),
    "r4b/notification-empty": ("event", [], True),
    "r4b/notification-full-resource-with-patient": ("event", ["Encounter/2"], False),
    "r4b/notification-full-resource": ("event", ["Encounter/2"], False),
    "r4b/notification-handshake": ("handshake", [], True),
    "r4b/notification-heartbeat": ("heartbeat", [], False),
    "r4b/notification-id-only-query": ("event", ["Encounter/1", "Encounter/2"], False),
    "r4b/notification-id-only-with-patient": ("event", ["Encounter/2"], False),
    "r4b/notification-id-only": ("event", ["Encounter/2"], False),
    "r4b/notification-message-full-resource": ("event", ["Encounter/2"], False),
    "r4b/notification-query-status": ("heartbeat", [], False),
    "r4b/subscription-example-error": ("resource-change", ["Subscription/example-error"], False),
    "r4b/subscription-example": ("resource-change", ["Subscription/example"], False),
    "r4b/subscriptionstatus-example": ("event", [], True),
    "r4b/subscriptiontopic-example-admission": ("resource-change", ["SubscriptionTopic/admission"], False),
    "r5/message-request-link": ("resource-change", ["MessageHeader/267b18ce-3d37-4581-9baa-6fada338038b"], True),
    "r5/message-response-link": ("resource-change", ["MessageHeader/d9d296d8-5afd-42e1-a0ce-3344e0e003ed", "OperationOutcome/03f9aa7d-b395-47b9-84e0-053678b6e4e3"], True),
    "r5/messageheader-example": ("resource-change", ["MessageHeader/1cbdfb97-5859-48a4-8301-d54eab818d68"], False),
    "r5/notification-empty": ("event", [], True),
    "r5/notification-error": ("event", [], True),
    "r5/notification-full-resource-with-patient": ("event", ["Encounter/2"], False),
    "r5/notification-full-resource": ("event", ["Encounter/2"], False),
    "r5/notification-handshake": ("handshake", [], True),
    "r5/notification-heartbeat": ("heartbeat", [], False),
    "r5/notification-id-only-with-patient": ("event", ["Encounter/2"], False),
    "r5/notification-id-only": ("event", ["Encounter/2"], False),
    "r5/notification-message-full-resource": ("event", ["Encounter/2"], False),
    "r5/notification-query-event": ("event", ["Encounter/307", "Encounter/308"], False),
    "r5/notification-query-status": ("heartbeat", [], False),
    "r5/subscription-admission": ("resource-change", ["Subscription/admission"], False),
    "r5/subscription-example": ("resource-change", ["Subscription/example"], False),
    "r5/subscriptionstatus-example": ("event", [], True),
    "r5/subscriptiontopic-example-admission": ("resource-change", ["SubscriptionTopic/admission"], False),
    "r5/subscriptiontopic-example": ("resource-change", ["SubscriptionTopic/example"], False),
}  # fmt: skip


def test_every_example_is_named_here() -> None:
    assert set(FILES) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_example_is_accepted_and_taken_for_what_it_is(name) -> None:
    town = Hospital(base_url=BASES[name.split("/", maxsplit=1)[0]])
    body = FILES[name].read_bytes()

    answer = town.sends("POST", "", body, **{"Content-Type": "application/fhir+json"})

    assert answer.status_code == 200
    assert answer.json()["resourceType"] in {"Bundle", "OperationOutcome"}
    [raw] = town.inbox.entries.values()
    parsed = parse(raw, base_url=town.base_url)
    assert (parsed.kind, [each.reference for each in parsed.changes], parsed.needs_catch_up) == EXPECTED[name]
    town.works()
    assert (town.inbox.size(), town.letters.list(), town.record.writes) == (0, [], 0)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_example_without_the_secret_or_cut_short_is_refused(name) -> None:
    town = Hospital()
    body = FILES[name].read_bytes()

    assert town.sends("POST", "", body, proof="wrong").status_code == 401
    assert town.sends("POST", "", body[: len(body) // 2]).status_code == 400
    assert town.inbox.size() == 0
