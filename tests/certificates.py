"""Real certificates for tests of TLS: an authority of this run and whoever it vouches for, as PEM files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
        """(certificate, key) for `name`, `<name>.example` and loopback; written over what was there."""
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
        [common] = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
        if not is_authority:
            names.append(x509.DNSName(f"{common.value!s}.example"))
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


def authority_with(folder: Path, *names: str) -> Path:
    """`ca.crt`, and `<name>.crt` with `<name>.key` for each."""
    authority = Authority(folder)
    for name in names:
        authority.issue(name, into=name)
    return folder
