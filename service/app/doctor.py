"""`throughline doctor`: says in plain words what works, what does not, and what to do.

Tries things rather than believing what servers say of themselves; leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx
import redis

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.app.settings import Settings, variable
from service.pathways.library import Library
from service.pathways.problems import Severity
from service.ports import RecordFailure

ALLOWED_SKEW = timedelta(seconds=5)
"""More than this between our clock and the server's moves due times visibly."""


class Outcome(StrEnum):
    """How one finding stands."""

    GOOD = "good"
    CARE = "care"
    """It works, with a limit worth knowing."""
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    outcome: Outcome
    sentence: str
    remedy: str = ""


def examine(
    settings: Settings,
    *,
    client: FhirClient | None,
    library: Callable[[], Library],
    subscriptions: Callable[[], Iterable[tuple[bool, str]]],
    now: Callable[[], datetime],
) -> Iterator[Finding]:
    """Every finding, in the order in which one would mend them. Never raises for what it finds."""
    yield from _settings(settings)
    yield from _redis(settings)
    yield from _mappings(library)
    if client is None:
        return
    reachable = list(_fhir(client))
    yield from reachable
    if all(finding.outcome is not Outcome.BAD or finding.about != "FHIR server" for finding in reachable):
        yield from _clock(settings, now)
        yield from _subscriptions(subscriptions)


def _settings(settings: Settings) -> Iterator[Finding]:
    for name, without in _WANTED.items():
        if getattr(settings, name) is not None:
            continue
        outcome = Outcome.BAD if name == "fhir_base_url" else Outcome.CARE
        yield Finding(
            about="settings",
            outcome=outcome,
            sentence=f"{variable(name)} is not set: {without}",
            remedy=_REMEDY[name],
        )


_WANTED = {
    "fhir_base_url": "there is no record to watch.",
    "redis_url": "only `throughline up` works, with a Redis server that comes along.",
    "public_url": "the FHIR server cannot be told where to send notifications, so changes are found by catch-up only.",
    "secret_key": "`throughline up` makes one for this machine; separate processes would not agree on subscription secrets.",
    "accountable_practitioner": (
        "follow-ups of a role that nobody holds go to whoever attended the encounter, then to the general practitioner."
    ),
}
_REMEDY = {
    "fhir_base_url": "Set it to the base address of your FHIR R4 server, e.g. https://fhir.example.org/r4.",
    "redis_url": "Set it to your Redis server, e.g. redis://localhost:6379/0, with its append-only file on.",
    "public_url": "Set it to the address at which the FHIR server reaches this service.",
    "secret_key": "Set it to a long random text, the same for web, worker and scheduler.",
    "accountable_practitioner": "Set it to the Practitioner who answers for unowned follow-ups at your site.",
}


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    # redis-py types its answers as sync-or-async unions; Any keeps the casts away.
    server: Any = redis.Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3
    )
    try:
        server.ping()
        version = server.info("server").get("redis_version", "unknown")
        yield Finding(
            about="Redis", outcome=Outcome.GOOD, sentence=f"Redis answers (protocol version {version})."
        )
        yield from _persistence(server)
    except (redis.RedisError, OSError) as failure:
        yield Finding(
            about="Redis",
            outcome=Outcome.BAD,
            sentence=f"Redis does not answer ({type(failure).__name__}).",
            remedy=f"Check {variable('redis_url')}, that the server runs, and that this machine may reach it.",
        )
    finally:
        server.close()


def _persistence(server: Any) -> Iterator[Finding]:
    try:
        on = server.config_get("appendonly").get("appendonly") == "yes"
    except redis.RedisError:
        yield Finding(
            about="Redis",
            outcome=Outcome.CARE,
            sentence="Redis does not say whether it keeps an append-only file.",
            remedy="Make sure that it does: a notification must survive a restart of Redis.",
        )
        return
    if not on:
        yield Finding(
            about="Redis",
            outcome=Outcome.CARE,
            sentence="Redis keeps no append-only file: notifications in hand are lost when it restarts.",
            remedy="Set `appendonly yes`. Catch-up would find the changes again, but later.",
        )


def _mappings(library: Callable[[], Library]) -> Iterator[Finding]:
    loaded = library()
    errors = [problem for problem in loaded.problems if problem.severity is Severity.ERROR]
    names = ", ".join(sorted(loaded.pathways)) or "none"
    if errors:
        yield Finding(
            about="pathways",
            outcome=Outcome.BAD,
            sentence=f"{len(errors)} error(s) in the mappings folder; the pathways that can be used are: {names}.",
            remedy="`throughline pathways check` shows every one with file, line and what to write instead.",
        )
    else:
        yield Finding(about="pathways", outcome=Outcome.GOOD, sentence=f"Pathways in use: {names}.")


def _fhir(client: FhirClient) -> Iterator[Finding]:
    try:
        report = probe(client)
    except RecordFailure as failure:
        yield Finding(
            about="FHIR server",
            outcome=Outcome.BAD,
            sentence=f"The FHIR server cannot be used: {failure}",
            remedy=f"Check {variable('fhir_base_url')}, the token, and that this machine may reach the server.",
        )
        return
    for found in report.findings:
        yield Finding(
            about="FHIR behaviour",
            outcome=Outcome.GOOD if found.good else Outcome.CARE,
            sentence=found.sentence,
        )


def _clock(settings: Settings, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Compares clocks by the Date header (RFC 9110 section 6.6.1)."""
    if settings.clock_file is not None:
        yield Finding(
            about="clock",
            outcome=Outcome.CARE,
            sentence=f"The time comes from a file ({variable('clock_file')}), not from the machine's clock.",
            remedy="This is meant for demonstrations only. Unset it for real work.",
        )
        return
    try:
        answer = httpx.get(f"{settings.need('fhir_base_url')}/metadata", timeout=10, trust_env=False)
        server_now = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        yield Finding(
            about="clock",
            outcome=Outcome.CARE,
            sentence="The FHIR server does not tell its time (no Date header).",
        )
        return
    skew = abs(now() - server_now)
    if skew <= ALLOWED_SKEW:
        yield Finding(about="clock", outcome=Outcome.GOOD, sentence="Our clock and the FHIR server's agree.")
        return
    yield Finding(
        about="clock",
        outcome=Outcome.BAD,
        sentence=f"Our clock and the FHIR server's differ by {skew.total_seconds():.0f} seconds.",
        remedy="Synchronise both with NTP: due times would be that much early or late.",
    )


def _subscriptions(status: Callable[[], Iterable[tuple[bool, str]]]) -> Iterator[Finding]:
    try:
        for good, sentence in status():
            yield Finding(
                about="subscriptions",
                outcome=Outcome.GOOD if good else Outcome.CARE,
                sentence=sentence,
                remedy=""
                if good
                else "`throughline subscriptions apply` asks the server for what is missing.",
            )
    except RecordFailure as failure:
        yield Finding(
            about="subscriptions",
            outcome=Outcome.CARE,
            sentence=f"The server's subscriptions cannot be read: {failure}",
            remedy="Without subscriptions, changes are found by catch-up only.",
        )
