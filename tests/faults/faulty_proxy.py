"""An HTTP proxy before a FHIR server that answers badly as told: by chance (seeded), for a time, or for one person.

Threads of its own on loopback; forwards everything else as it is. Knows nothing of what it carries.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from random import Random
from threading import Lock, Thread

import httpx

from tests.processes import PATIENCE

HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "keep-alive",
    "date",
    "server",
}
WRITES = {"POST", "PUT", "DELETE", "PATCH"}


class FaultyProxy:
    """`base_url` once opened; `to` is set to the server's origin when that is known."""

    def __init__(self, seed: int) -> None:
        self.to = ""
        self.down = False
        """Connections are cut without an answer."""
        self.faulty = 0.0
        """Share of requests that go wrong in one of the passing ways."""
        self.refuses: str | None = None
        """Writes whose body holds this are answered 400."""
        self.answered: Counter[str] = Counter()
        self._dice, self._lock = Random(seed), Lock()
        # In turn, so that each kind comes about however few requests there are.
        self._writes_go = cycle(["409", "lost", "503", "429", "cut", "500", "503 asked to wait"])
        self._reads_go = cycle(["503", "cut", "429", "lost", "500", "503 asked to wait"])
        self._http = httpx.Client(timeout=PATIENCE, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/fhir"

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._http.close()

    def fault_for(self, method: str, body: bytes) -> str | None:
        """What happens to one request; None: it is carried through."""
        with self._lock:
            if self.down:
                return "cut"
            if self.refuses and method in WRITES and self.refuses.encode() in body:
                return "400"
            if self._dice.random() >= self.faulty:
                return None
            return next(self._writes_go if method in WRITES else self._reads_go)

    def carry(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response | None:
        """The server's own answer; None when it does not give one."""
        try:
            return self._http.request(method, self.to + path, content=body, headers=headers)
        except httpx.HTTPError:
            return None


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> object:
        """`do_GET` and its like: every method goes the same way."""
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.fault_for(self.command, body)
        self.proxy.answered[fault or "carried through"] += 1
        if fault not in {None, "lost", "cut"}:
            self._refuse(str(fault))
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
        answer = None if fault == "cut" else self.proxy.carry(self.command, self.path, body, headers)
        if answer is None or fault == "lost":  # the latter is done, but nobody hears it
            self._hang_up()
            return
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
        self._answer(answer.status_code, answer.content, kept)

    def _refuse(self, fault: str) -> None:
        status = int(fault.split(maxsplit=1)[0])
        issue = {"severity": "error", "code": "transient" if status != 400 else "invariant"}
        body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
        waits = {"Retry-After": "1"} if "wait" in fault else {}
        self._answer(status, body, {"Content-Type": "application/fhir+json", **waits})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None: ...
