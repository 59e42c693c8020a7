"""TLS with the FHIR server and its token server: a private authority, a certificate of ours, both read again when renewed.

Certificates are always verified; there is no way to switch that off.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import certifi


class TlsProblem(Exception):
    """Use this when a certificate or key cannot be used; names which file, never what it holds."""


class Tls:
    """One SSL context for all connections. New connections use what the files hold when `refresh` last looked."""

    def __init__(
        self, *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        """`ca`: authorities trusted besides the public ones. `key`: None when it stands in `certificate`. TlsProblem."""
        self._ca, self._certificate, self._key = ca, certificate, key
        self._lock = Lock()
        self.context = ssl.create_default_context(cafile=certifi.where())
        self._loaded = self._stamps()
        self._load()

    def refresh(self) -> None:
        """Read files that have changed; a file that cannot be used yet leaves what was there before in use."""
        now = self._stamps()
        if now == self._loaded:
            return
        with self._lock:
            if now == self._loaded:
                return
            try:
                self._load()
            except TlsProblem:
                return  # half-written, for instance: looked at again with the next request
            self._loaded = now

    def _load(self) -> None:
        if self._ca is not None:
            try:
                self.context.load_verify_locations(cafile=self._ca)
            except (OSError, ssl.SSLError):
                raise TlsProblem(
                    f"{self._ca.name} holds no certificate of an authority in PEM form"
                ) from None
        if self._certificate is not None:
            try:
                self.context.load_cert_chain(self._certificate, self._key, password="")
            except (OSError, ssl.SSLError, ValueError):
                raise TlsProblem(
                    f"{self._certificate.name} and its key cannot be used together: PEM, certificate first, key without"
                    " a passphrase"
                ) from None

    def _stamps(self) -> Mapping[Path, tuple[int, int]]:
        """A mounted secret is replaced by a new file behind the same name."""
        stamps = {}
        for path in (self._ca, self._certificate, self._key):
            if path is not None and path.exists():
                found = path.stat()
                stamps[path] = (found.st_mtime_ns, found.st_ino)
        return stamps
