"""Which value of the Helm chart stands for which setting, so that whoever installed by the chart is told in its words.

Words only; tests hold this table against the chart itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from service.app.settings import PREFIX

CHART_VALUES: Mapping[str, str] = {
    "fhir_base_url": "fhir.baseUrl",
    "fhir_auth_token": "existingSecret (key fhir-token)",
    "fhir_auth_client_id": "fhir.auth.clientId",
    "fhir_auth_client_secret": "existingSecret (key fhir-client-secret)",
    "fhir_auth_client_secret_in": "fhir.auth.clientSecretIn",
    "fhir_auth_private_key": "existingSecret (key fhir-private-key)",
    "fhir_auth_private_key_next": "fhir.auth.privateKeyNextKey",
    "fhir_auth_private_key_previous": "fhir.auth.privateKeyPreviousKey",
    "fhir_auth_key_id": "fhir.auth.keyId",
    "fhir_auth_token_url": "fhir.auth.tokenUrl",
    "fhir_auth_scope": "fhir.auth.scope",
    "fhir_auth_audience": "fhir.auth.audience",
    "fhir_ca_file": "fhir.ca.existingSecret or fhir.ca.configMap",
    "fhir_client_certificate_file": "fhir.clientCertificate.existingSecret",
    "fhir_client_key_file": "fhir.clientCertificate.keyKey",
    "fhir_timeout_seconds": "fhir.timeoutSeconds",
    "fhir_server": "fhir.server",
    "redis_url": "existingSecret (key redis-url)",
    "key_prefix": "redis.keyPrefix",
    "public_url": "publicUrl",
    "secret_key": "existingSecret (key secret-key)",
    "secret_key_previous": "secretKey.previousKey",
    "mappings_dir": "mappings.from",
    "subscriptions_dir": "subscriptions.from",
    "accountable_practitioner": "accountablePractitioner",
    "timezone": "timezone",
    "lookback_days": "lookbackDays",
    "directory_seconds": "directorySeconds",
    "catch_up_seconds": "catchUpSeconds",
    "population_seconds": "populationSeconds",
    "canary_seconds": "canarySeconds",
    "lease_seconds": "leaseSeconds",
    "worker_concurrency": "worker.concurrency",
    "max_body_bytes": "maxBodyBytes",
    "max_depth": "maxDepth",
    "host": "listenAddress",
    "port": "web.port",
    "mllp_host": "listenAddress",
    "mllp_port": "mllp.port",
    "mllp_tls_certificate": "mllp.tls.existingSecret",
    "mllp_tls_key": "mllp.tls.keyKey",
    "mllp_tls_client_ca": "mllp.tls.clientCaKey",
    "metrics_port": "metrics.port",
    "traces_endpoint": "traces.endpoint",
    "log_format": "logFormat",
    "log_level": "logLevel",
}
"""Setting -> value of the chart; a secret by the key under which it stands in the Secret that the value names."""

SET_BY_THE_CHART: Mapping[str, str] = {
    "heartbeat_file": "the probes know where it is",
    "clock_file": "for demonstrations only",
}
"""Settings that no value stands for, and why."""

GROUPS: Mapping[str, str] = {"fhir_auth_": "fhir.auth"}
"""What a text means that names several settings at once: `THROUGHLINE_FHIR_AUTH_…`."""

_NAMED = re.compile(rf"\b{PREFIX}([A-Z0-9_]+)")


def in_the_chart(text: str) -> str:
    """`In the chart: fhir.baseUrl.` for the settings that a text names and that are values, each once; else nothing."""
    known = {**CHART_VALUES, **GROUPS}
    named = [found.lower() for found in _NAMED.findall(text)]
    own = [name if name in known else name.removesuffix("_file") for name in named]
    values = dict.fromkeys(known[name] for name in own if name in known)
    return f"In the chart: {', '.join(values)}." if values else ""
