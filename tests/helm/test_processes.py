"""The rendered commands run: the same arguments and environment, as processes, with the probes and the end of a pod."""

from __future__ import annotations

import json
import os
import socket
from functools import partial
from signal import SIGTERM

import httpx
import pytest
import redis

from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import connect
from tests.helm.chart import COMPONENTS
from tests.helm.kubelet import fetched
from tests.processes import PATIENCE, eventually
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow
NOWHERE = "http://127.0.0.1:9"


def test_web_worker_and_scheduler_start_from_the_chart_serve_and_end_in_order(installation):
    pods = installation(*COMPONENTS)
    for pod in pods:
        pod.wait_until_ready()
    web, worker, scheduler = pods

    assert json.loads(fetched(f"{web.url()}/livez")) == {"status": "alive"}
    ready = json.loads(fetched(f"{web.url()}/readyz"))
    assert (ready["status"], ready["checks"]) == ("ready", {"inbox": "ok", "record": "ok"})
    assert "throughline_notification_answer_seconds_bucket" in fetched(f"{web.url()}/metrics")
    assert "throughline_reconcile_seconds_bucket" in fetched(f"{worker.url('metrics')}/metrics")
    assert "throughline_behind_seconds" in fetched(f"{scheduler.url('metrics')}/metrics")

    # The web server ends by the very signal that it was sent, once it has tidied up; as process 1 of a container by 0.
    assert [pod.stop() for pod in pods] in ([[-SIGTERM], [0], [0]], [[0], [0], [0]])
    assert [pod.output() for pod in pods if "Traceback" in pod.output()] == []


def has_ipv6():
    """Whether this machine has an address of its own to listen at."""
    try:
        with socket.socket(socket.AF_INET6) as trying:
            trying.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_where_pods_have_ipv6_addresses_only_they_listen_there(installation):
    for pod in installation("web", "scheduler", listenAddress="::"):
        [port] = pod.containers[0].ports.values()
        eventually(partial(answers_at, "::1", port), every=0.2)


def answers_at(address, port):
    with socket.socket(socket.AF_INET6) as asking:
        return asking.connect_ex((address, port)) == 0


def test_a_worker_that_stands_still_is_noticed_by_its_probe(installation):
    [scheduler] = installation("scheduler")
    scheduler.wait_until_ready()
    [container] = scheduler.containers
    heartbeat = container.folders["/run/throughline"] / "alive"
    assert heartbeat.exists()
    scheduler.kill()
    aged = heartbeat.stat().st_mtime - 120
    os.utime(heartbeat, (aged, aged))
    assert not container.answers(container.described["livenessProbe"])


def test_a_redis_that_is_away_restarts_nobody_and_holds_up_a_roll_out_only(installation, tmp_path):
    with EmbeddedRedis(tmp_path / "redis") as server:
        worker, scheduler = installation("worker", "scheduler", redis_url=server.url)
        for pod in (worker, scheduler):
            pod.wait_until_ready()

        server.kill()
        eventually(lambda: not any(is_ready(pod) for pod in (worker, scheduler)), every=0.2)
        assert is_alive(worker)
        assert is_alive(scheduler)

        server.revive()
        eventually(lambda: is_ready(worker) and is_ready(scheduler), every=0.2)


def is_ready(pod):
    return all(c.answers(c.described["readinessProbe"]) for c in pod.containers)


def is_alive(pod):
    return all(c.is_running() and c.answers(c.described["livenessProbe"]) for c in pod.containers)


def test_a_mistake_in_the_definitions_keeps_the_new_pod_from_being_ready(installation):
    """So a roll-out stops there, and the old pods go on."""
    broken = {"from": "files", "files": {"pathways/broken/pathway.yaml": "pathway: ["}}
    [worker] = installation("worker", mappings=broken)
    [container] = worker.containers
    eventually(lambda: not container.is_running())
    assert container.process.returncode == 6
    assert "throughline pathways check" in container.output()


@pytest.fixture
def hospital(tmp_path):
    """A record of its own, for doctor judges all that stands in one; with the accountable person in it."""
    server = Sandbox(data_dir=tmp_path / "hospital").start()
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=PATIENCE) as record:
        record.put("Practitioner/123", json={"resourceType": "Practitioner", "id": "123"}).raise_for_status()
        yield record
    server.stop()


def subscriptions(record):
    found = record.get("Subscription", params={"_count": 100}).json().get("entry", [])
    return [e["resource"] for e in found if e["resource"]["channel"]["endpoint"].startswith(NOWHERE)]


def test_the_job_asks_for_notifications_and_doctor_is_content(installation, hospital):
    values = {"publicUrl": NOWHERE, "fhir": {"baseUrl": str(hospital.base_url).rstrip("/")}}
    [job] = installation("subscriptions", **values)
    eventually(lambda: not job.containers[0].is_running())
    assert job.containers[0].process.returncode == 0, job.output()
    assert subscriptions(hospital)

    [doctor] = installation("doctor", **values)
    checked = doctor.containers[0]
    eventually(lambda: not checked.is_running())
    assert checked.process.returncode == 0, checked.output()
    assert "Redis answers" in checked.output()


def test_the_bundled_redis_starts_from_the_chart_behind_its_password(installation):
    [server] = installation("redis", redis={"bundled": {"enabled": True, "persistence": False}})
    server.wait_until_ready()
    port = server.containers[0].ports["redis"]
    with redis.Redis(port=port, password="trial") as client:
        assert client.set("kept", "yes")
    with connect(f"redis://127.0.0.1:{port}/0") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("kept")
    assert any(path.suffix == ".aof" for path in server.containers[0].folders["/data"].rglob("*"))
    assert server.stop() == [0]


def test_the_helm_test_asks_web_whether_it_is_ready(installation):
    """The second container of the pod: the address is the Service's, which here is web's own."""
    [web] = installation("web")
    web.wait_until_ready()
    [doctor] = installation("doctor")
    asking = doctor.containers[1]
    asking.described["args"][-1] = f"{web.url()}/readyz"
    asking.kill()
    asking.start()
    eventually(lambda: not asking.is_running())
    assert (asking.process.returncode, "200 " in asking.output()) == (0, True)
