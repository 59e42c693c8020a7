"""A person's record from a file: a FHIR Bundle of any type, with history where it has any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from service.domain.vocabulary import Reference
from service.fhir.history import History, NotABundle, versions_in


class NoSuchFile(Exception):
    """Use this when a file that was named cannot be opened."""


class NotUsable(Exception):
    """Use this when a file holds something else than what was asked for; says what, and where."""


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """What a file holds."""

    history: History
    kind: str
    """Bundle.type; empty where it does not say."""


def read_bundle(file: Path, zone: tzinfo) -> BundleFile:
    """The versions that a Bundle file holds. NoSuchFile or NotUsable says what is wrong with it."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as failure:
        raise NoSuchFile(f"{file} cannot be opened ({failure.strerror})") from None
    except json.JSONDecodeError as fault:
        raise NotUsable(
            f"{file} is not well-formed JSON (line {fault.lineno}, column {fault.colno})"
        ) from None
    except (UnicodeDecodeError, RecursionError):
        raise NotUsable(f"{file} is not JSON in UTF-8") from None
    try:
        history = History(versions_in(content, zone))
    except NotABundle as problem:
        raise NotUsable(f"{file} cannot be used: {problem}") from None
    return BundleFile(history=history, kind=str(content.get("type", "")))


def people_in(history: History) -> list[Reference]:
    """Every Patient it knows."""
    return sorted(reference for reference in history if reference.startswith("Patient/"))


def person_in(history: History, file: Path, wanted: str | None) -> Reference:
    """The person that was asked for, or the only one there is. NotUsable when that is not clear."""
    people = people_in(history)
    if wanted is not None:
        if wanted not in people:
            raise NotUsable(f"{file} holds no {wanted}; there {_are(people)}")
        return Reference(wanted)
    if len(people) != 1:
        raise NotUsable(f"{file} is not about one person: name one with --person; there {_are(people)}")
    return people[0]


def _are(people: list[Reference]) -> str:
    if not people:
        return "is no Patient in it"
    more = f" and {len(people) - 5} more" if len(people) > 5 else ""
    return f"{'is' if len(people) == 1 else 'are'} {', '.join(people[:5])}{more}"
