"""The worker and the scheduler as real processes on a real queue and a real FHIR server: what survives what."""

import json
import socket
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_work_index import RedisWorkIndex
from tests.processes import PATIENCE, ServiceProcesses, eventually
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow

MAPPINGS = Path(__file__).parent / "mappings"
NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
IN_HAND = 2 * 8
"""Messages that a worker holds at most: what is said about each of them is no storm."""
ROLE = "https://throughline.example/fhir/CodeSystem/role"


@pytest.fixture
def redis_server(tmp_path):
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def clock_file(tmp_path):
    path = tmp_path / "clock"
    set_clock(path, NOW)
    return path


class Site:
    """The record of one made-up hospital, through plain HTTP."""

    def __init__(self, base_url):
        self.base_url = base_url
        self.http = httpx.Client(timeout=PATIENCE, trust_env=False)
        self.boss = self.make({"resourceType": "Practitioner", "name": [{"text": "Ines Marchetti"}]})
        cora = self.make({"resourceType": "Practitioner", "name": [{"text": "Cora Benitez"}]})
        self.make(
            {
                "resourceType": "PractitionerRole",
                "active": True,
                "practitioner": {"reference": cora},
                "code": [{"coding": [{"system": ROLE, "code": "coordinator"}]}],
            }
        )

    def make(self, resource):
        answer = self.http.post(f"{self.base_url}/{resource['resourceType']}", json=resource)
        answer.raise_for_status()
        return f"{resource['resourceType']}/{answer.json()['id']}"

    def discharge(self):
        """A new person, discharged half an hour ago."""
        person = self.make({"resourceType": "Patient", "active": True})
        self.make(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": {"reference": person},
                "period": {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"},
            }
        )
        return person

    def about(self, person, kind):
        found = self.http.get(f"{self.base_url}/{kind}", params={"patient": person, "_count": 100})
        found.raise_for_status()
        return [entry["resource"] for entry in found.json().get("entry", [])]

    def close(self):
        self.http.close()


@pytest.fixture
def site(sandbox):
    with closing(Site(sandbox.base_url)) as site:
        yield site


@pytest.fixture
def processes(site, redis_server, clock_file, tmp_path):
    processes = ServiceProcesses(
        site.base_url,
        redis_server.url,
        clock_file,
        {
            "THROUGHLINE_MAPPINGS_DIR": str(MAPPINGS),
            "THROUGHLINE_TIMEZONE": "America/Denver",
            "THROUGHLINE_ACCOUNTABLE_PRACTITIONER": site.boss,
            "THROUGHLINE_LEASE_SECONDS": "5",
            "THROUGHLINE_CATCH_UP_SECONDS": "1",
            "THROUGHLINE_HEARTBEAT_FILE": str(tmp_path / "alive"),
        },
        folder=tmp_path,
    )
    yield processes
    processes.close()


@pytest.fixture
def index(redis_server):
    with connect(redis_server.url) as client:
        yield RedisWorkIndex(client, Keys())


def test_a_discharge_becomes_a_follow_up_and_silence_escalates_by_itself(
    site, processes, clock_file, tmp_path
):
    person = site.discharge()
    with processes.running("worker", "scheduler"):
        [task] = eventually(lambda: site.about(person, "Task"))
        assert task["owner"]["display"] == "Cora Benitez"
        eventually((tmp_path / "alive").exists)

        set_clock(clock_file, NOW + timedelta(hours=5))
        [notice] = eventually(lambda: site.about(person, "Communication"))
        assert notice["recipient"][0]["display"] == "Cora Benitez"
        assert len(site.about(person, "CarePlan")) == 2

        processes.stop("worker", "scheduler")
    for name in ("worker", "scheduler"):
        assert "Traceback" not in processes.output(name)
        assert person not in processes.output(name)


def test_a_message_about_a_new_person_arrives_by_catch_up_after_the_start(site, processes, index):
    with processes.running("worker", "scheduler"):
        first = site.discharge()
        eventually(lambda: site.about(first, "Task"))
        second = site.discharge()
        eventually(lambda: site.about(second, "Task"))


