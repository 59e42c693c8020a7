"""Who looks on while a request is made: measures it, and may send along to which trace it belongs. Knows no content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """One attempt at one request."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """To be sent along."""
    status: int | None = None
    """Set when an answer comes."""


Watcher = Callable[[str], AbstractContextManager[Exchange]]
"""Takes what is done, e.g. `POST Task`: method and type, never an id."""


@contextmanager
def unwatched(_doing: str) -> Iterator[Exchange]:
    """Nobody looks on."""
    yield Exchange()
