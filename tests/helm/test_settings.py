"""Every setting is a value of the chart, arrives in the right containers, and doctor names it so."""

from __future__ import annotations

from typing import Any

import pytest

from service.app.chart_values import CHART_VALUES, SET_BY_THE_CHART
from service.app.settings import Settings, load_settings, secret_names, unknown_variables, variable
from tests.helm.chart import COMPONENTS, Manifest, environment, pod_of, pods, rendered, with_five

TRIED: dict[str, Any] = {
    "fhir_base_url": "https://other.example.org/fhir",
    "fhir_auth_client_id": "other",
    "fhir_auth_client_secret_in": "body",
    "fhir_auth_key_id": "2026-12",
    "fhir_auth_token_url": "https://other.example.org/token",
    "fhir_auth_scope": "system/*.rs",
    "fhir_auth_audience": "https://other.example.org",
    "fhir_timeout_seconds": 33.0,
    "fhir_server": "hapi",
    "key_prefix": "other:",
    "public_url": "https://other.example.org",
    "accountable_practitioner": "PractitionerRole/other",
    "timezone": "America/Denver",
    "lookback_days": 31,
    "directory_seconds": 16.0,
    "catch_up_seconds": 61,
    "population_seconds": 901,
    "canary_seconds": 301,
    "lease_seconds": 31,
    "worker_concurrency": 5,
    "max_body_bytes": 6_000_000,
    "max_depth": 65,
    "host": "::",
    "port": 8081,
    "mllp_host": "::",
    "mllp_port": 6661,
    "metrics_port": 9091,
    "traces_endpoint": "http://other:4318/v1/traces",
    "log_format": "text",
    "log_level": "DEBUG",
}
"""Another value for each setting that is no secret, no folder and no certificate."""
SECRETS = set(secret_names())
FOLDERS = {"mappings_dir": "mappings", "subscriptions_dir": "subscriptions"}
KEYS = {"privateKeyNextKey": "next", "privateKeyPreviousKey": "before"}
SMART: dict[str, Any] = {"method": "privateKey", "clientId": "throughline"}
MLLP: dict[str, Any] = {"enabled": True, "tls": {"existingSecret": "mllp", "clientCaKey": "clients.crt"}}
TAKES_HL7V2: dict[str, Any] = {
    "mllp": MLLP,
    "networkPolicy": {"ingress": {"mllp": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}},
}
CERTIFICATES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "fhir_ca_file": ({"fhir": {"ca": {"configMap": "authorities", "key": "a.pem"}}}, {"authorities": "a.pem"}),
    "fhir_client_certificate_file": ({"fhir": {"clientCertificate": {"existingSecret": "ours"}}}, {"ours": "tls.crt"}),
    "fhir_client_key_file": ({"fhir": {"clientCertificate": {"existingSecret": "ours"}}}, {"ours": "tls.key"}),
    "mllp_tls_certificate": (TAKES_HL7V2, {"mllp": "tls.crt"}),
    "mllp_tls_key": (TAKES_HL7V2, {"mllp": "tls.key"}),
    "mllp_tls_client_ca": (TAKES_HL7V2, {"mllp": "clients.crt"}),
}  # fmt: skip
"""Values that name a file, and the Secret or ConfigMap with the key that has to stand there."""
NEEDED: dict[str, dict[str, Any]] = {
    **{n: {"fhir": {"auth": SMART}} for n in TRIED if n.startswith("fhir_auth_")},
    "fhir_auth_client_secret_in": {"fhir": {"auth": {**SMART, "method": "clientSecret"}}},
    "fhir_auth_client_secret": {"fhir": {"auth": {**SMART, "method": "clientSecret"}}},
    "fhir_auth_private_key": {"fhir": {"auth": SMART}},
    "fhir_auth_private_key_next": {"fhir": {"auth": {**SMART, **KEYS}}},
    "fhir_auth_private_key_previous": {"fhir": {"auth": {**SMART, **KEYS}}},
    "secret_key_previous": {"secretKey": {"previousKey": "before"}},
    "mllp_host": TAKES_HL7V2,
    "mllp_port": TAKES_HL7V2,
}
"""Other values without which a setting means nothing."""


def set_at(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: set_at(rest, value) if rest else value}


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: merged(first[name], second[name])
        for name in first.keys() & second.keys()
        if isinstance(first[name], dict)
    }
    return {**first, **second, **both}


def told(values: dict[str, Any]) -> dict[str, str]:
    """Every variable that some component is told."""
    manifests = rendered(merged(with_five(), values))
    return {name: value for _, pod in pods(manifests) for name, value in environment(pod).items()}


def test_every_setting_is_a_value_or_says_why_not():
    assert set(CHART_VALUES) | set(SET_BY_THE_CHART) == set(Settings.model_fields)
    assert not set(CHART_VALUES) & set(SET_BY_THE_CHART)
    assert set(TRIED) | set(FOLDERS) | set(CERTIFICATES) | SECRETS == set(CHART_VALUES)


