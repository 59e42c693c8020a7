"""What `doctor` says of traces, tried on a collector as the processes would."""

from __future__ import annotations

from service.app.doctor_traces import traces
from service.app.observing import traces_arrive
from service.app.settings import load_settings
from tests.collector import collecting
from tests.processes import free_port


def told(endpoint: str | None) -> list[tuple[str, str]]:
    settings = load_settings({}, traces_endpoint=endpoint)
    return [(found.outcome.value, found.sentence) for found in traces(lambda: traces_arrive(settings))]


def test_a_collector_that_takes_them_is_good_and_an_address_that_does_not_is_worth_knowing():
    lost = ("care", "The collector does not take our traces: they are lost, and nothing else is.")
    with collecting() as collector:
        assert told(f"{collector.address}/v1/traces") == [("good", "The collector takes our traces.")]
        assert told(collector.address) == [lost]
    assert told(f"http://127.0.0.1:{free_port()}/v1/traces") == [lost]


def test_where_none_are_wanted_nothing_is_said():
    assert told(None) == []