def test_workers_killed_in_the_middle_lose_nobody_and_do_nothing_twice(site, processes, index):
    people = [site.discharge() for _ in range(6)]
    processes.start("worker", "scheduler")
    eventually(lambda: any(site.about(person, "Task") for person in people), every=0.01)
    processes.kill("worker")
    processes.start("worker-2", "worker-3", "scheduler-2")
    eventually(lambda: all(site.about(person, "Task") for person in people))
    for person in people:
        assert len(site.about(person, "CarePlan")) == 1
        assert len(site.about(person, "Task")) == 1
    processes.stop("worker-2", "worker-3", "scheduler", "scheduler-2")


def test_a_flushed_queue_is_built_again_from_the_record(site, processes, redis_server, clock_file):
    person = site.discharge()
    with processes.running("worker", "scheduler"):
        eventually(lambda: site.about(person, "Task"))
        with connect(redis_server.url) as client:
            client.flushall()
        set_clock(clock_file, NOW + timedelta(hours=5))
        eventually(lambda: site.about(person, "Communication"))


def test_a_redis_that_dies_and_returns_is_survived_without_a_storm_of_tracebacks(
    site, processes, redis_server, index
):
    with processes.running("worker", "scheduler"):
        first = site.discharge()
        eventually(lambda: site.about(first, "Task"))
        redis_server.kill()
        hang_up_on_everybody(redis_server.port, times=10)
        eventually(lambda: "Redis does not answer" in processes.output("scheduler"))
        second = site.discharge()
        eventually(lambda: "Redis does not answer" in processes.output("worker"))
        redis_server.revive()
        eventually(lambda: site.about(second, "Task"))
        processes.stop("worker", "scheduler")
    for name in ("worker", "scheduler"):
        assert "Traceback" not in processes.output(name)
        assert processes.output(name).count("Redis answers again") >= 1
    assert processes.output("scheduler").count("Redis does not answer") == 1
    # Once more at most, for a message that was in hand all along and cannot be acknowledged any more.
    assert processes.output("worker").count("Redis does not answer") <= 2
    assert {says for says, times in troubles(processes, "worker").items() if times > IN_HAND} == set()


def hang_up_on_everybody(port, *, times):
    """In the place of a server that is away, so that it is known how often somebody tried."""
    with socket.create_server(("127.0.0.1", port)) as door:
        door.settimeout(PATIENCE)
        for _ in range(times):
            door.accept()[0].close()


def troubles(processes, name):
    """How often each sentence was said that asks for attention."""
    lines = [json.loads(line) for line in processes.output(name).splitlines() if line.startswith("{")]
    return Counter(line["says"] for line in lines if line["level"] != "info")


def test_a_redis_that_dies_while_everybody_is_being_looked_at_keeps_no_worker_idle(
    site, processes, redis_server
):
    """Acknowledgements that are lost then count as unfinished messages; a worker full of them asks for no more."""
    people = [site.discharge() for _ in range(30)]
    with processes.running("worker", "scheduler"):
        eventually(lambda: any(site.about(person, "Task") for person in people))
        redis_server.kill()
        eventually(lambda: "does not answer" in processes.output("worker"))
        redis_server.revive()
        eventually(lambda: all(site.about(person, "Task") for person in people), every=0.5)


def test_a_record_server_that_is_away_at_the_start_is_waited_for(
    redis_server, clock_file, tmp_path, processes
):
    server = Sandbox(data_dir=tmp_path / "fhir").start()
    try:
        with closing(Site(server.base_url)) as site:
            person = site.discharge()
            server.kill()
            processes.env["THROUGHLINE_FHIR_BASE_URL"] = server.base_url
            processes.env["THROUGHLINE_ACCOUNTABLE_PRACTITIONER"] = site.boss
            with processes.running("worker", "scheduler"):
                eventually(lambda: "catch-up ended early" in processes.output("worker"))
                server.restart()
                eventually(lambda: site.about(person, "Task"))
    finally:
        server.stop()


def test_a_worker_without_usable_pathways_says_how_to_see_why(site, redis_server, tmp_path):
    processes = ServiceProcesses(
        site.base_url, redis_server.url, env={"THROUGHLINE_MAPPINGS_DIR": str(tmp_path)}, folder=tmp_path
    )
    with processes.running("worker"):
        eventually(lambda: not processes.is_running("worker"))
    assert "throughline pathways check" in processes.output("worker")
