"""A gate before a FHIR server, as a strict hospital has one: TLS of its own authority, a client certificate, and a token.

Tokens are issued at /token to whoever signs with a key that our own web process publishes (SMART Backend Services).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt

from tests.adapters.tls_server import behind_tls
from tests.certificates import Authority
from tests.processes import PATIENCE

TOKEN = "issued-by-the-gatekeeper"
CARRIED = ("content-type", "accept", "prefer", "if-match", "if-none-exist")


class Gatekeeper(ThreadingHTTPServer):
    """`keys_at` is where our public keys are fetched; set once web is known. `refused` counts requests without a token."""

    daemon_threads = True

    def __init__(self, record: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.record = record
        self.keys_at = ""
        self.issued = self.refused = 0

    @property
    def base_url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/fhir"

    @property
    def token_url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/token"

    def is_proved(self, assertion: str) -> bool:
        """Whether one of the keys that web publishes signed it, for us and about the client that was registered."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.keys_at, timeout=PATIENCE) as answer:
            published = {key["kid"]: key for key in json.load(answer)["keys"]}
        key = published.get(jwt.get_unverified_header(assertion)["kid"])
        if key is None:
            return False
        claims = jwt.decode(assertion, jwt.PyJWK(key).key, algorithms=[key["alg"]], audience=self.token_url)
        return bool(claims["iss"] == claims["sub"] == "throughline")

    def handle_error(self, *_: object) -> None:
        """A caller who is turned away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: Gatekeeper

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            self._issue(parse_qs(body.decode()))
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.server.refused += 1
            self._say(401, b"{}")
        else:
            self._carry(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  (names of the library)

    def _issue(self, form: dict[str, list[str]]) -> None:
        if not self.server.is_proved(form["client_assertion"][0]):
            self._say(401, b'{"error": "invalid_client"}')
            return
        self.server.issued += 1
        told = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300}
        self._say(200, json.dumps(told).encode())

    def _carry(self, body: bytes) -> None:
        headers = {name: self.headers[name] for name in CARRIED if name in self.headers}
        url = self.server.record + self.path.removeprefix("/fhir")
        answer = httpx.request(
            self.command, url, content=body, headers=headers, trust_env=False, timeout=PATIENCE
        )
        self._say(answer.status_code, answer.content, answer.headers)

    def _say(self, status: int, body: bytes, headers: Any = None) -> None:
        self.send_response(status)
        kept = ("content-type", "etag", "location", "last-modified")
        for name in kept if headers else ():
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def gate(record: str, authority: Authority) -> Iterator[Gatekeeper]:
    server = Gatekeeper(record)
    with behind_tls(server, authority, asks_who=True):
        yield server
