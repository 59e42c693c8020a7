"""All in one: web, worker and scheduler as processes of their own, with a Redis server that comes along if none is named.

For trials, single machines and the demo. Whatever was started is stopped again on every way out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.adapters.embedded import EmbeddedRedis
from service.adapters.installation_key import installation_key
from service.adapters.waiting import wait_until
from service.app.listening import check_address
from service.app.senders import senders_of
from service.app.settings import Settings, inherited, load_settings, secret_names, variable
from service.app.state_folder import write_settings
from service.app.supervisor import Supervisor

ROLES = ("web", "worker", "scheduler")
READY_WITHIN = 60.0
"""Seconds until the web process must answer."""
FALSE_STARTS = 2
"""Ends of the web process before it ever answered after which it is not waited for any longer."""


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
    """Start everything and wait until the web answers. Raises EmbeddedServerFailed, CannotListen or DidNotStart."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        supervisor = Supervisor(environment={}, log_dir=state_dir / "logs", told=told)
        hears_hl7v2 = any(sender.application for sender in senders_of(settings))
        for role in (*ROLES, "mllp") if hears_hl7v2 else ROLES:
            supervisor.add(
                role,
                [sys.executable, "-m", "service.app.cli", role],
                environment=own_environment(role, settings),
            )
        supervisor.end_left_over()
        check_address(settings.host, settings.port)
        if hears_hl7v2:
            check_address(settings.mllp_host, settings.mllp_port)
        redis = None
        if settings.redis_url is None:
            told("Starting the embedded Redis server …")
            redis = EmbeddedRedis(state_dir / "redis")
            undo.callback(redis.stop)
            supervisor.servers = {"Redis server": redis.start()}
        redis_url = redis.url if redis else settings.need("redis_url")
        given = _given(settings, redis_url, state_dir)
        supervisor.environment = inherited() | {variable(name): value for name, value in given.items()}
        write_settings(state_dir, given)
        told(f"Starting web, worker and scheduler{', and the door for HL7 v2' if hears_hl7v2 else ''} …")
        undo.callback(supervisor.stop)
        supervisor.start()
        web_url = _web_url(settings)
        wait_until_alive(web_url, supervisor)
        undo.pop_all()
    return Installation(
        supervisor=supervisor, redis=redis, redis_url=redis_url, web_url=web_url, state_dir=state_dir
    )


def own_environment(role: str, settings: Settings) -> dict[str, str]:
    """Processes of one machine cannot show their metrics at one port: the scheduler takes the next, `mllp` the one after."""
    further = {"scheduler": 1, "mllp": 2}.get(role)
    if further is None or settings.metrics_port is None:
        return {}
    return {variable("metrics_port"): str(settings.metrics_port + further)}


def wait_until_alive(web_url: str, supervisor: Supervisor, *, within: float = READY_WITHIN) -> None:
    """Until /livez answers 200."""

    def answers_or_ended() -> bool:
        return _answers(client, f"{web_url}/livez") or supervisor.ended("web") >= FALSE_STARTS

    with httpx.Client(timeout=2.0, trust_env=False) as client:
        has_come = wait_until(answers_or_ended, within=within)
    if not has_come or supervisor.ended("web") >= FALSE_STARTS:
        message = f"The web process does not answer at {web_url}/livez. Read {supervisor.log_of('web')}."
        raise DidNotStart(message)


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False  # not listening yet


def _web_url(settings: Settings) -> str:
    """Where this machine reaches the web process."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (looked up, not bound)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{anywhere.get(settings.host, host)}:{settings.port}"


def child_settings(settings: Settings, installation: Installation) -> Settings:
    """The settings as the child processes see them."""
    given = _given(settings, installation.redis_url, installation.state_dir)
    return load_settings(inherited() | {variable(name): value for name, value in given.items()})


def _given(settings: Settings, redis_url: str, state_dir: Path) -> dict[str, str]:
    """Everything the processes must agree on, by setting name; secrets that stand in the environment stay there."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    given = {
        name: str(value.resolve() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None and name not in secret_names()
    }
    return given | {
        "redis_url": redis_url,
        "public_url": settings.public_url or _web_url(settings),
        "mappings_dir": str(settings.mappings.resolve()),
        "subscriptions_dir": str(settings.subscriptions.resolve()),
        "secret_key": settings.need("secret_key") if settings.secret_key else installation_key(state_dir),
    }
