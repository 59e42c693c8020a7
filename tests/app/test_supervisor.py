"""Processes are kept alive, brought back, and ended in order; nothing is left behind."""

import os
import signal
import subprocess
import sys

import pytest

from service.app.supervisor import Supervisor, runs
from tests.processes import PATIENCE, eventually

STAYS = [sys.executable, "-c", "import time; time.sleep(600)"]
ENDS = [sys.executable, "-c", "raise SystemExit(6)"]


@pytest.fixture
def told():
    return []


@pytest.fixture
def supervisor(tmp_path, told):
    made = Supervisor(environment=dict(os.environ), log_dir=tmp_path / "logs", told=told.append)
    yield made
    made.stop()


def is_alive(pid) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_is_killed_is_started_again_and_said_so(supervisor, told):
    supervisor.add("worker", STAYS)
    supervisor.start()
    first = supervisor.pid("worker")
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: supervisor.pid("worker") if supervisor.pid("worker") != first else None)
    assert is_alive(second)
    assert told == [
        f"The worker process has ended (status -9); starting it again. Its log: {supervisor.log_of('worker')}"
    ]
    assert supervisor.ended("worker") == 1


def test_stop_leaves_no_process_and_starts_none_again(supervisor):
    for name in ("web", "worker"):
        supervisor.add(name, STAYS)
    supervisor.start()
    pids = [supervisor.pid("web"), supervisor.pid("worker")]
    supervisor.stop()
    assert not any(is_alive(pid) for pid in pids)
    assert supervisor.pid("web") is None
    assert list(supervisor.log_dir.glob("*.pid")) == []


def test_a_child_that_always_ends_is_counted_so_that_nobody_waits_for_it(supervisor):
    supervisor.add("web", ENDS)
    supervisor.start()
    assert eventually(lambda: supervisor.ended("web") >= 2)


def test_a_child_that_an_earlier_run_left_behind_is_ended(supervisor, told):
    left = subprocess.Popen(STAYS, start_new_session=True)
    assert eventually(lambda: runs(left.pid, STAYS))  # for a moment a new process shows no command yet
    supervisor.log_dir.mkdir()
    (supervisor.log_dir / "web.pid").write_text(str(left.pid))
    supervisor.add("web", STAYS)
    supervisor.end_left_over()
    assert left.wait(PATIENCE) == -signal.SIGTERM
    assert told == ["Ending the web process that an earlier run left behind."]


def test_a_number_that_was_given_to_another_program_since_is_left_alone(supervisor, told):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(599)"])
    supervisor.log_dir.mkdir()
    (supervisor.log_dir / "web.pid").write_text(str(other.pid))
    supervisor.add("web", STAYS)
    supervisor.end_left_over()
    assert (other.poll(), told) == (None, [])
    other.kill()
    other.wait()


def test_a_server_that_ended_is_brought_back(supervisor, told):
    class Server:
        alive, revived = False, 0

        def is_alive(self):
            return self.alive

        def revive(self):
            self.alive, self.revived = True, self.revived + 1

    server = Server()
    supervisor.servers = {"Redis server": server}
    supervisor.start()
    assert eventually(lambda: server.revived == 1)
    assert told == ["The Redis server has ended; starting it again on the same data."]
