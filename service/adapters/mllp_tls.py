"""TLS of the MLLP server: its certificate, read again when it is renewed, and the authority of its clients."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class ServerTls:
    """TLS 1.2 or newer. New connections are shown the certificate that the files held when `refresh` last looked."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """With `client_ca` only clients whose certificate it signed. OSError or ssl.SSLError for bad files."""
        self._certificate, self._key = certificate, key
        self._loaded = self._refused = self._stamps()
        self.context = self._read()
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED

    def refresh(self) -> bool:
        """Whether a renewed certificate is in use from now on; one that cannot be used leaves the former in use."""
        now = self._stamps()
        if now == self._loaded:
            return False
        try:
            self._read()  # tried first: a context that has taken a certificate without its key would be of no use
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as problem:
            if now != self._refused:  # half-written, for instance: looked at again, and told once
                log.warning(
                    "a renewed certificate cannot be used (%s); the former is shown", type(problem).__name__
                )
            self._refused = now
            return False
        self._loaded = now
        return True

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        """A mounted secret is replaced by a new file behind the same name."""
        found = [path.stat() for path in (self._certificate, self._key) if path.exists()]
        return tuple((each.st_mtime_ns, each.st_ino) for each in found)
