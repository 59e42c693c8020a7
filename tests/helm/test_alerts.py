"""Alerts and dashboard speak of metrics that exist, in PromQL that is read, and each alert leads to its runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from service.app.certificates import CertificateMetrics
from service.app.metrics import FhirMetrics, StateMetrics, TokenMetrics, WorkMetrics
from service.app.mllp_process import MllpMetrics
from service.app.web_metrics import NotificationMetrics
from service.fhir.notification_answers import Outcome
from tests.helm.chart import CHART, NAMESPACE, ROOT, one, rendered, values_of

SCRAPED = {"up"}
"""Metrics that Prometheus makes by itself."""
METRIC = re.compile(r"\bthroughline_[a-z0-9_]+")


def rules() -> list[dict[str, Any]]:
    spec = one(rendered(values_of("messages")), "PrometheusRule")["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def dashboard() -> dict[str, Any]:
    data = one(rendered(values_of("hospital")), "ConfigMap", "-dashboard")["data"]
    return dict(json.loads(data["throughline.json"]))


def queries() -> Iterator[str]:
    """Every query of the dashboard, with its variable as Grafana fills it in."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$namespace", NAMESPACE)


def metrics() -> dict[str, set[str]]:
    """Every sample that our processes show -> its labels."""
    registry = CollectorRegistry()
    WorkMetrics(registry)
    StateMetrics(registry)
    NotificationMetrics(registry)
    FhirMetrics(registry, lambda: (0, 0, 0))
    TokenMetrics(registry)
    MllpMetrics(registry)
    CertificateMetrics(registry, {})
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    named: Any = registry._collector_to_names
    labels = {name: set(getattr(c, "_labelnames", ())) for c, names in named.items() for name in names}
    return {
        family.name + ending: labels.get(family.name, set())
        for family in registry.collect()
        for ending in endings[family.type]
    }


ALARMING = {
    "throughline_queue_answers",
    "throughline_inbox_oldest_seconds",
    "throughline_behind_seconds",
    "throughline_unowned_oldest_seconds",
    "throughline_coverage_missed",
    "throughline_dead_letters",
    "throughline_fhir_request_seconds_bucket",
    "throughline_sender_heard_timestamp_seconds",
    "throughline_subscription_heard",
    "throughline_canary_lost",
    "throughline_fhir_token_requests_total",
    "throughline_hl7v2_messages_total",
    "throughline_certificate_expiry_timestamp_seconds",
}
ON_THE_DASHBOARD = ALARMING | {
    "throughline_notification_lag_seconds_bucket",
    "throughline_due_lateness_seconds_bucket",
    "throughline_unowned_follow_ups",
    "throughline_escalations_total",
    "throughline_running_escalations",
    "throughline_fhir_retries_total",
    "throughline_fhir_token_expiry_timestamp_seconds",
    "throughline_coverage_enrolled",
    "throughline_catch_ups_total",
    "throughline_mllp_connections",
    "throughline_canary_seconds",
}
EXPRESSIONS = [str(rule["expr"]) for rule in rules()] + list(queries())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_promql(expression):
    assert promql_parser.parse(expression)


def test_what_is_no_promql_would_be_noticed():
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse("sum(rate(throughline_writes_total[5m])")


def test_alerts_and_dashboard_speak_of_metrics_that_there_are():
    used = {name for expression in EXPRESSIONS for name in METRIC.findall(expression)}
    assert used - metrics().keys() == set()
    assert len(used) >= 30


def test_they_speak_of_labels_that_there_are():
    of = metrics()
    for expression in EXPRESSIONS:
        for name, selector in re.findall(r"(throughline_[a-z0-9_]+)\{([^}]*)\}", expression):
            asked = set(re.findall(r"([a-z_]+)\s*(?:=~|=|!=|!~)", selector)) - {"namespace"}
            assert asked <= of[name], expression


def test_what_operators_were_promised_to_see_is_in_the_dashboard_and_what_harms_raises_an_alert():
    shown = set(METRIC.findall(" ".join(queries())))
    assert ON_THE_DASHBOARD - shown == set()
    alarmed = set(METRIC.findall(" ".join(str(rule["expr"]) for rule in rules())))
    assert ALARMING | {"throughline_catch_up_timestamp_seconds"} <= alarmed


