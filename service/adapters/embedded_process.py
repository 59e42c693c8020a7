"""A server that comes along as a process of its own on loopback: start, adopt, stop.

Must not listen beyond this machine, and must not touch a process that it cannot prove to be its own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from service.adapters.uninterrupted import uninterrupted

LOOPBACK = "127.0.0.1"
START_WITHIN = 60.0
"""Seconds until a server that has not answered counts as failed; one whose process has ended does so at once."""
STOP_WITHIN = 5.0
"""Seconds between asking a server to stop and killing it."""


class EmbeddedServerFailed(Exception):
    """Use this when an embedded server does not start; the message names its log or the missing package."""


class EmbeddedServer(ABC):
    """One server process over one data directory; adopts what an earlier run left behind over the same directory."""

    name: str

    def __init__(self, data_dir: Path | str, port: int | None = None) -> None:
        self.data_dir = Path(data_dir).resolve()
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None

    # --- what a kind of server says about itself

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _is_ours(self, port: int) -> bool:
        """Whether a server over this very data directory answers at `port`; False when nobody answers."""

    @abstractmethod
    def _mark(self, port: int) -> tuple[str, ...]:
        """Words that all stand in the command line of such a process (as `ps` shows it)."""

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    # --- life cycle

    @property
    def port(self) -> int:
        """TCP port on loopback; known once started."""
        if self._port is None:
            raise EmbeddedServerFailed(f"The {self.name} has not been started: call start() first.")
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id, started or adopted; None when it is not running as far as we know."""
        return self._process.pid if self._process is not None else self._adopted

    @property
    def log_path(self) -> Path:
        return self.data_dir / "server.log"

    def start(self) -> Self:
        """Run until it answers, or adopt the one left over on this directory; EmbeddedServerFailed otherwise."""
        if self.pid is not None:
            return self
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self._adopt():
            return self
        port = self._wanted_port or _free_port()
        # An interrupt between the start of the process and our knowing of it would leave it behind.
        with self.log_path.open("ab") as log, uninterrupted():
            self._process = subprocess.Popen(  # noqa: S603  (our own command, no shell)
                self._command(port),
                cwd=self.data_dir,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches our own processes first; they stop this one last
            )
            self._port = port
            self._remember(self._process.pid, port)
            atexit.register(self._stop_if_owner, os.getpid())
        try:
            self._wait_until_ready()
        except BaseException:  # an interrupt too: whoever was not given the server could not stop it
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end, kill it if it does not within `STOP_WITHIN`; nothing happens when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop and start again over the same data, on the same port."""
        port = self._port
        self.stop()
        return self._start_at(port)

    def is_alive(self) -> bool:
        """Whether its process runs; says nothing about whether it answers."""
        if self._process is not None:
            return self._process.poll() is None
        return self._adopted is not None and bool(_command_line(self._adopted))

    def revive(self) -> Self:
        """Start again over the same data, on the same port, after `kill()` or after it ended by itself."""
        if self.pid is not None and not self.is_alive():
            self._process, self._adopted = None, None
        return self._start_at(self._port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # --- inside

    def _start_at(self, port: int | None) -> Self:
        self._wanted_port = port or self._wanted_port
        return self.start()

    def _stop_if_owner(self, owner: int) -> None:
        if os.getpid() == owner:  # a forked worker that exits must not take the server with it
            self.stop()

    def _wait_until_ready(self) -> None:
        process, port = self._process, self.port
        deadline = time.monotonic() + START_WITHIN
        while process is not None and time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if _listens(port) and self._is_ours(port):
                return
            time.sleep(0.05)
        raise EmbeddedServerFailed(
            f"The {self.name} did not start on port {port} of {LOOPBACK}. Read {self.log_path};"
            " if the port is taken, choose another one."
        )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        adopted, self._adopted = self._adopted, None
        if process is not None:
            _end_child(process, how)
        elif adopted is not None:
            _end_stranger(adopted, how)
        if process is not None or adopted is not None:
            self._state_path.unlink(missing_ok=True)

    @property
    def _state_path(self) -> Path:
        return self.data_dir / "server.json"

    def _remember(self, pid: int, port: int) -> None:
        self._state_path.write_text(json.dumps({"pid": pid, "port": port}), encoding="utf-8")

    def _adopt(self) -> bool:
        """Take over a left-over server on the wanted port; end one that stands elsewhere or no longer answers."""
        left = self._left_over()
        if left is None:
            return False
        pid, port = left
        if self._is_ours(port) and self._wanted_port in {None, port}:
            self._adopted, self._port = pid, port
            return True
        command = _command_line(pid)
        if command and all(word in command for word in self._mark(port)):
            _end_stranger(pid, signal.SIGTERM)
        self._state_path.unlink(missing_ok=True)
        return False

    def _left_over(self) -> tuple[int, int] | None:
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            return int(state["pid"]), int(state["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _listens(port: int) -> bool:
    """Cheaper to ask again and again, while a server starts, than for what only that server can answer."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _end_child(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_WITHIN)


def _end_stranger(pid: int, how: signal.Signals) -> None:
    """End a process that is not our child (its exit cannot be waited for, only watched)."""
    for signalled in (how, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signalled)
        deadline = time.monotonic() + STOP_WITHIN
        while time.monotonic() < deadline:
            if not _command_line(pid):
                return
            time.sleep(0.05)


def _command_line(pid: int) -> str:
    """Command line of a running process, empty when it is gone or a zombie."""
    shown = subprocess.run(  # noqa: S603
        ["ps", "-o", "stat=,args=", "-p", str(pid)],  # noqa: S607  (ps stands elsewhere on each system)
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return "" if shown.startswith("Z") else shown
