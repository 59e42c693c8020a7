"""Reads what is known of one kind of FHIR server: how its subscriptions differ, and what an interface analyst must know.

Profiles are data in `servers/` of the subscriptions folder, else those that came along; a site adds its own beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from service.app.subscription_rules import Rule, Values, texts, values_of
from service.fhir.subscription_wanted import Extra
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node

FOLDER = "servers"


@dataclass(frozen=True, kw_only=True)
class Server:
    """One kind of server."""

    name: str
    title: str
    tells: bool = True
    """Whether it sends rest-hook notifications at all; where not, catch-up finds every change."""
    know: tuple[str, ...] = ()
    """What whoever connects it must know, one sentence each."""
    made_at: str = ""
    """Where Subscriptions are made, below the FHIR base address; empty: at the base itself."""
    defaults: Values = field(default_factory=dict)
    """What every subscription begins with."""
    extras: tuple[Extra, ...] = ()


def known_servers(folder: Path) -> dict[str, Path]:
    """Profiles by name: those of the folder, and of those that came along whatever it does not have."""
    came_along = Path(__file__).parents[2] / "subscriptions" / FOLDER
    found = {path.stem: path for path in sorted(came_along.glob("*.yaml"))}
    return found | {path.stem: path for path in sorted((folder / FOLDER).glob("*.yaml"))}


def read_server(path: Path) -> tuple[Server, Source]:
    """One profile, and its file with every mistake found in it."""
    source = read_source(path, f"{FOLDER}/{path.name}")
    root = source.root
    if root is None:
        return Server(name=path.stem, title=path.stem), source
    for key, node in root.entries():
        if key not in _KEYS:
            known = ", ".join(sorted(_KEYS))
            source.report(node.head, "unknown-key", f"'{key}' is no key of a server", f"one of {known}")
    defaults = root.get("subscriptions")
    server = Server(
        name=path.stem,
        title=_one(source, root, "title") or path.stem,
        tells=_one(source, root, "tells") != "no",
        know=tuple(_several(source, root, "know")),
        made_at=_one(source, root, "made-at"),
        defaults=values_of(source, defaults) if defaults is not None else {},
        extras=tuple(_extras(source, root)),
    )
    if not server.know:
        source.report(
            root.place, "missing-key", "'know' is missing", "say what whoever connects it must know"
        )
    return server, source


_KEYS = {
    "title": Rule(pattern=r".+", help="the name of the product"),
    "tells": Rule(pattern="yes|no", help="yes or no"),
    "know": Rule(pattern=r".+", help="a sentence"),
    "source": Rule(pattern=r".+", help="where this is known from"),
    "made-at": Rule(pattern=r"[A-Za-z0-9\-/]+", help="a path below the FHIR base address"),
    "subscriptions": Rule(pattern=r".+", help="keys of a subscription"),
    "extras": Rule(pattern=r".+", help="a list of extensions"),
}
_KINDS = ("boolean", "integer", "positiveInt", "unsignedInt", "string", "code", "uri")
_WORD = Rule(pattern=r"\S+", help="one word")


def _one(source: Source, root: Node, key: str) -> str:
    node = root.get(key)
    return next(texts(source, node, f"'{key}'", _KEYS[key]), "") if node is not None else ""


def _several(source: Source, root: Node, key: str) -> list[str]:
    node = root.get(key)
    return list(texts(source, node, f"'{key}'", _KEYS[key], several=True)) if node is not None else []


def _extras(source: Source, root: Node) -> list[Extra]:
    node = root.get("extras")
    return [extra for each in (node.items() if node else []) if (extra := _extra(source, each))]


def _extra(source: Source, node: Node) -> Extra | None:
    said = {key: next(texts(source, inside, f"'{key}'", _WORD), "") for key, inside in node.entries()}
    kinds = [kind for kind in _KINDS if said.get(kind)]
    on = said.get("on", "channel")
    unknown = set(said) - {"url", "on", *_KINDS}
    if len(kinds) != 1 or not said.get("url") or on not in {"channel", "subscription"} or unknown:
        help_text = f"url, on (channel or subscription) and one of {', '.join(_KINDS)} with its value"
        source.report(node.place, "bad-extra", "this says no extension", help_text)
        return None
    return Extra(url=said["url"], kind=kinds[0], value=_value(kinds[0], said[kinds[0]]), on=on)


def _value(kind: str, text: str) -> bool | int | str:
    if kind == "boolean":
        return text in {"true", "yes"}
    is_number = kind in {"integer", "positiveInt", "unsignedInt"} and text.isdigit()
    return int(text) if is_number else text
