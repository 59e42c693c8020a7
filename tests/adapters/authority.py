"""A private certificate authority, and a FHIR server behind TLS that asks who is calling."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates into a folder; `ca` is its own."""

    def __init__(self, folder: Path, name: str = "Hospital CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.ca = folder, folder / "ca.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(self._name, self._key.public_key(), is_authority=True, days=365)
        self.ca.write_bytes(made.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, into: str = "tls", days: int = 90) -> tuple[Path, Path]:
        """(certificate, key) for `name` and for loopback; written over what was there."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key.public_key(), is_authority=False, days=days)
        paths = self.folder / f"{into}.crt", self.folder / f"{into}.key"
        new = [path.with_suffix(f"{path.suffix}.new") for path in paths]
        new[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        new[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        for fresh, path in zip(new, paths, strict=True):
            fresh.replace(path)
        return paths

    def _signed(self, subject: x509.Name, public: Any, *, is_authority: bool, days: int) -> x509.Certificate:
        now = datetime.now(UTC)
        names = [x509.IPAddress(ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, SHA256())
        )


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
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("record", into="server"))
    if asks_who:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
    server = TlsServer()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