def test_outcomes_of_notifications_are_spelt_as_they_are_counted():
    known = {outcome.value for outcome in Outcome}
    named = {
        outcome
        for expression in EXPRESSIONS
        for outcomes in re.findall(r'throughline_notifications_total\{[^}]*outcome=~"([^"]*)"', expression)
        for outcome in outcomes.split("|")
    }
    assert named - known == set()
    assert "not-stored" in named


def test_every_expression_stays_within_this_installation():
    for expression in EXPRESSIONS:
        for selector in re.findall(r"(?:throughline_[a-z0-9_]+|\bup)(\{[^}]*\})?", expression):
            assert f'namespace="{NAMESPACE}"' in selector, expression
        for selector in re.findall(r"throughline:[a-z0-9_:]+(\{[^}]*\})?", expression):
            assert selector == f'{{namespace="{NAMESPACE}"}}', expression


def test_whatever_is_recorded_and_every_alert_says_whose_it_is():
    """Two installations that one Prometheus watches would overwrite each other's records, and be one alert."""
    assert {rule["labels"]["namespace"] for rule in rules()} == {NAMESPACE}


def test_recorded_rules_are_those_that_alerts_use():
    recorded = {str(rule["record"]) for rule in rules() if "record" in rule}
    used = {name for alert in alerts() for name in re.findall(r"throughline:[a-z0-9_:]+", str(alert["expr"]))}
    assert used == recorded


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_harms_how_much_and_where_to_read_on(alert):
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
    base, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert base == "https://wiki.example.org/throughline/runbooks"
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "runbooks.md").read_text("utf-8"), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert alert["alert"].lower() == anchor


def test_no_runbook_is_of_an_alert_that_there_is_not():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "runbooks.md").read_text("utf-8"), re.MULTILINE)
    assert set(headings) == {alert["alert"] for alert in alerts()}


def test_a_month_s_budget_burns_at_the_rates_of_the_four_windows():
    """Fast: 2 % in an hour or 5 % in six. Slow: 10 % in a day or three days. A short window lets the alert end soon."""
    budgets = {"notifications": 0.001, "due": 0.001, "reconcile": 0.01}
    for alert in alerts():
        slo = alert["labels"].get("slo")
        if slo:
            rates = (3, 1) if alert["alert"].endswith("Slowly") else (14.4, 6)
            limits = re.findall(r"> ([0-9.]+)", alert["expr"])
            wanted = [rate * budgets[slo] for rate in rates for _ in range(2)]
            assert [float(limit) for limit in limits] == pytest.approx(wanted)


def test_the_rules_stand_in_a_file_that_prometheus_can_use_without_the_operator():
    groups = yaml.safe_load((CHART / "files" / "rules.yaml").read_text("utf-8"))["groups"]
    assert [group["name"] for group in groups] == [
        "throughline-service-levels",
        "throughline-burn",
        "throughline-silence",
        "throughline-hl7v2",
    ]


def test_nobody_is_told_that_hl7v2_is_down_where_it_was_never_up():
    groups = one(rendered(values_of("hospital")), "PrometheusRule")["spec"]["groups"]
    assert "throughline-hl7v2" not in [group["name"] for group in groups]


def test_a_site_says_how_long_a_sender_may_keep_silent():
    values = values_of("hospital")
    values["prometheusRule"]["senderSilentHours"] = 60
    groups = one(rendered(values), "PrometheusRule")["spec"]["groups"]
    [alert] = [r for g in groups for r in g["rules"] if r.get("alert") == "ThroughlineSenderIsSilent"]
    assert alert["expr"].endswith(" > 216000")


def test_the_dashboard_is_found_by_grafana_and_explains_itself():
    manifest = one(rendered(values_of("hospital")), "ConfigMap", "-dashboard")
    assert manifest["metadata"]["labels"]["grafana_dashboard"] == "1"
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    assert len(panels) >= 12
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_prometheus_finds_web_and_through_one_service_worker_and_scheduler():
    manifests = rendered(values_of("hospital"))
    monitor = one(manifests, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == ["http", "metrics"]
    metrics = one(manifests, "Service", "-metrics")["spec"]
    assert metrics["clusterIP"] == "None"
    assert "app.kubernetes.io/component" not in metrics["selector"]
