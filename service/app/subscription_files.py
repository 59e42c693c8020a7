"""Reads the subscriptions folder: what to watch. Every mistake is told with its place; none is guessed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.fhir.subscription_resource import Flavour, Wanted
from service.pathways.problems import Problem, errors, render_problem
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node


class SubscriptionsProblem(Exception):
    """Use this when the subscriptions folder cannot be used as it is; the message shows every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n\n".join(render_problem(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What may stand behind a key, and how to say it."""

    pattern: str
    help: str


_TYPE = r"[A-Z][A-Za-z]{1,63}"
_RULES = {
    "why": _Rule(pattern=r".+", help="a sentence"),
    "flavour": _Rule(pattern="r4-rest-hook|r4-backport", help="r4-rest-hook or r4-backport"),
    "criteria": _Rule(
        pattern=rf"{_TYPE}\?\S*",
        help="a resource type, a question mark and search parameters: Encounter?class=IMP",
    ),
    "topic": _Rule(pattern=r"https?://\S+", help="the topic's canonical URL, beginning with http"),
    "filters": _Rule(pattern=r"\S+", help="a search such as Encounter?patient=Patient/123"),
    "types": _Rule(pattern=_TYPE, help="a resource type such as Encounter"),
    "payload": _Rule(pattern=r"none|application/fhir\+json", help="none or application/fhir+json"),
    "content": _Rule(pattern="empty|id-only|full-resource", help="empty, id-only or full-resource"),
    "auth": _Rule(pattern="header|signature|address", help="header, signature or address"),
    "header": _Rule(pattern=r"[A-Za-z][A-Za-z0-9\-]*", help="the name of an HTTP header"),
    "status": _Rule(pattern="requested|active", help="requested or active"),
    "deletions": _Rule(pattern="yes|no", help="yes or no"),
    "heartbeat-seconds": _Rule(pattern=r"[1-9][0-9]{0,5}", help="a whole number of seconds"),
}
_LISTS = frozenset({"filters", "types"})
_NAME = r"[a-z][a-z0-9\-]{0,62}"


def read_subscriptions(folder: Path) -> tuple[Wanted, ...]:
    """What all `*.yaml` files of the folder ask for, by name; SubscriptionsProblem with all mistakes at once."""
    sources = [read_source(path, path.name) for path in sorted(folder.glob("*.yaml"))]
    found: dict[str, Wanted] = {}
    for source in sources:
        for name, node in _entries(source):
            if name in found:
                source.report(
                    node.head, "duplicate-name", f"'{name}' is already asked for", "use another name"
                )
            else:
                found[name] = _wanted(source, name, node)
    mistakes = errors(problem for source in sources for problem in source.problems)
    if not sources:
        nothing = Source(file=str(folder))
        nothing.report(
            (1, 1), "no-subscriptions", "no *.yaml file is here", "begin with a copy of default.yaml"
        )
        mistakes = nothing.problems
    if mistakes:
        raise SubscriptionsProblem(mistakes)
    return tuple(found[name] for name in sorted(found))


def _entries(source: Source) -> Iterator[tuple[str, Node]]:
    root = source.root
    if root is None:
        return
    for key, node in root.entries():
        if key != "subscriptions":
            source.report(
                node.head, "unknown-key", f"'{key}' is no key of this file", "put it under subscriptions:"
            )
    listed = root.get("subscriptions")
    if listed is None or not isinstance(listed.value, dict):
        source.report(
            root.place, "no-subscriptions", "'subscriptions' is missing", "list them by name under it"
        )
        return
    for name, node in listed.entries():
        if re.fullmatch(_NAME, name):
            yield name, node
        else:
            source.report(
                node.head, "bad-name", f"'{name}' is no name", "use lower-case letters, digits and hyphens"
            )


def _wanted(source: Source, name: str, node: Node) -> Wanted:
    values: dict[str, list[str]] = {}
    if not isinstance(node.value, dict):
        source.report(node.head, "bad-entry", f"'{name}' says nothing", "write at least its criteria")
    for key, inside in node.entries():
        if key not in _RULES:
            source.report(
                inside.head, "unknown-key", f"'{key}' is no key here", f"one of {', '.join(sorted(_RULES))}"
            )
        else:
            values[key] = list(_texts(source, key, inside))
    one = {key: texts[0] for key, texts in values.items() if texts and key not in _LISTS}
    flavour = Flavour.R4_BACKPORT if one.get("flavour") == "r4-backport" else Flavour.R4_REST_HOOK
    for key in ("topic", "types") if flavour is Flavour.R4_BACKPORT else ("criteria",):
        if key not in values:
            source.report(node.head, "missing-key", f"'{name}' lacks '{key}'", _RULES[key].help)
    return _built(name, flavour, one, values)


def _built(name: str, flavour: Flavour, one: dict[str, str], values: dict[str, list[str]]) -> Wanted:
    heartbeat = one.get("heartbeat-seconds")
    return Wanted(
        name=name,
        flavour=flavour,
        criteria=one.get("criteria", ""),
        topic=one.get("topic", ""),
        filters=tuple(values.get("filters", ())),
        watched=tuple(values.get("types", ())),
        payload=one.get("payload", "application/fhir+json"),
        content=one.get("content", "id-only"),
        auth=one.get("auth", "header"),
        header=one.get("header", "Authorization"),
        status=one.get("status", "requested"),
        deletions=one.get("deletions") == "yes",
        heartbeat_seconds=int(heartbeat) if heartbeat else None,
    )


def _texts(source: Source, key: str, node: Node) -> Iterator[str]:
    """The texts behind a key that follow its rule; the others are reported."""
    rule = _RULES[key]
    nodes = node.items() if key in _LISTS and isinstance(node.value, list) else [node]
    for each in nodes:
        if each.text is not None and re.fullmatch(rule.pattern, each.text):
            yield each.text
        else:
            shown = f"'{each.text}'" if each.text is not None else "this"
            source.report(each.place, "bad-value", f"{shown} cannot stand for '{key}'", f"write {rule.help}")
