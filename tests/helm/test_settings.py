"""Every setting is a value of the chart, arrives in the right containers, and doctor names it so."""

from __future__ import annotations

from typing import Any

import pytest

from service.app.chart_values import CHART_VALUES, SET_BY_THE_CHART
from service.app.settings import Settings, load_settings, secret_names, unknown_variables, variable
from tests.helm.chart import COMPONENTS, environment, pods, rendered, with_five

TRIED: dict[str, Any] = {
    "fhir_base_url": "https://other.example.org/fhir",
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
    "port": 8081,
    "metrics_port": 9091,
    "log_level": "DEBUG",
}
"""Another value for each setting that is no secret and no folder."""
SECRETS = set(secret_names()) - set(SET_BY_THE_CHART)
FOLDERS = {"mappings_dir": "mappings", "subscriptions_dir": "subscriptions"}


def set_at(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: set_at(rest, value) if rest else value}


def told(values: dict[str, Any]) -> dict[str, str]:
    """Every variable that some component is told."""
    manifests = rendered(with_five(**values))
    return {name: value for _, pod in pods(manifests) for name, value in environment(pod).items()}


def test_every_setting_is_a_value_or_says_why_not():
    assert set(CHART_VALUES) | set(SET_BY_THE_CHART) == set(Settings.model_fields)
    assert not set(CHART_VALUES) & set(SET_BY_THE_CHART)
    assert set(TRIED) | set(FOLDERS) | SECRETS == set(CHART_VALUES)


@pytest.mark.parametrize("setting", TRIED)
def test_a_value_arrives_as_its_setting(setting):
    said = told(set_at(CHART_VALUES[setting], TRIED[setting]))[variable(setting)]
    assert getattr(load_settings({variable(setting): said}), setting) == TRIED[setting]


@pytest.mark.parametrize("setting", FOLDERS)
def test_a_folder_from_elsewhere_is_where_the_setting_says(setting):
    what = FOLDERS[setting]
    name = variable(setting)
    assert name not in told({})
    assert told({what: {"from": "files", "files": {"a.yaml": ""}}})[name] == f"/etc/throughline/{what}"
    git = {"repository": "r", "revision": "v1", "image": "i", "path": "care"}
    assert told({what: {"from": "git", "git": git}})[name] == f"/etc/throughline/{what}/current/care"
    oci = {"reference": "r@sha256:1", "path": "care"}
    assert told({what: {"from": "oci", "oci": oci}})[name] == f"/etc/throughline/{what}/care"


@pytest.mark.parametrize("setting", sorted(SECRETS))
def test_a_secret_arrives_as_a_file(setting):
    values = {"secretKey": {"previousKey": "before"}} if setting == "secret_key_previous" else {}
    assert told(values)[f"{variable(setting)}_FILE"].startswith("/run/secrets/throughline/")
    assert variable(setting) not in told(values)


def test_the_chart_sets_nothing_that_means_nothing():
    assert unknown_variables(told({"secretKey": {"previousKey": "before"}})) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_left_alone_the_chart_says_what_the_application_would_assume(component):
    """One truth: a default that differs here would surprise whoever moves from `throughline up` to the chart."""
    here = next(environment(pod) for name, pod in pods(rendered(with_five())) if name == component)
    own = {
        "host",
        "port",
        "metrics_port",
        "heartbeat_file",
        "fhir_base_url",
        "public_url",
        "accountable_practitioner",
    }
    for name in Settings.model_fields.keys() - own:
        if variable(name) in here:
            assert (
                getattr(load_settings(here_without_files(here)), name) == Settings.model_fields[name].default
            )


def here_without_files(environment_: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment_.items() if not name.endswith("_FILE")}
