"""Throughline as it runs at a site: web, worker and scheduler as processes of their own, over servers that tests start.

For journeys and fault stories. Output goes to files, one per process, that a failing test can show.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0
"""Seconds after which something that should happen counts as never happening. It bounds a hang on a machine that has much
else to do, and says nothing about how long anything takes: usually a moment."""
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], *, within: float = PATIENCE, every: float = 0.05) -> Found:
    """What `look` finds as soon as it is true; AssertionError with the last thing found when PATIENCE is over.

    `within`: for what takes long, more seconds than PATIENCE; less has no effect.
    """
    limit = max(within, PATIENCE)
    ends = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not within {limit:.0f} s; last seen: {found!r}")
        time.sleep(every)


@pytest.fixture
def interrupts_arrive() -> Iterator[None]:
    """SIGINT as in a terminal, here and in whatever is started, although the parent of the test run may ignore it.

    A shell without job control lets what it starts with `&` ignore it, and so does everything that is started in turn.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServiceProcesses:
    """Starts, stops and kills Throughline's processes; several workers or schedulers may run at once."""

    def __init__(
        self,
        fhir_base: str,
        redis_url: str,
        clock_file: Path | None = None,
        env: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        """`env`: further variables. `folder`: for the output, a temporary one when None."""
        self.folder = folder or Path(tempfile.mkdtemp(prefix="throughline-"))
        self.port = free_port()
        self.web_url = f"http://127.0.0.1:{self.port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")}
        self.env = {
            **inherited,
            "THROUGHLINE_FHIR_BASE_URL": fhir_base,
            "THROUGHLINE_REDIS_URL": redis_url,
            "THROUGHLINE_PORT": str(self.port),
            "THROUGHLINE_PUBLIC_URL": self.web_url,
            "THROUGHLINE_SECRET_KEY": "tests-only-tests-only-tests-only",
            **({"THROUGHLINE_CLOCK_FILE": str(clock_file)} if clock_file else {}),
            **(env or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *roles: str) -> Self:
        """`start("worker", "scheduler")`; a second worker is `worker-2`."""
        for name in roles:
            role = name.split("-")[0]
            with self._log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    self._command(role), cwd=ROOT, env=self.env, stdout=log, stderr=log
                )
        return self

    def stop(self, *names: str) -> None:
        """Ask to finish (SIGTERM) and wait; AssertionError with the output of one that does not."""
        chosen = names or tuple(self._running)
        for name in chosen:
            self._running[name].send_signal(signal.SIGTERM)
        for name in chosen:
            process = self._running.pop(name)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not stop on SIGTERM:\n{self.output(name)}") from None

    def kill(self, *names: str) -> None:
        """As a crash would (SIGKILL)."""
        for name in names or tuple(self._running):
            process = self._running.pop(name)
            process.kill()
            process.wait()

    def freeze(self, name: str) -> None:
        """Let a process stand still (SIGSTOP), as a starved machine would."""
        self._running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def is_running(self, name: str) -> bool:
        return name in self._running and self._running[name].poll() is None

    def output(self, name: str) -> str:
        return self._log(name).read_text("utf-8", "replace") if self._log(name).exists() else ""

    def close(self) -> None:
        """End whatever still runs, frozen or not."""
        self.kill()

    @contextmanager
    def running(self, *roles: str) -> Iterator[Self]:
        try:
            yield self.start(*roles)
        finally:
            self.close()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @staticmethod
    def _command(role: str) -> list[str]:
        if importlib.util.find_spec("service.app.cli") is not None:
            return [sys.executable, "-m", "service.app.cli", role]
        return [sys.executable, "-m", f"service.app.{role}"]
