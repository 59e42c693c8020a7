"""Topics: however a server says which it offers, they are found."""

from __future__ import annotations

import json
from pathlib import Path

from service.fhir.subscription_topics import Topic, is_offered, topics_of

DATA = Path(__file__).parent / "data/topics"


def example(name):
    return json.loads((DATA / f"{name}.json").read_bytes())


def test_a_capability_statement_names_topics_by_their_url() -> None:
    assert topics_of([example("r4-capability-statement")]) == [
        Topic(url="http://fhirserver.org/topics/patient-admission", found_in="CapabilityStatement"),
        Topic(url="http://fhirserver.org/topics/patient-discharge", found_in="CapabilityStatement"),
    ]


def test_r4b_and_r5_have_topics_of_their_own() -> None:
    found = topics_of(
        example(name) for name in ("r4b-topic-admission", "r5-topic-admission", "r5-topic-example")
    )

    assert [(each.url, each.title, each.types) for each in found] == [
        ("http://example.org/FHIR/R4B/SubscriptionTopic/admission", "admission", ("Encounter",)),
        ("http://example.org/FHIR/R5/SubscriptionTopic/admission", "admission", ("Encounter",)),
        ("http://example.org/FHIR/R5/SubscriptionTopic/example", "example", ("Encounter",)),
    ]


def test_a_basic_may_stand_for_a_topic_on_r4() -> None:
    base = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
    trigger = [{"url": "resource", "valueUri": "http://hl7.org/fhir/StructureDefinition/Encounter"}]
    basic = {
        "resourceType": "Basic",
        "extension": [
            {"url": f"{base}.url", "valueUri": "http://example.org/t"},
            {"url": f"{base}.title", "valueString": "Encounters that end"},
            {"url": f"{base}.resourceTrigger", "extension": trigger},
        ],
    }

    assert topics_of([basic, {"resourceType": "Basic"}, {"resourceType": "SubscriptionTopic"}]) == [
        Topic(url="http://example.org/t", title="Encounters that end", types=("Encounter",), found_in="Basic")
    ]


def test_of_two_that_say_the_same_the_one_that_says_more_counts() -> None:
    capabilities = example("r4-capability-statement")
    topic = {
        "resourceType": "SubscriptionTopic",
        "url": "http://fhirserver.org/topics/patient-admission",
        "resourceTrigger": [{"resource": "Encounter"}],
    }

    assert topics_of([capabilities, topic])[0].types == ("Encounter",)


def test_a_version_behind_the_url_does_not_matter() -> None:
    assert is_offered("http://t.example|1.0", [Topic(url="http://t.example|2.0")])
    assert not is_offered("http://t.example/x", [Topic(url="http://t.example")])
