"""Keeps the processes of an all-in-one installation alive: starts them, restarts one that died, stops them in order.

Knows nothing of what they do. On Kubernetes the platform does this; `throughline up` and the demo need it here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from service.adapters.uninterrupted import uninterrupted
from service.adapters.waiting import wait_until

CHECK_EVERY = 0.2
"""Seconds between two looks at the processes."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STABLE_AFTER = 30.0
"""Seconds a process must have run for its next restart to count as the first again."""
STOP_WITHIN = 8.0
"""Seconds between asking a process to stop (it finishes its work in hand) and killing it."""


class Watched(Protocol):
    """A server that can be looked at and brought back over the same data, on the same port."""

    def is_alive(self) -> bool: ...

    def revive(self) -> object: ...


@dataclass
class _Child:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """What differs from that of the others."""
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    not_before: float = 0.0
    ended: int = 0


@dataclass
class Supervisor:
    """Runs child processes until `stop`. `told` gets one plain sentence per event, for the terminal."""

    environment: Mapping[str, str]
    log_dir: Path
    told: Callable[[str], None]
    servers: Mapping[str, Watched] = field(default_factory=dict)
    longest_pause: float = LONGEST_PAUSE
    """Seconds between the end of a process that keeps ending and its next start."""
    _children: list[_Child] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def add(self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: what differs for this one."""
        self._children.append(_Child(name=name, command=command, environment=environment or {}))

    def start(self) -> None:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        for child in self._children:
            self._start(child)
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def pid(self, name: str) -> int | None:
        """Process id of a running child."""
        for child in self._children:
            if child.name == name and child.process is not None and child.process.poll() is None:
                return child.process.pid
        return None

    def ended(self, name: str) -> int:
        """How often a child has ended by itself since the start."""
        return sum(child.ended for child in self._children if child.name == name)

    def log_of(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def end_left_over(self) -> None:
        """End what an earlier run over this folder left behind when it was killed itself."""
        for child in self._children:
            pid = _remembered(self._pid_file(child.name))
            if pid is not None and runs(pid, child.command):
                self.told(f"Ending the {child.name} process that an earlier run left behind.")
                _end(pid, child.command)

    def stop(self) -> None:
        """Ask everybody to finish, last started first, and kill who does not within `STOP_WITHIN`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=STOP_WITHIN)
        running = [child.process for child in reversed(self._children) if child.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN
        for process in running:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in self._children:
            self._pid_file(child.name).unlink(missing_ok=True)

    def _pid_file(self, name: str) -> Path:
        return self.log_dir / f"{name}.pid"

    def _start(self, child: _Child) -> None:
        with self.log_of(child.name).open("ab") as log, uninterrupted():
            child.process = subprocess.Popen(  # noqa: S603  (our own command line, no shell)
                list(child.command),
                env={**self.environment, **child.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor, which stops the others in order
            )
        child.started = time.monotonic()
        self._pid_file(child.name).write_text(str(child.process.pid), encoding="utf-8")

    def _watch(self) -> None:
        while not self._stopping.wait(CHECK_EVERY):
            for name, server in self.servers.items():
                self._look_at_server(name, server)
            for child in self._children:
                self._look_at(child)

    def _look_at_server(self, name: str, server: Watched) -> None:
        if server.is_alive():
            return
        self.told(f"The {name} has ended; starting it again on the same data.")
        try:
            server.revive()
        except Exception as failure:  # whatever hinders it, the next look tries again and says so again
            self.told(f"The {name} does not start: {failure}")

    def _look_at(self, child: _Child) -> None:
        process = child.process
        now = time.monotonic()
        if process is not None and process.poll() is not None:
            if now - child.started > STABLE_AFTER:
                child.restarts = 0
            pause = min(self.longest_pause, FIRST_PAUSE * 2**child.restarts)
            child.restarts += 1
            child.ended += 1
            child.not_before, child.process = now + pause, None
            self.told(
                f"The {child.name} process has ended (status {process.returncode}); starting it again."
                f" Its log: {self.log_of(child.name)}"
            )
        if child.process is None and now >= child.not_before and not self._stopping.is_set():
            self._start(child)


def _remembered(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def runs(pid: int, command: Sequence[str]) -> bool:
    """Whether that process runs this very command; another program may have been given its number since."""
    shown = subprocess.run(  # noqa: S603
        ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)],  # noqa: S607  (ps stands elsewhere on each system)
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return not shown.startswith("Z") and shown.endswith(" ".join(command))


def _end(pid: int, command: Sequence[str]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if wait_until(lambda: not runs(pid, command), within=STOP_WITHIN):
            return
