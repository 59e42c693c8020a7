"""What a server can say of all versions of a type, and of deletions: a port that stands beside ports.FhirRecord."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.domain.vocabulary import Reference
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One version of a resource in the history of its type."""

    reference: Reference
    version: str
    changed_at: datetime | None
    """By the server's clock."""
    resource: Resource | None
    """None where it was deleted, or the server does not carry it."""
    deleted: bool = False


class RecordHistory(Protocol):
    """What became of all resources of a type, deletions included; not every server can say."""

    def since(self, kind: str, at: datetime) -> Iterator[HistoryEntry]:
        """Newest first. RecordRefused or NotInRecord where the server keeps no such history."""
        ...
