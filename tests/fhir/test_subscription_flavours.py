"""One wish in every flavour of Subscription: valid in its FHIR version, and compared with what a server keeps."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fhir.resources.R4B.subscription import Subscription as SubscriptionR4B
from fhir.resources.subscription import Subscription as SubscriptionR5

from service.fhir.subscription_kept import differences, ends_soon, kept_of
from service.fhir.subscription_r5 import filter_by
from service.fhir.subscription_resource import BACKPORT, subscription
from service.fhir.subscription_wanted import Asked, Extra, Flavour, Wanted

TOPIC = "http://example.org/FHIR/SubscriptionTopic/encounter-complete"
WANTED = Wanted(
    name="discharges",
    flavour=Flavour.R5_TOPIC,
    topic=TOPIC,
    watched=("Encounter",),
    filters=("Encounter?patient=Patient/123", "Encounter?date=ge2026-01-01"),
    heartbeat_seconds=300,
    timeout_seconds=60,
    most_events=20,
    end_days=30,
)
BY_TOPIC = [flavour for flavour in Flavour if flavour.by_topic]


def asked(wanted: Wanted = WANTED) -> Asked:
    return Asked(
        wanted=wanted, endpoint="https://x.example/notifications/t", secret="s", end="2026-04-05T23:30:00Z"
    )


def in_flavour(flavour: Flavour) -> Wanted:
    criteria = "" if flavour.by_topic else "Encounter?class=IMP"
    return replace(WANTED, flavour=flavour, criteria=criteria)


def test_an_r5_subscription_says_everything_in_elements() -> None:
    assert subscription(asked()) == {
        "resourceType": "Subscription",
        "name": "discharges",
        "status": "requested",
        "topic": TOPIC,
        "end": "2026-04-05T23:30:00Z",
        "reason": "Throughline watches Encounter to keep follow-up from being lost (discharges)",
        "filterBy": [
            {"resourceType": "Encounter", "filterParameter": "patient", "value": "Patient/123"},
            {
                "resourceType": "Encounter",
                "filterParameter": "date",
                "comparator": "ge",
                "value": "2026-01-01",
            },
        ],
        "channelType": {
            "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
            "code": "rest-hook",
        },
        "endpoint": "https://x.example/notifications/t",
        "heartbeatPeriod": 300,
        "timeout": 60,
        "contentType": "application/fhir+json",
        "content": "id-only",
        "maxCount": 20,
        "parameter": [{"name": "Authorization", "value": "Bearer s"}],
    }


@pytest.mark.parametrize("flavour", Flavour)
def test_every_flavour_is_valid_in_its_version(flavour) -> None:
    model = SubscriptionR5 if flavour is Flavour.R5_TOPIC else SubscriptionR4B
    model.model_validate(deepcopy(subscription(asked(in_flavour(flavour)))))
    model.model_validate(deepcopy(subscription(asked(replace(in_flavour(flavour), auth="signature")))))
    model.model_validate(deepcopy(subscription(asked(Wanted(name="least", flavour=flavour, topic=TOPIC, criteria="Task?", watched=("Task",))))))  # fmt: skip


@pytest.mark.parametrize("flavour", [Flavour.R4_BACKPORT, Flavour.R4B_BACKPORT])
def test_both_backports_say_the_same_with_the_extensions_of_the_guide(flavour) -> None:
    rendered = subscription(asked(in_flavour(flavour)))

    assert (rendered["criteria"], rendered["end"]) == (TOPIC, "2026-04-05T23:30:00Z")
    assert [each["valueString"] for each in rendered["_criteria"]["extension"]] == list(WANTED.filters)
    assert rendered["channel"]["extension"] == [
        {"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 300},
        {"url": f"{BACKPORT}/backport-timeout", "valueUnsignedInt": 60},
        {"url": f"{BACKPORT}/backport-max-count", "valuePositiveInt": 20},
    ]
    assert "http://hl7.org/fhir/5.0" not in str(
        rendered
    )  # no cross-version extensions for what the guide defines


def test_what_one_kind_of_server_wants_stands_where_it_looks_for_it() -> None:
    extras = (
        Extra(url="https://a.example/retries", kind="integer", value=10),
        Extra(url="https://a.example/tries", kind="positiveInt", value=18, on="subscription"),
    )
    rendered = subscription(
        asked(replace(in_flavour(Flavour.R4_BACKPORT), extras=extras, channel_coding=True))
    )

    assert rendered["channel"]["extension"][-1] == {"url": "https://a.example/retries", "valueInteger": 10}
    assert rendered["extension"] == [{"url": "https://a.example/tries", "valuePositiveInt": 18}]
    [coding] = rendered["channel"]["_type"]["extension"]
    assert (coding["url"], coding["valueCoding"]["code"]) == (
        f"{BACKPORT}/backport-channel-type",
        "rest-hook",
    )


@pytest.mark.parametrize(
    ("text", "filtered"),
    [
        ("Encounter?status:not=finished", [{"resourceType": "Encounter", "filterParameter": "status", "modifier": "not", "value": "finished"}]),
        ("patient=Patient/1", [{"filterParameter": "patient", "value": "Patient/1"}]),
        ("Task?owner=Practitioner/1&status=ready", [
            {"resourceType": "Task", "filterParameter": "owner", "value": "Practitioner/1"},
            {"resourceType": "Task", "filterParameter": "status", "value": "ready"},
        ]),
        ("Encounter?class=geriatric", [{"resourceType": "Encounter", "filterParameter": "class", "value": "geriatric"}]),
    ],
)  # fmt: skip
def test_a_search_becomes_filters_one_by_one(text, filtered) -> None:
    assert list(filter_by(text)) == filtered


# --- what a server keeps


@pytest.mark.parametrize("flavour", Flavour)
def test_what_is_kept_as_asked_does_not_differ(flavour) -> None:
    wish = asked(in_flavour(flavour))

    assert differences(wish, subscription(wish)) == ()


def without(resource, *path):
    changed = deepcopy(resource)
    inside = changed
    for step in path[:-1]:
        inside = inside[step]
    del inside[path[-1]]
    return changed


@pytest.mark.parametrize("flavour", BY_TOPIC)
def test_every_dropped_wish_is_told(flavour) -> None:
    wish = asked(in_flavour(flavour))
    rendered = subscription(wish)
    if flavour is Flavour.R5_TOPIC:
        kept = {**rendered, "topic": "http://other", "filterBy": rendered["filterBy"][:1], "content": "empty",
                "heartbeatPeriod": 600, "maxCount": 1}  # fmt: skip
        kept = without(kept, "timeout")
    else:
        kept = deepcopy(rendered)
        kept["criteria"] = "http://other"
        kept["_criteria"]["extension"].pop()
        kept["channel"]["_payload"]["extension"][0]["valueCode"] = "empty"
        kept["channel"]["extension"] = [
            {"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 600},
            {"url": f"{BACKPORT}/backport-max-count", "valuePositiveInt": 1},
        ]

    assert differences(wish, kept) == (
        f"topic: asked for {TOPIC}, the server has http://other",
        "filter: the server dropped what was asked for",
        "payload content: asked for id-only, the server has empty",
        "heartbeat: asked for 300, the server has 600",
        "timeout: asked for 60, the server has none",
        "events per notification: asked for 20, the server has 1",
    )


def test_an_r5_server_may_write_types_and_comparators_its_own_way() -> None:
    wish = asked()
    kept = subscription(wish)
    for each in kept["filterBy"]:
        each["resourceType"] = f"http://hl7.org/fhir/StructureDefinition/{each['resourceType']}"
    kept["filterBy"][0]["comparator"] = "eq"

    assert differences(wish, kept) == ()


@pytest.mark.parametrize("flavour", Flavour)
def test_differences_show_neither_the_secret_nor_the_address(flavour) -> None:
    wish = Asked(
        wanted=in_flavour(flavour), endpoint="https://x.example/notifications/T0KEN", secret="S3CRET"
    )
    kept = subscription(Asked(wanted=wish.wanted, endpoint="https://y.example/notifications/T1", secret="S2"))

    shown = str(differences(wish, kept)) + repr(kept_of(kept))
    assert len(differences(wish, kept)) == 2
    for text in ("T0KEN", "T1", "S3CRET", "S2"):
        assert text not in shown


@pytest.mark.parametrize(
    "resource", [{}, {"channel": []}, {"topic": 7, "filterBy": ["x"]}, {"criteria": {}, "_criteria": "x"}]
)
def test_whatever_a_server_keeps_can_be_looked_at(resource) -> None:
    assert differences(asked(), {"resourceType": "Subscription", **resource})


# --- its end

NOW = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)


def ending(ends: timedelta, granted: timedelta | None):
    meta = {} if granted is None else {"lastUpdated": (NOW + ends - granted).isoformat()}
    return kept_of({"end": (NOW + ends).isoformat(), "meta": meta, "channel": {}})


@pytest.mark.parametrize(
    ("ends", "granted", "soon"),
    [
        (timedelta(days=11), timedelta(days=30), False),
        (timedelta(days=6), timedelta(days=30), True),
        (timedelta(days=8), timedelta(days=365), False),
        (timedelta(minutes=30), timedelta(hours=1), False),  # an hour at a time is not renewed at every look
        (timedelta(minutes=19), timedelta(hours=1), True),
        (timedelta(0), timedelta(0), True),
        (timedelta(days=-1), timedelta(days=30), True),
        (timedelta(days=2), None, True),
        (timedelta(days=4), None, False),
    ],
)
def test_it_is_renewed_in_its_last_third_and_a_week_before_the_end_at_most(ends, granted, soon) -> None:
    assert ends_soon(ending(ends, granted), NOW) is soon


def test_one_without_an_end_never_ends() -> None:
    assert not ends_soon(kept_of({"channel": {}}), NOW)
