"""When the certificates that the settings name end: read anew for each who asks, because a mounted one is renewed in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.app.settings import Settings


class NoCertificate(Exception):
    """Use this when a file cannot be read or holds no certificate."""


def first_end(path: Path) -> datetime:
    """When the first of the certificates in a PEM file ends. NoCertificate."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise NoCertificate(path.name) from None
    return min(each.not_valid_after_utc for each in found)


def record_certificates(settings: Settings) -> dict[str, Path]:
    """Those with which we speak to the FHIR server, by what they are called in metrics."""
    return _set(
        {"fhir-client": settings.fhir_client_certificate_file, "fhir-authority": settings.fhir_ca_file}
    )


def mllp_certificates(settings: Settings) -> dict[str, Path]:
    """Those with which HL7 v2 is taken in."""
    return _set({"mllp": settings.mllp_tls_certificate, "mllp-clients": settings.mllp_tls_client_ca})


class CertificateMetrics(Collector):
    """When each certificate ends; 0 for one that cannot be read, which is as bad as one that has ended."""

    def __init__(self, registry: CollectorRegistry, files: Mapping[str, Path]) -> None:
        self._files = files
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "throughline_certificate_expiry_timestamp_seconds",
            "When the first certificate of a file ends, epoch seconds; 0: it cannot be read.",
            labels=("certificate",),
        )
        for name, path in self._files.items():
            family.add_metric([name], _ends(path))
        yield family


def _ends(path: Path) -> float:
    try:
        return first_end(path).timestamp()
    except NoCertificate:
        return 0.0


def _set(named: Mapping[str, Path | None]) -> dict[str, Path]:
    return {name: path for name, path in named.items() if path is not None}
