"""`throughline up` as somebody tries it: one address is enough, the server may come later, and everything ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from service.app.listening import CannotListen, check_address, first_free
from service.app.orderly_end import ENDING, orderly_end, wait_for_interrupt
from service.app.settings import load_settings
from service.app.state_folder import StateFolderProblem, held, write_settings
from service.app.supervisor import Supervisor
from service.app.up import DidNotStart, own_environment, wait_until_alive
from tests.app.test_demo import processes_about
from tests.builders import a_condition, a_patient, an_encounter
from tests.processes import PATIENCE, ROOT, eventually, free_port
from tests.sandbox import Sandbox

SETTINGS = {
    "THROUGHLINE_CATCH_UP_SECONDS": "2",
    "THROUGHLINE_LEASE_SECONDS": "6",
    "THROUGHLINE_KEY_PREFIX": "up-tests:",
}


class Up:
    """A running `throughline up`; what it says is in `said`."""

    def __init__(self, folder: Path, fhir: str, port: int, *more: str) -> None:
        self.web_url = f"http://127.0.0.1:{port}"
        self.folder, self.log = folder, folder / "up.log"
        command = [sys.executable, "-m", "service.app.cli", "up", "--fhir", fhir, "--port", str(port), "--state-dir",
                   str(folder / "state"), *more]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment | SETTINGS,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def says(self, words: str) -> bool:
        return eventually(lambda: words in self.said)

    def end(self, how: int = signal.SIGTERM) -> int:
        """Its status, once it and everything it started are gone."""
        children = [int(file.read_text()) for file in (self.folder / "state" / "logs").glob("*.pid")]
        assert len(children) == 3
        self.process.send_signal(how)
        status = self.process.wait(PATIENCE)
        assert not [child for child in children if is_alive(child)]
        assert eventually(lambda: processes_about(self.folder / "state") == [])
        return status


def discharge(base_url: str) -> str:
    """Somebody's stay ends; nobody but the attending physician is named. The person's reference."""
    with httpx.Client(base_url=base_url, timeout=PATIENCE, trust_env=False) as client:

        def post(resource):
            body = {k: v for k, v in resource.items() if k not in {"id", "meta"}}
            answer = client.post(f"{base_url}/{body['resourceType']}", json=body)
            assert answer.status_code == 201, answer.text
            return f"{body['resourceType']}/{answer.json()['id']}"

        doctor = post({"resourceType": "Practitioner", "active": True, "name": [{"family": "Testerly"}]})
        about = {"reference": post(a_patient(generalPractitioner=[{"reference": doctor}]))}
        ended = {"start": "2026-03-01T09:00:00-07:00", "end": now()}
        stay = post(an_encounter(subject=about, period=ended))
        post(a_condition(subject=about, encounter={"reference": stay}, recordedDate=now()))
        return about["reference"]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def tasks(base_url: str, person: str) -> list:
    found = httpx.get(
        f"{base_url}/Task", params={"patient": person}, timeout=PATIENCE, trust_env=False
    ).json()
    return [entry["resource"] for entry in found.get("entry", [])]


@pytest.mark.slow
@pytest.mark.usefixtures("interrupts_arrive")
def test_one_address_is_enough_the_server_may_come_later_and_a_restart_forgets_nobody(tmp_path, valkey):
    port, fhir_port = free_port(), free_port()
    fhir = f"http://127.0.0.1:{fhir_port}/fhir"
    up = Up(tmp_path, fhir, port)
    server = Sandbox(fhir_port, tmp_path / "sandbox")
    try:
        assert up.says("No subscriptions yet, asking again until the FHIR server answers.")
        assert (
            httpx.get(f"{up.web_url}/readyz", timeout=PATIENCE, trust_env=False).json()["checks"]["inbox"]
            == "ok"
        )
        server.start()
        assert up.says(" asked for, ")
        first = discharge(server.base_url)
        owned = eventually(lambda: tasks(server.base_url, first))
        assert all(re.fullmatch(r"Practitioner/.+", task["owner"]["reference"]) for task in owned)
        assert up.end(signal.SIGTERM) == 0
        assert up.said.rstrip().endswith("Stopped.")

        # Another Redis, and an empty one: whatever was in the first is found again in the record.
        meanwhile = discharge(server.base_url)
        up = Up(tmp_path, fhir, port, "--redis", valkey.url)
        assert eventually(lambda: tasks(server.base_url, meanwhile))
        assert len(tasks(server.base_url, first)) == len(owned)
        assert valkey.url in (tmp_path / "state" / "settings.toml").read_text("utf-8")
        assert up.end(signal.SIGINT) == 0
        assert up.said.count("Starting the embedded Redis server") == 1
        assert valkey.is_alive()
    finally:
        if up.process.poll() is None:
            up.end()
        server.stop()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- parts


def test_a_port_that_is_taken_is_told_apart_from_one_that_is_free():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as refused:
            check_address("127.0.0.1", port)
    assert str(refused.value) == (
        f"Port {port} on 127.0.0.1 is taken by another program. Choose another one, e.g. --port {port + 1}."
    )
    check_address("127.0.0.1", port)


def test_where_no_port_is_asked_for_the_next_that_is_free_will_do():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert first_free("127.0.0.1", port) > port
        with pytest.raises(CannotListen, match=f"Port {port} "):
            first_free("127.0.0.1", port, tries=1)
    assert first_free("127.0.0.1", port) == port


def test_a_state_folder_is_for_one_run_at_a_time_and_free_again_afterwards(tmp_path):
    with held(tmp_path / "a" / "b") as folder:
        with pytest.raises(StateFolderProblem) as refused, held(folder):
            pass
        assert str(refused.value) == (
            f"Another Throughline runs on the folder {folder}. Stop it, or name another folder with --state-dir."
        )
    with held(folder):
        pass


def test_other_commands_read_what_the_installation_works_with_and_nobody_else_does(tmp_path):
    values = {
        "fhir_base_url": "https://record.example/fhir",
        "secret_key": 'sixteen "letters" ü',
        "port": "8090",
    }
    path = write_settings(tmp_path, values)
    write_settings(tmp_path, values)
    settings = load_settings({"THROUGHLINE_SETTINGS_FILE": str(path)})
    assert (settings.need("secret_key"), settings.port) == ('sixteen "letters" ü', 8090)
    assert path.stat().st_mode & 0o077 == 0


def test_a_web_process_that_keeps_ending_is_not_waited_for(tmp_path):
    supervisor = Supervisor(environment=dict(os.environ), log_dir=tmp_path, told=lambda _: None)
    supervisor.add("web", [sys.executable, "-c", "raise SystemExit(3)"])
    supervisor.start()
    try:
        with pytest.raises(DidNotStart) as failed:
            wait_until_alive(f"http://127.0.0.1:{free_port()}", supervisor)
        assert str(failed.value).endswith(f"/livez. Read {tmp_path / 'web.log'}.")
    finally:
        supervisor.stop()


@pytest.fixture
def signals_as_before(interrupts_arrive):
    before = {each: signal.getsignal(each) for each in ENDING}
    yield before
    for each, handler in before.items():
        signal.signal(each, handler)


def test_the_first_signal_interrupts_and_the_next_does_not_disturb_the_tidying_up(signals_as_before):
    tidied = []
    with orderly_end():
        try:
            threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
            wait_for_interrupt()
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            tidied.append("all")
    assert tidied == ["all"]


def test_impatience_does_not_disturb_the_end_of_the_process_either(signals_as_before):
    with pytest.raises(KeyboardInterrupt), orderly_end():
        signal.raise_signal(signal.SIGINT)
    for each in ENDING:
        signal.raise_signal(each)


def test_without_a_signal_everything_is_as_before_and_what_was_ignored_stays_ignored(signals_as_before):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with orderly_end():
        signal.raise_signal(signal.SIGHUP)
    found = {each: signal.getsignal(each) for each in ENDING}
    assert found == signals_as_before | {signal.SIGHUP: signal.SIG_IGN}


def test_the_processes_of_one_machine_show_their_metrics_at_neighbouring_ports():
    settings = load_settings({}, metrics_port=9400)
    assert own_environment("worker", settings) == {}
    assert own_environment("scheduler", settings) == {"THROUGHLINE_METRICS_PORT": "9401"}
    assert own_environment("mllp", settings) == {"THROUGHLINE_METRICS_PORT": "9402"}
    assert own_environment("scheduler", load_settings({})) == {}
