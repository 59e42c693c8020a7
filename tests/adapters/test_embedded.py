"""Embedded servers: real processes, so each story starts as few of them as it can."""

import json
import os
import socket

import httpx
import pytest
import redis

from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis, EmbeddedServerFailed


def client(server):
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_what_was_written_survives_a_kill(tmp_path):
    with EmbeddedRedis(tmp_path) as server:
        client(server).set("asked", "yes")
        server.kill()
        server.revive()
        assert client(server).get("asked") == "yes"


def test_a_left_over_server_is_adopted_and_can_be_stopped(tmp_path):
    first = EmbeddedRedis(tmp_path).start()
    second = EmbeddedRedis(tmp_path).start()
    assert (second.pid, second.port) == (first.pid, first.port)
    second.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", first.port))
    first.stop()


def test_a_left_over_server_on_another_port_is_replaced(tmp_path):
    with EmbeddedRedis(tmp_path) as first:
        client(first).set("asked", "yes")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            other = probe.getsockname()[1]
        with EmbeddedRedis(tmp_path, other) as second:
            assert second.port == other
            assert second.pid != first.pid
            assert client(second).get("asked") == "yes"


def test_a_stale_note_about_somebody_elses_process_kills_nobody(tmp_path):
    (tmp_path / "server.json").write_text(json.dumps({"pid": os.getpid(), "port": 1}), encoding="utf-8")
    with EmbeddedRedis(tmp_path) as server:
        assert server.pid != os.getpid()


def test_a_taken_port_is_said_so_and_the_other_server_is_left_alone(tmp_path):
    with EmbeddedRedis(tmp_path / "one") as one:
        with pytest.raises(EmbeddedServerFailed) as failed:
            EmbeddedRedis(tmp_path / "two", one.port).start()
        assert str(failed.value) == (
            f"The embedded Redis server did not start on port {one.port} of 127.0.0.1. Read"
            f" {tmp_path / 'two' / 'server.log'}; if the port is taken, choose another one."
        )
        assert client(one).ping()


def test_an_interrupted_start_leaves_no_process_behind(tmp_path):
    """Whoever was interrupted while they waited for a server was never given one that they could stop."""
    seen: list[int] = []

    class Interrupted(EmbeddedRedis):
        def _is_ours(self, port):
            assert self.pid is not None
            seen.append(self.pid)
            raise KeyboardInterrupt

    server = Interrupted(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_a_port_is_not_known_before_the_start(tmp_path):
    with pytest.raises(EmbeddedServerFailed, match="call start"):
        _ = EmbeddedRedis(tmp_path).port


def test_the_sandbox_names_its_own_port_and_keeps_resources_over_a_restart(tmp_path):
    with EmbeddedFhirServer(tmp_path) as server:
        made = httpx.post(f"{server.base_url}/Patient", json={"resourceType": "Patient"})
        assert made.headers["location"].startswith(server.base_url)
        where = made.headers["location"].split("/_history")[0]
        server.restart()
        assert httpx.get(where).status_code == 200
