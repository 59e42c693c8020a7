"""Metrics: the catalogue lists exactly what there is, labels name no person, and sums stay true."""

import re
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from service.app.certificates import CertificateMetrics
from service.app.metrics import (
    FhirMetrics,
    StateMetrics,
    TokenMetrics,
    WorkMetrics,
    about_this_build,
    names_of,
)
from service.app.mllp_process import MllpMetrics
from service.app.observing import operation_of, outcome_of
from service.app.web_metrics import NotificationMetrics
from service.domain.tally import Tally
from service.domain.vocabulary import Cause, PathwayId, Reference, Timeliness
from service.ports import Claim
from tests.fakes import HOUSE_NOW

CATALOGUE = Path(__file__).parents[2] / "docs" / "metrics.md"
HARMLESS = {
    "pathway", "outcome", "why", "kind", "owner", "cause", "timeliness", "subscription", "operation", "version", "role",
    "sender", "certificate",
}  # fmt: skip
P = PathwayId("after-discharge")


def everything():
    registry = CollectorRegistry()
    about_this_build(registry, version="1", role="all")
    work = WorkMetrics(registry)
    FhirMetrics(registry, lambda: (1, 2, 3))
    TokenMetrics(registry)
    StateMetrics(registry).stand({"enrolments|p": 1}, None, HOUSE_NOW)
    NotificationMetrics(registry)
    MllpMetrics(registry)
    CertificateMetrics(registry, {"fhir-client": Path("/nowhere")})
    return registry, work


def families():
    """name as exposed -> (type, labels)."""
    found = {}
    for line in generate_latest(everything()[0]).decode().splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            if not name.endswith("_created"):
                found[name] = kind
    return found


def rows():
    text = CATALOGUE.read_text("utf-8")
    cells = [
        [c.strip() for c in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `throughline_")
    ]
    return {row[0].strip("`"): row for row in cells}


def test_the_catalogue_lists_every_metric_with_its_type_and_nothing_else():
    assert {name: row[1] for name, row in rows().items()} == families()


def test_the_catalogue_names_every_label_and_none_could_name_a_person():
    registry, _ = everything()
    declared = {}
    for collector in registry._collector_to_names:
        names = getattr(collector, "_labelnames", None)
        if names is not None:
            base = collector._name + {"counter": "_total", "info": "_info"}.get(collector._type, "")
            declared[base] = set(names)
    listed = {name: set(re.findall(r"`([a-z]+)`", row[2])) for name, row in rows().items()}
    for name, labels in declared.items():
        if not name.endswith("_info"):
            assert listed[name] == labels, name
    assert set().union(*listed.values()) <= HARMLESS


def test_every_expression_to_watch_names_metrics_that_exist():
    text = CATALOGUE.read_text("utf-8")
    watched = text[text.index("### What to watch") : text.index("## Traces")]
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"throughline_[a-z_]+", watched)
    }
    assert asked
    assert asked <= set(families())


def test_a_tally_becomes_flat_names_that_the_gauges_show_with_their_labels():
    tally = Tally(
        enrolments={P: 1},
        follow_ups={(P, Timeliness.OVERDUE): 2},
        unowned={P: 1},
        escalations={(P, Cause.UNOWNED): 1},
    )
    registry = CollectorRegistry()
    metrics = StateMetrics(registry)
    metrics.stand(names_of(tally), (HOUSE_NOW - timedelta(hours=2)).timestamp(), HOUSE_NOW)
    value = registry.get_sample_value
    assert value("throughline_running_enrolments", {"pathway": P}) == 1
    assert value("throughline_open_follow_ups", {"pathway": P, "timeliness": "overdue"}) == 2
    assert value("throughline_unowned_follow_ups", {"pathway": P}) == 1
    assert value("throughline_running_escalations", {"pathway": P, "cause": "unowned"}) == 1
    assert value("throughline_owned_ratio") == 0.5
    assert value("throughline_unowned_oldest_seconds") == 7200


def test_with_nothing_open_everything_that_is_open_is_owned():
    registry = CollectorRegistry()
    StateMetrics(registry).stand({}, None, HOUSE_NOW)
    assert registry.get_sample_value("throughline_owned_ratio") == 1
    assert registry.get_sample_value("throughline_unowned_oldest_seconds") == 0


def test_lateness_is_measured_at_the_first_try_only():
    registry, work = everything()
    person = Reference("Patient/ana")
    work.begun(Claim(person=person, token="1", due_at=HOUSE_NOW - timedelta(seconds=3)), HOUSE_NOW)
    work.begun(Claim(person=person, token="2"), HOUSE_NOW)
    assert registry.get_sample_value("throughline_due_lateness_seconds_count") == 1
    assert registry.get_sample_value("throughline_due_lateness_seconds_sum") == 3


def test_requests_are_told_apart_by_what_they_do_and_never_by_whom_they_are_about():
    asked = [
        "GET Task",
        "GET Task?",
        "POST Task",
        "PUT Task",
        "DELETE Task",
        "POST batch",
        "POST transaction",
        "GET metadata",
    ]
    assert [operation_of(doing) for doing in asked] == [
        "read", "search", "create", "update", "delete", "batch", "transaction", "metadata",
    ]  # fmt: skip
    assert [outcome_of(status) for status in (200, 404, 503, None)] == ["2xx", "4xx", "5xx", "none"]
