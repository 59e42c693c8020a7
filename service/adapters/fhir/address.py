"""Where requests may go: below one base URL and nowhere else.

Knows addresses only; must never send anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from service.ports import RecordRefused, Search

_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_LOCATION = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-._~]{1,128}))?/?$")
_ESCAPABLE = re.compile(r"\\[,$|\\]|[,$|\\]")


@dataclass(frozen=True, kw_only=True)
class Base:
    """The base URL of a FHIR server; `url` has no trailing slash."""

    url: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError for anything but an absolute http(s) URL without user, query or fragment."""
        parts = urlsplit(text.strip())
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
            raise ValueError(
                "The FHIR base URL must look like https://host/path, without user, query or fragment:"
                " correct THROUGHLINE_FHIR_BASE_URL."
            )
        path = parts.path.rstrip("/")
        return cls(url=f"{parts.scheme}://{parts.netloc}{path}", path=path)

    def below(self, relative: str) -> str:
        """The absolute URL of `Type…` (already URL-encoded); the base itself for an empty text."""
        return f"{self.url}/{relative}" if relative else self.url

    def next_page(self, link: str) -> str:
        """The URL of a `next` link on this very server; RecordRefused when it points elsewhere.

        Servers behind a proxy advertise hosts and ports of their own: path and query are taken over onto the base when
        the path lies below it, so nothing is ever sent to the advertised host.
        """
        parts = _apart(link)
        path = parts.path
        if not parts.scheme and not parts.netloc and not path.startswith("/"):
            path = f"{self.path}/{path}" if path else self.path
        inside = path.rstrip("/") == self.path or path.startswith(f"{self.path}/")
        if parts.scheme not in {"", "http", "https"} or not inside or _climbs(path):
            raise RecordRefused(OUTSIDE)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.url}{path.removeprefix(self.path)}{query}"


OUTSIDE = (
    "The FHIR server's next page lies outside its base URL, so it was not followed: correct the server's own base URL, or"
    " THROUGHLINE_FHIR_BASE_URL."
)


def _apart(url: str) -> SplitResult:
    """RecordRefused for what is no address at all."""
    try:
        if url.isprintable():
            return urlsplit(url)
    except ValueError:  # e.g. an unclosed [
        pass
    raise RecordRefused(OUTSIDE)


def _climbs(path: str) -> bool:
    decoded = unquote(unquote(path))
    return "\\" in decoded or any(step in {".", ".."} for step in decoded.split("/"))


def literal(reference: str) -> tuple[str, str]:
    """`Type/id` apart; RecordRefused for anything else, so that no reference can leave the base URL."""
    found = _LITERAL.fullmatch(reference)
    if found is None or not found[2].strip("."):
        raise RecordRefused(
            "A reference is not of the form Type/id, so it cannot be read: correct where it stands."
        )
    return found[1], found[2]


def located(location: str) -> tuple[str, str | None] | None:
    """(`Type/id`, version) at the end of a Location, whatever base the server believes it has."""
    try:
        found = _LOCATION.search(urlsplit(location).path)
    except ValueError:  # no address at all, so it says nothing
        return None
    return (f"{found[1]}/{found[2]}", found[3]) if found else None


def etag_version(etag: str) -> str | None:
    """The version inside `W/"…"` (or an unquoted or strong tag); None when empty."""
    return etag.strip().removeprefix("W/").strip('"') or None


def query_of(search: Search, page_size: int) -> str:
    """URL-encoded query; asks for `page_size` unless the search says its own `_count`."""
    params = search.params
    if not any(name == "_count" for name, _ in params):
        params = (*params, ("_count", str(page_size)))
    return "&".join(f"{quote(name, safe=':')}={quote(value, safe='')}" for name, value in params)


def condition_search(kind: str, condition: str) -> Search:
    """The search a conditional create stands for: one `name=system|value`, its value escaped (R4 search 3.1.1.4.3)."""
    name, _, value = condition.partition("=")
    system, bar, code = value.partition("|")
    return Search(kind=kind, params=((name, f"{system}|{_escaped(code)}" if bar else _escaped(value)),))


def condition_query(kind: str, condition: str) -> str:
    """The URL-encoded query for If-None-Exist and `request.ifNoneExist`."""
    ((name, value),) = condition_search(kind, condition).params
    return f"{quote(name, safe=':')}={quote(value, safe='')}"


def _escaped(value: str) -> str:
    return _ESCAPABLE.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", value)
