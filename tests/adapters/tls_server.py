"""A FHIR server behind TLS that asks who is calling."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.certificates import Authority


class TlsServer(ThreadingHTTPServer):
    """Answers every GET with an empty searchset; `callers` are the names in the certificates shown."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.callers: list[str | None] = []

    @property
    def base_url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/fhir"

    def handle_error(self, *_: object) -> None:
        """A caller who is turned away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown: Any = self.connection
        subject = dict(pair[0] for pair in (shown.getpeercert() or {}).get("subject", ()))
        server: Any = self.server
        server.callers.append(subject.get("commonName"))
        body = b'{"resourceType":"Bundle","type":"searchset"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def tls_server(authority: Authority, *, asks_who: bool) -> Iterator[TlsServer]:
    server = TlsServer()
    with behind_tls(server, authority, asks_who=asks_who):
        yield server


@contextmanager
def behind_tls(server: ThreadingHTTPServer, authority: Authority, *, asks_who: bool) -> Iterator[None]:
    """Serves in a thread until the block ends; with `asks_who` only those whom the authority vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("record", into="server"))
    if asks_who:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
