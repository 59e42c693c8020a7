"""All in one: web, worker and scheduler as processes of their own, with a Redis server that comes along if none is named.

For trials, single machines and the demo. Ends cleanly on Ctrl-C; started again it goes on where it was.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.adapters.embedded import EmbeddedRedis
from service.adapters.installation_key import installation_key
from service.adapters.waiting import wait_until
from service.app.settings import Settings, inherited, load_settings
from service.app.supervisor import Supervisor

ROLES = ("web", "worker", "scheduler")
READY_WITHIN = 60.0
"""Seconds until the web process must answer."""


class DidNotStart(Exception):
    """Use this when the web process does not answer in time; names the log to read."""


@dataclass
class Installation:
    """A running all-in-one installation."""

    supervisor: Supervisor
    redis: EmbeddedRedis | None
    redis_url: str
    web_url: str
    state_dir: Path

    def stop(self) -> None:
        self.supervisor.stop()
        if self.redis is not None:
            self.redis.stop()


def bring_up(settings: Settings, state_dir: Path, told: Callable[[str], None]) -> Installation:
    """Start everything and wait until the web answers. Raises EmbeddedServerFailed or DidNotStart."""
    state_dir.mkdir(parents=True, exist_ok=True)
    redis = None
    if settings.redis_url is None:
        told("Starting the embedded Redis server …")
        redis = EmbeddedRedis(state_dir / "redis").start()
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else (redis.url if redis else "")
    supervisor = Supervisor(
        environment=_environment(settings, redis_url, state_dir),
        log_dir=state_dir / "logs",
        told=told,
        servers={"Redis server": redis} if redis else {},
    )
    for role in ROLES:
        supervisor.add(role, [sys.executable, "-m", "service.app.cli", role])
    told("Starting web, worker and scheduler …")
    supervisor.start()
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  (compared, not bound)
    web_url = f"http://{host}:{settings.port}"
    installation = Installation(
        supervisor=supervisor, redis=redis, redis_url=redis_url, web_url=web_url, state_dir=state_dir
    )
    try:
        wait_until_alive(web_url, supervisor.log_of("web"))
    except DidNotStart:
        installation.stop()
        raise
    return installation


def wait_until_alive(web_url: str, log: Path, *, within: float = READY_WITHIN) -> None:
    """Until /livez answers 200."""
    if not wait_until(lambda: _answers(f"{web_url}/livez"), within=within):
        message = f"The web process does not answer at {web_url}/livez. Read {log}."
        raise DidNotStart(message)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False  # not listening yet


def wait_for_interrupt() -> None:
    """Until Ctrl-C or SIGTERM."""
    asked = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: asked.set())
    while not asked.wait(1.0):
        pass


def child_settings(settings: Settings, installation: Installation) -> Settings:
    """The settings as the child processes see them."""
    given = _given(settings, installation.redis_url, installation.state_dir)
    return load_settings(given | {k: v for k, v in inherited().items() if k not in given})


def _environment(settings: Settings, redis_url: str, state_dir: Path) -> dict[str, str]:
    """The environment of the child processes: ours, with what was given on the command line or found on the way."""
    return inherited() | _given(settings, redis_url, state_dir)


def _given(settings: Settings, redis_url: str, state_dir: Path) -> dict[str, str]:
    given = {
        "THROUGHLINE_FHIR_BASE_URL": settings.need("fhir_base_url"),
        "THROUGHLINE_REDIS_URL": redis_url,
        "THROUGHLINE_HOST": settings.host,
        "THROUGHLINE_PORT": str(settings.port),
        "THROUGHLINE_PUBLIC_URL": settings.public_url or f"http://127.0.0.1:{settings.port}",
        "THROUGHLINE_MAPPINGS_DIR": str(settings.mappings.resolve()),
        "THROUGHLINE_SUBSCRIPTIONS_DIR": str(settings.subscriptions.resolve()),
    }
    if settings.secret_key is None:
        given["THROUGHLINE_SECRET_KEY"] = installation_key(state_dir)
    if settings.clock_file is not None:
        given["THROUGHLINE_CLOCK_FILE"] = str(settings.clock_file.resolve())
    return given
