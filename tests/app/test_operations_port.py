"""The small server of worker and scheduler: three addresses, each with what an operator needs, and nothing else."""

import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from service.app.heartbeat import LIMIT, Heartbeat
from service.app.listening import CannotListen
from service.app.operations_port import Dependency, Operations, serving
from tests.processes import PATIENCE


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def fine():
    return 1


def broken():
    raise ConnectionError("redis://user:password@host")


@pytest.fixture
def serve():
    stack = []

    def serve(**more):
        registry = CollectorRegistry()
        Counter("throughline_claims", "Claims.", registry=registry).inc()
        operations = Operations(**{"registry": registry, "heartbeat": Heartbeat(), **more})
        context = serving(operations, "127.0.0.1", 0)
        port = context.__enter__()
        stack.append(context)
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False)

    yield serve
    for context in stack:
        context.__exit__(None, None, None)


def test_metrics_are_shown(serve):
    answer = serve().get("/metrics")
    assert "throughline_claims_total 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_alive_tells_when_it_last_beat_and_a_hang_is_503(serve):
    watch = Watch()
    client = serve(heartbeat=Heartbeat(monotonic=watch))
    assert client.get("/livez").json() == {"status": "alive", "heartbeat_seconds_ago": 0.0}
    watch.now = LIMIT.total_seconds() + 5
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()) == (503, {"status": "hangs", "heartbeat_seconds_ago": 65.0})


def test_ready_names_each_dependency_with_the_kind_of_its_failure_and_no_secret(serve):
    client = serve(
        dependencies=(Dependency(name="queue", probe=fine), Dependency(name="record", probe=broken))
    )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {"queue": "ok", "record": "failed (ConnectionError)"},
    }


def test_other_addresses_and_methods_are_told_what_there_is(serve):
    client = serve()
    assert client.get("/").json() == {
        "detail": "There is nothing at this address; there are /metrics, /livez and /readyz."
    }
    assert client.post("/metrics").status_code == 405
    assert client.head("/livez").text == ""
    assert "python" not in client.get("/livez").headers["server"].lower()


def test_without_a_port_nothing_is_served():
    with serving(Operations(registry=CollectorRegistry(), heartbeat=Heartbeat()), "127.0.0.1", None) as port:
        assert port is None


def test_a_port_that_is_taken_is_one_sentence_with_the_setting():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        operations = Operations(registry=CollectorRegistry(), heartbeat=Heartbeat())
        with pytest.raises(CannotListen) as refused, serving(operations, "127.0.0.1", port):
            pass
    assert str(refused.value) == (
        f"Port {port} on 127.0.0.1 is taken by another program. Choose another one, e.g. THROUGHLINE_METRICS_PORT={port + 1}."
    )
