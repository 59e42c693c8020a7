"""What may stand behind each key of a subscription, and how a mistake is told. Shared by site files and server profiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What may stand behind a key, and how to say it."""

    pattern: str
    help: str


_TYPE = r"[A-Z][A-Za-z]{1,63}"
_SECONDS = Rule(pattern=r"[1-9][0-9]{0,5}", help="a whole number of seconds")
_YES_NO = Rule(pattern="yes|no", help="yes or no")
RULES: Mapping[str, Rule] = {
    "why": Rule(pattern=r".+", help="a sentence"),
    "flavour": Rule(
        pattern="r4-rest-hook|r4-backport|r4b-backport|r5-topic",
        help="r4-rest-hook, r4-backport, r4b-backport or r5-topic",
    ),
    "criteria": Rule(
        pattern=rf"{_TYPE}\?\S*",
        help="a resource type, a question mark and search parameters: Encounter?class=IMP",
    ),
    "topic": Rule(pattern=r"https?://\S+", help="the topic's canonical URL, beginning with http"),
    "filters": Rule(pattern=r"\S+", help="a search such as Encounter?patient=Patient/123"),
    "types": Rule(pattern=_TYPE, help="a resource type such as Encounter"),
    "payload": Rule(
        pattern=r"none|application/fhir\+json(; ?fhirVersion=[0-9]\.[0-9])?",
        help="none or application/fhir+json",
    ),
    "content": Rule(pattern="empty|id-only|full-resource", help="empty, id-only or full-resource"),
    "auth": Rule(pattern="header|signature|address", help="header, signature or address"),
    "header": Rule(pattern=r"[A-Za-z][A-Za-z0-9\-]*", help="the name of an HTTP header"),
    "status": Rule(pattern="requested|active", help="requested or active"),
    "deletions": _YES_NO,
    "canary": _YES_NO,
    "channel-coding": _YES_NO,
    "heartbeat-seconds": _SECONDS,
    "timeout-seconds": _SECONDS,
    "most-events": Rule(pattern=r"[1-9][0-9]{0,4}", help="a whole number"),
    "end-days": Rule(pattern=r"[1-9][0-9]{0,3}", help="a whole number of days"),
}
LISTS = frozenset({"filters", "types"})

Values = dict[str, list[str]]
"""Key -> the texts behind it; one unless the key is a list."""


def values_of(source: Source, node: Node) -> Values:
    """Everything behind the keys of one entry that follows its rule; whatever does not is reported."""
    values: Values = {}
    for key, inside in node.entries():
        if key not in RULES:
            source.report(
                inside.head, "unknown-key", f"'{key}' is no key here", f"one of {', '.join(sorted(RULES))}"
            )
        else:
            values[key] = list(texts(source, inside, f"'{key}'", RULES[key], several=key in LISTS))
    return values


def texts(source: Source, node: Node, key: str, rule: Rule, *, several: bool = False) -> Iterator[str]:
    """The texts of a node that follow a rule; the others are reported."""
    nodes = node.items() if several and isinstance(node.value, list) else [node]
    for each in nodes:
        if each.text is not None and re.fullmatch(rule.pattern, each.text):
            yield each.text
        else:
            shown = f"'{each.text}'" if each.text is not None else "this"
            source.report(each.place, "bad-value", f"{shown} cannot stand for {key}", f"write {rule.help}")
