"""Which topics a server offers: from its CapabilityStatement, from Basic resources on R4, from SubscriptionTopic since R4B."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from service.fhir.references import mapping, mappings
from service.fhir.subscription_resource import BACKPORT
from service.ports import Resource

CANONICAL = f"{BACKPORT}/capabilitystatement-subscriptiontopic-canonical"
IN_BASIC = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
"""Cross-version extensions in which an R4 Basic carries a topic."""
BASIC_CODE = "SubscriptionTopic"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic; `types` as far as the server tells."""

    url: str
    title: str = ""
    types: tuple[str, ...] = ()
    found_in: str = ""
    """Where it is told: CapabilityStatement, Basic or SubscriptionTopic"""


def topics_of(resources: Iterable[Resource]) -> list[Topic]:
    """Every topic that these resources tell of, each once, by its URL; the one that says most of several."""
    found: dict[str, Topic] = {}
    for resource in resources:
        for topic in _READ.get(str(resource.get("resourceType")), _none)(resource):
            before = found.get(topic.url)
            if before is None or (not before.types and topic.types):
                found[topic.url] = topic
    return [found[url] for url in sorted(found)]


def is_offered(topic: str, topics: Iterable[Topic]) -> bool:
    """Whether a topic is among them; a version behind `|` does not matter."""
    return topic.partition("|")[0] in {each.url.partition("|")[0] for each in topics}


def _of_capabilities(resource: Resource) -> Iterator[Topic]:
    for rest in mappings(resource.get("rest")):
        for kind in mappings(rest.get("resource")):
            if kind.get("type") == "Subscription":
                for url in _values(kind, CANONICAL):
                    yield Topic(url=url, found_in="CapabilityStatement")


def _of_basic(resource: Resource) -> Iterator[Topic]:
    triggers = [
        each
        for each in mappings(resource.get("extension"))
        if each.get("url") == f"{IN_BASIC}.resourceTrigger"
    ]
    types = tuple(dict.fromkeys(_type(text) for each in triggers for text in _values(each, "resource")))
    title = next(_values(resource, f"{IN_BASIC}.title"), "")
    for url in _values(resource, f"{IN_BASIC}.url"):
        yield Topic(url=url, title=title, types=types, found_in="Basic")


def _of_topic(resource: Resource) -> Iterator[Topic]:
    url = resource.get("url")
    if isinstance(url, str) and url:
        types = (str(each.get("resource") or "") for each in mappings(resource.get("resourceTrigger")))
        yield Topic(
            url=url,
            title=str(resource.get("title") or ""),
            types=tuple(dict.fromkeys(_type(text) for text in types if text)),
            found_in="SubscriptionTopic",
        )


def _none(_resource: Resource) -> Iterator[Topic]:
    return iter(())


_READ = {"CapabilityStatement": _of_capabilities, "Basic": _of_basic, "SubscriptionTopic": _of_topic}


def _values(element: Any, url: str) -> Iterator[str]:
    for each in mappings(mapping(element).get("extension")):
        if each.get("url") == url:
            yield from (
                value for key, value in each.items() if key.startswith("value") and isinstance(value, str)
            )


def _type(text: str) -> str:
    return text.rpartition("/")[2]
