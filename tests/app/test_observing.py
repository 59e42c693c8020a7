"""Traces: exported only where an address is set, continued from the notification, and never in the way of the work."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from service.adapters.tracing import Tracing, ids_here
from service.app.metrics import FhirMetrics, WorkMetrics
from service.app.observing import TracesWanted, followed, on_taken, open_observation, traces_wanted, watcher
from service.app.settings import load_settings
from service.domain.vocabulary import Reference
from tests.processes import free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("test"))


@pytest.mark.parametrize(
    ("given", "environ", "wanted"),
    [
        ({}, {}, TracesWanted(on=False)),
        ({"traces_endpoint": "http://c:4318/v1/traces"}, {}, TracesWanted(on=True, endpoint="http://c:4318/v1/traces")),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, TracesWanted(on=True)),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/t"}, TracesWanted(on=True)),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, TracesWanted(on=False)),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, TracesWanted(on=False)),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, TracesWanted(on=False)),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SERVICE_NAME": "x"}, TracesWanted(on=True, is_named=True)),
    ],
)  # fmt: skip
def test_traces_go_out_only_where_an_address_is_set_and_nothing_switches_them_off(given, environ, wanted):
    assert traces_wanted(load_settings({}, **given), environ) == wanted


def test_without_an_address_nothing_is_traced_and_nothing_is_sent_along():
    tracing = Tracing()
    with tracing.span("reconcile", parent=PARENT):
        assert tracing.here() == ""
        assert ids_here() == {}
    assert followed(tracing, Trail()) == {}


def test_a_span_continues_the_trace_it_is_given_and_names_itself_to_the_next(tracing, exporter):
    with tracing.span("reconcile", parent=PARENT):
        assert tracing.here().startswith(f"00-{TRACE}-")
        assert ids_here()["trace_id"] == TRACE
    [span] = exporter.get_finished_spans()
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize("parent", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_what_is_no_trace_begins_a_new_one(tracing, exporter, parent):
    with tracing.span("reconcile", parent=parent):
        pass
    assert exporter.get_finished_spans()[0].parent is None


def test_a_failed_span_tells_the_type_of_the_failure_and_no_text(tracing, exporter):
    with pytest.raises(ValueError, match="Zebediah"), tracing.span("reconcile"):
        raise ValueError("Zebediah Quillfeather")
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes) == {"error.type": "ValueError"}
    assert "Zebediah" not in span.to_json()


def test_a_request_to_the_fhir_server_is_measured_and_carries_its_trace(tracing, exporter):
    registry = CollectorRegistry()
    watch = watcher(tracing, FhirMetrics(registry, lambda: (0, 0, 4)))
    with watch("POST transaction") as exchange:
        assert exchange.headers["traceparent"] == tracing.here()
        exchange.status = 412
    with pytest.raises(ConnectionError), watch("GET Task?"):
        raise ConnectionError
    value = registry.get_sample_value
    refused = {"operation": "transaction", "outcome": "4xx"}
    silent = {"operation": "search", "outcome": "none"}
    assert value("throughline_fhir_request_seconds_count", refused) == 1
    assert value("throughline_fhir_request_seconds_count", silent) == 1
    first, second = exporter.get_finished_spans()
    assert (first.name, first.attributes["error.type"]) == ("FHIR POST transaction", "412")
    assert (second.name, second.attributes["throughline.fhir.type"]) == ("FHIR GET Task?", "Task")


def test_each_notification_that_is_taken_is_linked_to_the_taking_in(tracing, exporter):
    from datetime import timedelta

    taken = on_taken(WorkMetrics(CollectorRegistry()), tracing)
    with tracing.span("take in"):
        taken({"traceparent": PARENT}, timedelta(seconds=1))
        taken({}, timedelta(seconds=1))
        taken({"traceparent": "nonsense"}, timedelta(seconds=1))
    [span] = exporter.get_finished_spans()
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


class Trail:
    def __init__(self):
        self.noted: dict[Reference, str] = {}

    def note(self, people, traceparent):
        self.noted.update(dict.fromkeys(people, traceparent))

    def take(self, person):
        return self.noted.pop(person, "")


def test_work_on_a_person_follows_the_notification_that_woke_them_and_then_nothing(tracing, exporter):
    trail, ana = Trail(), Reference("Patient/ana")
    parts = followed(tracing, trail)
    parts["trail"]([ana], {"traceparent": PARENT})
    parts["trail"]([ana], {})
    for _ in range(2):
        with parts["around"](ana):
            pass
    first, second = exporter.get_finished_spans()
    assert f"{first.context.trace_id:032x}" == TRACE
    assert second.parent is None


def test_a_collector_that_does_not_answer_keeps_nobody_waiting_and_is_no_failure():
    settings = load_settings({}, traces_endpoint=f"http://127.0.0.1:{free_port()}/v1/traces")
    with open_observation(settings, role="worker") as seen, seen.tracing.span("reconcile"):
        assert seen.tracing.is_on
    assert seen.registry.get_sample_value("throughline_build_info", {"role": "worker", "version": _version()})


def _version():
    from importlib.metadata import version

    return version("throughline")