@pytest.mark.parametrize("setting", TRIED)
def test_a_value_arrives_as_its_setting(setting):
    said = told(merged(NEEDED.get(setting, {}), set_at(CHART_VALUES[setting], TRIED[setting])))[
        variable(setting)
    ]
    assert getattr(load_settings({variable(setting): said}), setting) == TRIED[setting]


@pytest.mark.parametrize("setting", FOLDERS)
def test_a_folder_from_elsewhere_is_where_the_setting_says(setting):
    what = FOLDERS[setting]
    name = variable(setting)
    assert name not in told({})
    assert told({what: {"from": "files", "files": {"a.yaml": ""}}})[name] == f"/etc/throughline/{what}"
    git = {"repository": "https://git.example.org/r", "revision": "v1", "image": "i", "path": "care"}
    assert told({what: {"from": "git", "git": git}})[name] == f"/etc/throughline/{what}/current/care"
    oci = {"reference": "r@sha256:1", "path": "care"}
    assert told({what: {"from": "oci", "oci": oci}})[name] == f"/etc/throughline/{what}/care"


@pytest.mark.parametrize("setting", sorted(SECRETS))
def test_a_secret_arrives_as_a_file(setting):
    values = NEEDED.get(setting, {})
    assert told(values)[f"{variable(setting)}_FILE"].startswith("/run/secrets/throughline/")
    assert variable(setting) not in told(values)


@pytest.mark.parametrize("setting", CERTIFICATES)
def test_a_certificate_is_mounted_where_the_setting_says(setting):
    values, [(source, key)] = CERTIFICATES[setting][0], CERTIFICATES[setting][1].items()
    told_by = [
        (pod, environment(pod)[variable(setting)])
        for component, pod in pods(rendered(merged(with_five(), values)))
        if variable(setting) in environment(pod) and (component == "mllp") is setting.startswith("mllp")
    ]
    assert told_by
    assert {(source, key)} == {mounted(pod, path) for pod, path in told_by}
    assert variable(setting) not in told({})


def mounted(pod: Manifest, path: str) -> tuple[str, str]:
    """(Secret or ConfigMap, key in it) that a container finds at a path."""
    folder, _, file = path.rpartition("/")
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    [name] = [mount["name"] for mount in mounts if mount["mountPath"] == folder]
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == name]
    source = volume.get("secret") or volume["configMap"]
    [key] = [item["key"] for item in source["items"] if item["path"] == file]
    return source.get("secretName") or source["name"], key


METHODS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "token": ({}, {"FHIR_AUTH_TOKEN_FILE"}),
    "none": ({}, set()),
    "privateKey": (SMART, {"FHIR_AUTH_PRIVATE_KEY_FILE", "FHIR_AUTH_CLIENT_ID"}),
    "clientSecret": (SMART, {"FHIR_AUTH_CLIENT_SECRET_FILE", "FHIR_AUTH_CLIENT_SECRET_IN", "FHIR_AUTH_CLIENT_ID"}),
    "certificate": ({}, {"FHIR_CLIENT_CERTIFICATE_FILE", "FHIR_CLIENT_KEY_FILE"}),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("component", ["web", "worker", "subscriptions", "doctor"])
def test_whoever_speaks_to_the_record_is_given_one_proof_and_what_belongs_to_it(component, method):
    given, wanted = METHODS[method]
    fhir: dict[str, Any] = {"auth": {**given, "method": method}}
    if method == "certificate":
        fhir["clientCertificate"] = {"existingSecret": "ours"}
    pod = pod_of(rendered(with_five(fhir=fhir)), component)
    said = {name.removeprefix("THROUGHLINE_") for name in environment(pod)}
    assert {name for name in said if name.startswith(("FHIR_AUTH", "FHIR_CLIENT"))} == wanted


def test_the_chart_sets_nothing_that_means_nothing():
    everything = {name: value for values in NEEDED.values() for name, value in told(values).items()}
    assert len(everything) > 30
    assert unknown_variables(everything) == []


@pytest.mark.parametrize("component", [*COMPONENTS, "mllp"])
def test_left_alone_the_chart_says_what_the_application_would_assume(component):
    """One truth: a default that differs here would surprise whoever moves from `throughline up` to the chart."""
    here = environment(pod_of(rendered(with_five(**TAKES_HL7V2)), component))
    own = {
        "host",
        "port",
        "metrics_port",
        "heartbeat_file",
        "fhir_base_url",
        "public_url",
        "accountable_practitioner",
        "mllp_host",
        *CERTIFICATES,
    }
    for name in Settings.model_fields.keys() - own:
        if variable(name) in here:
            assert (
                getattr(load_settings(here_without_files(here)), name) == Settings.model_fields[name].default
            )


def here_without_files(environment_: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment_.items() if not name.endswith("_FILE")}
