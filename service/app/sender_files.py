"""Reads `senders.yaml` of the mappings folder: who may send messages, and what their own words mean.

Every mistake is told with its place; none is guessed over. No file means that nobody may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.fhir.messages.content import Sender
from service.pathways.problems import Problem, errors, render_problem
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node

FILE = "senders.yaml"
POST, MLLP = "fhir-messages", "hl7v2"


class SendersProblem(Exception):
    """Use this when senders.yaml cannot be used as it is; the message shows every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n\n".join(render_problem(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What may stand behind a key, and how to say it."""

    pattern: str
    help: str


_URL = r"(https?://|urn:)[^\s|,$\\]+"
_RULES = {
    "why": _Rule(pattern=r".+", help="a sentence"),
    "timezone": _Rule(pattern=r"\S+", help="a time zone name such as America/Denver"),
    "application": _Rule(pattern=r".{1,227}", help="the sending application as it stands in MSH-3"),
    "facility": _Rule(pattern=r".{1,227}", help="the sending facility as it stands in MSH-4"),
    "accepts": _Rule(pattern=f"{POST}|{MLLP}", help=f"{POST} or {MLLP}"),
    "processing": _Rule(pattern="[PTD]", help="P (production), T (training) or D (debugging)"),
    "certificates": _Rule(
        pattern=r"(DNS|URI|email|IP|CN):\S.*",
        help="a name in its certificate: DNS:, URI:, email:, IP: or CN: before it",
    ),
    "endpoints": _Rule(pattern=r"\S+", help="what MessageHeader.source.endpoint says"),
    "match-on": _Rule(pattern=_URL, help="an identifier system, beginning with http or urn:"),
    "authorities": _Rule(pattern=_URL, help="an identifier system, beginning with http or urn:"),
    "code-systems": _Rule(pattern=_URL, help="a code system, beginning with http or urn:"),
}
_LISTS = frozenset({"accepts", "processing", "endpoints", "match-on", "certificates"})
_MAPPINGS = frozenset({"authorities", "code-systems"})
_NAME = r"[a-z][a-z0-9\-]{0,62}"


def read_senders(folder: Path, zone: ZoneInfo) -> tuple[Sender, ...]:
    """Every sender by name; `zone` for those that name none. SendersProblem with all mistakes at once."""
    path = folder / FILE
    if not path.exists():
        return ()
    source = read_source(path, path.name)
    found = [_sender(source, name, node, zone) for name, node in _entries(source)]
    _check_headers(source, found)
    mistakes = errors(source.problems)
    if mistakes:
        raise SendersProblem(mistakes)
    return tuple(sorted(found, key=lambda each: each.name))


def _entries(source: Source) -> Iterator[tuple[str, Node]]:
    root = source.root
    if root is None:
        return
    for key, node in root.entries():
        if key != "senders":
            source.report(
                node.head, "unknown-key", f"'{key}' is no key of this file", "put it under senders:"
            )
    listed = root.get("senders")
    if listed is None or not isinstance(listed.value, dict):
        source.report(root.place, "no-senders", "'senders' is missing", "list them by name under it")
        return
    for name, node in listed.entries():
        if re.fullmatch(_NAME, name):
            yield name, node
        else:
            source.report(
                node.head, "bad-name", f"'{name}' is no name", "use lower-case letters, digits and hyphens"
            )


def _sender(source: Source, name: str, node: Node, zone: ZoneInfo) -> Sender:
    values = dict(_values(source, name, node))
    one = {key: texts[0] for key, texts in values.items() if texts and key not in _LISTS}
    accepts = set(values.get("accepts", ()))
    if not accepts:
        source.report(node.head, "missing-key", f"'{name}' lacks 'accepts'", _RULES["accepts"].help)
    for key in ("application", "facility"):
        if MLLP in accepts and key not in one:
            source.report(node.head, "missing-key", f"'{name}' lacks '{key}'", _RULES[key].help)
    if "certificates" in values and MLLP not in accepts:
        inside = node.get("certificates") or node
        source.report(inside.head, "unused-key", NO_LINE.format(name), "remove it, or accept hl7v2 too")
    return Sender(
        name=name,
        zone=_zone(source, node, one, zone),
        may_post=POST in accepts,
        endpoints=frozenset(values.get("endpoints", ())),
        application=one.get("application", "") if MLLP in accepts else "",
        facility=one.get("facility", ""),
        certificates=frozenset(
            each.lower().replace("dns:", "DNS:", 1) if each.startswith("DNS:") else each
            for each in values.get("certificates", ())
        ),
        processing=frozenset(values.get("processing", ())) or frozenset({"P"}),
        match_on=tuple(values.get("match-on", ())),
        authorities=_mapping(source, node, "authorities"),
        code_systems=_mapping(source, node, "code-systems"),
    )


def _values(source: Source, name: str, node: Node) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(node.value, dict):
        source.report(node.head, "bad-entry", f"'{name}' says nothing", "write at least what it accepts")
    for key, inside in node.entries():
        if key not in _RULES:
            source.report(
                inside.head, "unknown-key", f"'{key}' is no key here", f"one of {', '.join(sorted(_RULES))}"
            )
        elif key not in _MAPPINGS:
            nodes = inside.items() if key in _LISTS and isinstance(inside.value, list) else [inside]
            yield key, [each.text or "" for each in nodes if _is_good(source, key, each)]


def _mapping(source: Source, node: Node, key: str) -> dict[str, str]:
    inside = node.get(key)
    if inside is None:
        return {}
    if not isinstance(inside.value, dict):
        source.report(
            inside.head, "bad-value", f"'{key}' is a list of names and URLs", "write name: URL under it"
        )
        return {}
    return {name: each.text or "" for name, each in inside.entries() if _is_good(source, key, each)}


def _is_good(source: Source, key: str, node: Node) -> bool:
    rule = _RULES[key]
    if node.text is not None and re.fullmatch(rule.pattern, node.text):
        return True
    shown = f"'{node.text}'" if node.text is not None else "this"
    source.report(node.place, "bad-value", f"{shown} cannot stand for '{key}'", f"write {rule.help}")
    return False


def _zone(source: Source, node: Node, one: dict[str, str], zone: ZoneInfo) -> ZoneInfo:
    if "timezone" not in one:
        return zone
    try:
        return ZoneInfo(one["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        inside = node.get("timezone") or node
        source.report(
            inside.place,
            "bad-value",
            f"'{one['timezone']}' is no time zone",
            "write a name such as America/Denver",
        )
        return zone


def _check_headers(source: Source, senders: list[Sender]) -> None:
    """Two senders with one MSH-3 and MSH-4 could not be told apart."""
    seen: dict[tuple[str, str], str] = {}
    for each in senders:
        here = each.application.casefold(), each.facility.casefold()
        if each.application and here in seen:
            place = source.root.place if source.root else (1, 1)
            source.report(
                place,
                "same-header",
                f"'{each.name}' and '{seen[here]}' have the same application and facility",
                "list them once",
            )
        seen[here] = each.name


# --- wording ----------------------------------------------------------------------------------------------------

NO_LINE = "'{}' sends no hl7v2, and certificates are looked at nowhere else"
