"""Real certificates for tests of TLS: an authority of this run and whoever it vouches for, as PEM files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def authority_with(folder: Path, *names: str) -> Path:
    """`ca.pem`, and `<name>.pem` with `<name>.key` for each: CN is the name, DNS `<name>.example`, at 127.0.0.1."""
    authority = ec.generate_private_key(ec.SECP256R1())
    write(
        folder,
        "ca",
        authority,
        signed("authority", authority, by="authority", key=authority, is_authority=True),
    )
    for name in names:
        own = ec.generate_private_key(ec.SECP256R1())
        write(folder, name, own, signed(name, own, by="authority", key=authority))
    return folder


def signed(
    name: str,
    own: ec.EllipticCurvePrivateKey,
    *,
    by: str,
    key: ec.EllipticCurvePrivateKey,
    is_authority: bool = False,
) -> x509.Certificate:
    def called(who: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])

    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName(
        [x509.DNSName(f"{name}.example"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=is_authority, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = x509.CertificateBuilder(
        called(by), called(name), own.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=2)
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    return (
        builder.add_extension(here, critical=False)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, *plain))
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
