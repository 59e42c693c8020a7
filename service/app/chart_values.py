"""Which value of the Helm chart stands for which setting, so that whoever installed by the chart is told in its words.

Words only; tests hold this table against the chart itself.
"""

from __future__ import annotations

from collections.abc import Mapping

CHART_VALUES: Mapping[str, str] = {
    "fhir_base_url": "fhir.baseUrl",
    "fhir_auth_token": "existingSecret (key fhir-token)",
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
    "port": "web.port",
    "metrics_port": "metrics.port",
    "log_level": "logLevel",
}
"""Setting -> value of the chart; a secret by the key under which it stands in the Secret that the value names."""

EXTRA = "extraEnv sets it, with the file of a secret or certificate from extraVolumes"
NO_DOOR = "the chart has no workload for HL7 v2: run `throughline mllp` as one of your own (docs/messages.md)"
SET_BY_THE_CHART: Mapping[str, str] = {
    "host": "a container listens at every address of its pod",
    "heartbeat_file": "the probes know where it is",
    "clock_file": "for demonstrations only",
    "fhir_auth_client_id": EXTRA,
    "fhir_auth_client_secret": EXTRA,
    "fhir_auth_client_secret_in": EXTRA,
    "fhir_auth_private_key": EXTRA,
    "fhir_auth_private_key_next": EXTRA,
    "fhir_auth_private_key_previous": EXTRA,
    "fhir_auth_key_id": EXTRA,
    "fhir_auth_token_url": EXTRA,
    "fhir_auth_scope": EXTRA,
    "fhir_auth_audience": EXTRA,
    "fhir_ca_file": EXTRA,
    "fhir_client_certificate_file": EXTRA,
    "fhir_client_key_file": EXTRA,
    "mllp_host": NO_DOOR,
    "mllp_port": NO_DOOR,
    "mllp_tls_certificate": NO_DOOR,
    "mllp_tls_key": NO_DOOR,
    "mllp_tls_client_ca": NO_DOOR,
    "traces_endpoint": EXTRA,
    "log_format": EXTRA,
}
"""Settings that no value stands for, and why."""


def in_the_chart(setting: str) -> str:
    """`In the chart: fhir.baseUrl.` for a setting that has a value, else nothing."""
    value = CHART_VALUES.get(setting)
    return f"In the chart: {value}." if value else ""
