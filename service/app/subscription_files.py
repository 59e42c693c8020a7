"""Reads the subscriptions folder: what to watch on which kind of server. Every mistake is told with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.app.subscription_rules import LISTS, RULES, Values, values_of
from service.app.subscription_servers import FOLDER, Server, known_servers, read_server
from service.fhir.subscription_wanted import Extra, Flavour, Wanted
from service.pathways.problems import Problem, errors, render_problem
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node


class SubscriptionsProblem(Exception):
    """Use this when the subscriptions folder cannot be used as it is; the message shows every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n\n".join(render_problem(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What a site wants watched, and what is known of its server."""

    wanted: tuple[Wanted, ...]
    server: Server | None = None


_NAME = r"[a-z][a-z0-9\-]{0,62}"


def read_subscriptions(folder: Path, server: str | None = None) -> tuple[Wanted, ...]:
    """What all `*.yaml` files of the folder ask for, by name; SubscriptionsProblem with all mistakes at once."""
    return read_watching(folder, server).wanted


def read_watching(folder: Path, server: str | None = None) -> Watching:
    """The same with what is known of the server: the one named by `server`, else by `server:` in a file."""
    sources = [read_source(path, path.name) for path in sorted(folder.glob("*.yaml"))]
    profile, profiles = _server(folder, sources, server)
    found: dict[str, Wanted] = {}
    for source in sources:
        for name, node in _entries(source):
            if name in found:
                source.report(
                    node.head, "duplicate-name", f"'{name}' is already asked for", "use another name"
                )
            else:
                found[name] = _wanted(source, name, node, profile)
    mistakes = errors(problem for source in (*sources, *profiles) for problem in source.problems)
    if not sources:
        nothing = Source(file=str(folder))
        nothing.report(
            (1, 1), "no-subscriptions", "no *.yaml file is here", "begin with a copy of default.yaml"
        )
        mistakes = nothing.problems
    if mistakes:
        raise SubscriptionsProblem(mistakes)
    return Watching(wanted=tuple(found[name] for name in sorted(found)), server=profile)


def _server(folder: Path, sources: list[Source], given: str | None) -> tuple[Server | None, list[Source]]:
    """The profile of the server, and the files whose mistakes have to be told with the others."""
    named = [(source, node) for source in sources if source.root and (node := source.root.get("server"))]
    known = known_servers(folder)
    help_text = f"one of {', '.join(sorted(known))}, or add a file to {FOLDER}/"
    for source, node in named:
        if node.text not in known:
            shown = f"'{node.text}'" if node.text else "this"
            source.report(node.place, "unknown-server", f"{shown} is no server that is known", help_text)
        elif node.text != (given or named[0][1].text):
            other = f"'{given or named[0][1].text}'"
            source.report(node.place, "two-servers", f"this server is already said to be {other}", "say one")
    chosen = given or next((node.text for _, node in named if node.text), None)
    if chosen is None:
        return None, []
    if chosen not in known:
        setting = Source(file="THROUGHLINE_FHIR_SERVER")
        if given is not None:
            message = f"'{chosen[:80]}' is no server that is known"
            setting.report((1, 1), "unknown-server", message, help_text)
        return None, [setting]
    server, source = read_server(known[chosen])
    return server, [source]


def _entries(source: Source) -> Iterator[tuple[str, Node]]:
    root = source.root
    if root is None:
        return
    for key, node in root.entries():
        if key not in {"subscriptions", "server"}:
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


def _wanted(source: Source, name: str, node: Node, server: Server | None) -> Wanted:
    if not isinstance(node.value, dict):
        source.report(node.head, "bad-entry", f"'{name}' says nothing", "write at least its criteria")
    own = values_of(source, node)
    values = {**(server.defaults if server else {}), **own}
    flavour = Flavour(next(iter(values.get("flavour", [])), Flavour.R4_REST_HOOK))
    if flavour.by_topic and values.get("criteria"):
        # What is a search where there are no topics is the filter of a topic that tells everything.
        values.setdefault("filters", values["criteria"])
        values.setdefault("types", [values["criteria"][0].partition("?")[0]])
    for key in ("topic", "types") if flavour.by_topic else ("criteria",):
        if key not in values:
            source.report(node.head, "missing-key", f"'{name}' lacks '{key}'", RULES[key].help)
    return _built(name, flavour, values, server.extras if server else ())


def _built(name: str, flavour: Flavour, values: Values, extras: tuple[Extra, ...]) -> Wanted:
    one = {key: texts[0] for key, texts in values.items() if texts and key not in LISTS}

    def number(key: str) -> int | None:
        return int(one[key]) if key in one else None

    return Wanted(
        name=name,
        flavour=flavour,
        criteria="" if flavour.by_topic else one.get("criteria", ""),
        topic=one.get("topic", ""),
        filters=tuple(values.get("filters", ())),
        watched=tuple(values.get("types", ())),
        payload=one.get("payload", "application/fhir+json"),
        content=one.get("content", "id-only"),
        auth=one.get("auth", "header"),
        header=one.get("header", "Authorization"),
        status=one.get("status", "requested"),
        deletions=one.get("deletions") == "yes",
        canary=one.get("canary") == "yes",
        channel_coding=one.get("channel-coding") == "yes",
        heartbeat_seconds=number("heartbeat-seconds"),
        timeout_seconds=number("timeout-seconds"),
        most_events=number("most-events"),
        end_days=number("end-days"),
        extras=extras,
    )
