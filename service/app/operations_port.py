"""/metrics, /livez and /readyz of worker and scheduler, which have no web of their own: a small server in a thread.

Answers these three addresses and nothing else; says nothing about any person, and needs no login.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from service.app.heartbeat import Heartbeat
from service.app.listening import check_address

OK, UNWELL = "200 OK", "503 Service Unavailable"


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """Something without which this process cannot do its job; `probe` raises when it does not work."""

    name: str
    probe: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What the three addresses tell."""

    registry: CollectorRegistry
    heartbeat: Heartbeat
    dependencies: tuple[Dependency, ...] = ()

    def answer(self, path: str) -> tuple[str, str, bytes]:
        """(status, media type, body)."""
        if path == "/metrics":
            return OK, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        if path == "/livez":
            return self._livez()
        if path == "/readyz":
            return self._readyz()
        told = {"detail": "There is nothing at this address; there are /metrics, /livez and /readyz."}
        return "404 Not Found", _JSON, _json(told)

    def _livez(self) -> tuple[str, str, bytes]:
        alive = self.heartbeat.is_alive()
        age = round(self.heartbeat.age().total_seconds(), 1)
        told = {"status": "alive" if alive else "hangs", "heartbeat_seconds_ago": age}
        return (OK if alive else UNWELL), _JSON, _json(told)

    def _readyz(self) -> tuple[str, str, bytes]:
        checks = {each.name: _state(each) for each in self.dependencies}
        ready = all(state == "ok" for state in checks.values())
        told = {"status": "ready" if ready else "not ready", "checks": checks}
        return (OK if ready else UNWELL), _JSON, _json(told)


_JSON = "application/json"


def _json(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told).encode()


def _state(dependency: Dependency) -> str:
    try:
        dependency.probe()
    except Exception as failure:  # the answer is public to the network: the kind of failure, never its text
        return f"failed ({type(failure).__name__})"
    return "ok"


@contextmanager
def serving(operations: Operations, host: str, port: int | None) -> Iterator[int | None]:
    """Serve until the block ends, at the port given; nothing when it is None. CannotListen when it is taken."""
    if port is None:
        yield None
        return
    if port:
        check_address(host, port, option="THROUGHLINE_METRICS_PORT")
    server = make_server(host, port, _application(operations), _server_class(host), _Quiet)
    thread = threading.Thread(target=server.serve_forever, name="operations", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(operations: Operations) -> Callable[..., Iterable[bytes]]:
    def application(environ: Mapping[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            start("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return []
        status, media_type, body = operations.answer(environ.get("PATH_INFO", ""))
        headers = [
            ("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Server", "throughline"),
        ]  # fmt: skip
        start(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """As its parents do, but without asking the name server who we are, which may take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _SixServer(_Server):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[_Server]:
    return _SixServer if ":" in host else _Server


class _Quiet(WSGIRequestHandler):
    timeout = 10  # a client that says nothing does not keep a thread

    server_version, sys_version = "throughline", ""

    def log_message(self, *_: object) -> None:
        """Who asks is no news, and their address none of ours."""
