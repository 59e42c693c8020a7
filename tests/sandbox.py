"""Real servers for tests: started once per session on free loopback ports, over a temporary directory, quiet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import pytest

from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis

HOUSE_NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
"""The instant at which tests happen unless they say otherwise."""


class FrozenClock:
    """A clock (ports.Clock) that moves only when told."""

    def __init__(self, at: datetime = HOUSE_NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


class Sandbox:
    """A real FHIR R4 server over `data_dir`; usable without pytest."""

    def __init__(self, port: int | None = None, data_dir: Path | str = "sandbox") -> None:
        self._server = EmbeddedFhirServer(data_dir, port)

    @property
    def base_url(self) -> str:
        return self._server.base_url

    @property
    def port(self) -> int:
        return self._server.port

    def start(self) -> Self:
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        self._server.kill()

    def restart(self) -> Self:
        self._server.restart()
        return self


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One FHIR server for the whole session: tests must use persons and identifiers of their own."""
    server = Sandbox(data_dir=tmp_path_factory.mktemp("sandbox")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One Redis-protocol server for the whole session (`valkey.url`): use a key prefix or database of your own."""
    with EmbeddedRedis(tmp_path_factory.mktemp("valkey")) as server:
        yield server
