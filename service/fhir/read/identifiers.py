"""Taking our business identifiers apart: `<pathway>/<anchor>[~<time>][/<task>/<occurrence>[/<cause>[/<rung>]]]`.

`~2` says that the same resource began the pathway a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from service.domain.vocabulary import Cause, PathwayId, Reference, TaskId
from service.fhir.references import relative_reference


class NotOurs(ValueError):
    """Use this when something that carries one of our identifiers cannot be understood; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """The parts of an identifier; what a shorter identifier does not name is None."""

    pathway: PathwayId
    anchor: Reference
    enrolment: str
    """Identifier of the enrolment it belongs to."""
    task: TaskId | None = None
    occurrence: int | None = None
    cause: Cause | None = None
    rung: int | None = None


_TIME = re.compile(r"~[1-9][0-9]*\Z")
_REMEMBERED = 8192
"""The same identifiers are read at every reconcile of a person."""
_PARTS = {"enrolment": 3, "follow-up": 5, "escalation": 6, "rung": 7}


@lru_cache(maxsize=_REMEMBERED)
def named(kind: str, text: str) -> Named:
    """Parse the identifier of an `enrolment`, `follow-up`, `escalation` or `rung`; NotOurs when it is not one."""
    parts = text.split("/")
    anchor = relative_reference(_TIME.sub("", "/".join(parts[1:3])))
    if len(parts) != _PARTS[kind] or not all(parts) or anchor is None:
        raise NotOurs(f"its identifier is not that of one {kind}")
    return Named(
        pathway=PathwayId(parts[0]),
        anchor=anchor,
        enrolment="/".join(parts[:3]),
        task=TaskId(parts[3]) if len(parts) > 3 else None,
        occurrence=_count(parts[4]) if len(parts) > 4 else None,
        cause=_cause(parts[5]) if len(parts) > 5 else None,
        rung=_count(parts[6]) if len(parts) > 6 else None,
    )


def is_rung(text: str) -> bool:
    """Whether a follow-up identifier is that of an escalation's response Task."""
    return text.count("/") == _PARTS["rung"] - 1


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise NotOurs("its identifier has no number where one belongs")
    return int(text)


def _cause(text: str) -> Cause:
    try:
        return Cause(text)
    except ValueError:
        raise NotOurs("its identifier names a cause that is not known") from None
