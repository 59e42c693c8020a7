"""Which references of a notification may be looked up: only those of the server we subscribed at.

Whoever can send us a notification can write any URL into it, so a URL is never followed: it is reduced to `Type/id`
when it lies under the trusted base, and to nothing otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from service.domain.vocabulary import Reference
from service.ports import Search

_DEFAULT_PORT = {"http": 80, "https": 443}
# FHIR R4 2.24.0.1 (id) and the shape of resource type names; some servers repeat the type (`Encounter/Encounter/1`).
# `.` and `..` are lawful ids but would climb out of the type's path in a URL.
_RELATIVE = re.compile(
    r"(?P<type>[A-Z][A-Za-z]{1,63})/(?:(?P=type)/)?(?!\.{1,2}(?:/|\Z))(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?\Z"
)

IDS_PER_SEARCH = 50
"""Keeps the URL of a search by ids below what proxies cut."""
FOREIGN_HOST = "foreign host: a reference to another server was not followed"
UNREADABLE = "unreadable reference: neither Type/id nor a URL of the record server"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A reference reduced to what may be looked up, or the reason why not."""

    reference: Reference | None = None
    version: str | None = None
    note: str | None = None


def locate(text: str, base_url: str) -> Found:
    """Reduce a relative or absolute reference to `Type/id` of the server at `base_url`."""
    text = text.strip()
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", text) or text.startswith("//"):
        within = _path_within(text, base_url)
        return Found(note=FOREIGN_HOST) if within is None else _relative(within)
    return _relative(text)


def lookups(references: Iterable[Reference]) -> list[Search]:
    """Searches by id that bring these resources, many at once."""
    ids: dict[str, list[str]] = {}
    for reference in references:
        kind, _, id_ = reference.partition("/")
        ids.setdefault(kind, []).append(id_)
    return [
        Search(kind=kind, params=(("_id", ",".join(some[at : at + IDS_PER_SEARCH])),))
        for kind, some in sorted(ids.items())
        for at in range(0, len(some), IDS_PER_SEARCH)
    ]


def _relative(text: str) -> Found:
    match = _RELATIVE.match(text)
    if match is None:
        return Found(note=UNREADABLE)
    return Found(reference=Reference(f"{match['type']}/{match['id']}"), version=match["version"])


def _path_within(url: str, base_url: str) -> str | None:
    """The path of `url` behind the base, None when it is not the same scheme, host, port and base path."""
    try:
        asked, base = urlsplit(url), urlsplit(base_url)
        same = _origin(asked) == _origin(base) and not asked.query and not asked.fragment
    except ValueError:  # e.g. a port that is not a number, an unclosed [
        return None
    prefix = base.path.rstrip("/") + "/"
    return asked.path[len(prefix) :] if same and asked.path.startswith(prefix) else None


def _origin(url: SplitResult) -> tuple[str, str | None, int | None, str | None]:
    # User information (`https://record@elsewhere/`) makes it another origin on purpose.
    scheme = url.scheme.lower()
    return scheme, url.hostname, url.port or _DEFAULT_PORT.get(scheme), url.username
