"""The Redis of a trial: open to the network, closed to whoever does not know its password."""

import os
import subprocess
import sys

import pytest
import redis

from service.adapters.redis_connection import connect
from service.adapters.trial_redis import NoPassword, become_redis
from tests.processes import PATIENCE, ROOT, eventually, free_port


@pytest.fixture
def started(tmp_path):
    processes = []

    def start(login):
        port = free_port()
        url = f"redis://{login}@127.0.0.1:{port}/0"
        command = [
            sys.executable,
            "-m",
            "service.app.cli",
            "redis",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        environment = {**os.environ, "THROUGHLINE_REDIS_URL": url}
        processes.append(
            subprocess.Popen([*command, "--data-dir", str(tmp_path / "data")], cwd=ROOT, env=environment)
        )
        eventually(lambda: answers(url))
        return url, port, processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def answers(url):
    try:
        with redis.Redis.from_url(url, socket_timeout=2) as client:
            return client.ping()
    except redis.ConnectionError:
        return False


def test_it_lets_in_who_knows_the_password_keeps_what_is_written_and_ends_when_asked(started, tmp_path):
    url, port, process = started(":tri%20al")
    with redis.Redis.from_url(url) as client:
        kept = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory-policy")}
        assert kept == {"appendonly": "yes", "maxmemory-policy": "noeviction"}
        client.set("kept", "yes")
    with connect(f"redis://127.0.0.1:{port}/0") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("kept")
    command_line = subprocess.run(
        ["ps", "-p", str(process.pid), "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    assert "tri" not in command_line
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"tri al" in p.read_bytes()]
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_a_user_of_its_own_shuts_the_default_one_out(started):
    url, port, _ = started("app:pass")
    assert answers(url)
    with connect(f"redis://127.0.0.1:{port}/0") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_without_a_password_it_does_not_start(tmp_path):
    with pytest.raises(NoPassword, match="Write one into it: redis://:<password>@<host>:6379/0"):
        become_redis("redis://redis:6379/0", "0.0.0.0", 6379, tmp_path)
