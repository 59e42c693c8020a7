"""`throughline doctor`: says in plain words what works, what does not, and what to do.

Tries things rather than believing what servers say of themselves; leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import redis

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.token_request import TokenRequest
from service.adapters.redis_connection import connect
from service.app.chart_values import in_the_chart
from service.app.doctor_access import access_settings, token_trial
from service.app.doctor_record import accountable_person, clock, fhir_server, reading
from service.app.doctor_traces import traces
from service.app.doctor_versions import versions
from service.app.findings import Finding, Outcome
from service.app.settings import Settings, variable
from service.pathways.library import Library
from service.pathways.problems import errors
from service.ports import InboxUnavailable, RecordFailure, Search


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What is looked at; everything that may fail is a function, called when its turn comes."""

    settings: Settings
    unknown: Sequence[str]
    """A line for each THROUGHLINE_ variable that means nothing."""
    client: FhirClient | None
    """None when no FHIR server is named, or the settings do not let us speak to it."""
    library: Callable[[], Library]
    searches: Callable[[Library], Sequence[Search]]
    """Every kind of search that a reconcile sends, about nobody."""
    subscriptions: Callable[[], Iterable[Finding]]
    """Whether the server tells what it should."""
    coverage: Callable[[], Iterable[Finding]]
    """How many of those who should be on a pathway are."""
    senders: Callable[[], Iterable[Finding]]
    """Who sends messages, and when they last did."""
    parked: Callable[[], int]
    """How much work waits for a person."""
    now: Callable[[], datetime]
    traces: Callable[[], bool | None] = lambda: None
    """Whether the collector takes our traces; None where none are wanted."""
    token: TokenRequest | None = None
    """How the workers get their access token, where they need one."""


def examine(about: Examined) -> Iterator[Finding]:
    """Every finding, in the order in which one would mend them. Never raises for what it finds.

    What is not well and has to do with a setting is said in the words of the chart's values too.
    """
    return map(_in_the_words_of_the_chart, _examine(about))


def _in_the_words_of_the_chart(finding: Finding) -> Finding:
    words = in_the_chart(f"{finding.sentence} {finding.remedy}")
    if finding.outcome is Outcome.GOOD or not words:
        return finding
    return replace(finding, remedy=f"{finding.remedy} {words}".strip())


def _examine(about: Examined) -> Iterator[Finding]:
    yield from _settings(about.settings, about.unknown)
    yield from _redis(about.settings, about.parked)
    library = about.library()
    yield from _mappings(library)
    yield from about.senders()
    yield from traces(about.traces)
    yield from access_settings(about.settings, about.now())
    if about.client is None:
        return
    let_in = list(token_trial(about.token, about.settings)) if about.token else []
    yield from let_in
    if any(finding.outcome is Outcome.BAD for finding in let_in):
        return
    reachable = list(fhir_server(about.client, about.settings))
    yield from reachable
    if any(finding.outcome is Outcome.BAD for finding in reachable):
        return
    yield from accountable_person(about.client, about.settings)
    yield from versions(about.client, library)
    yield from reading(about.client, about.searches(library), about.settings)
    yield from clock(about.client, about.settings, about.now)
    yield from _subscriptions(about.subscriptions)
    yield from about.coverage()


def _settings(settings: Settings, unknown: Iterable[str]) -> Iterator[Finding]:
    for line in unknown:
        yield Finding(
            about="settings",
            outcome=Outcome.CARE,
            sentence=line,
            remedy="Correct its name, or remove it.",
        )
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
    "fhir_base_url": "Set it to the base address of your FHIR server, e.g. https://fhir.example.org/r4.",
    "redis_url": "Set it to your Redis server, e.g. redis://localhost:6379/0, with its append-only file on.",
    "public_url": "Set it to the address at which the FHIR server reaches this service.",
    "secret_key": "Set it to a long random text, the same for web, worker and scheduler.",
    "accountable_practitioner": "Set it to the Practitioner who answers for unowned follow-ups at your site.",
}


def _redis(settings: Settings, parked: Callable[[], int]) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    # redis-py types its answers as sync-or-async unions; Any keeps the casts away.
    server: Any = connect(settings.redis_url.get_secret_value(), wait=timedelta(seconds=3))
    try:
        server.ping()
        version = server.info("server").get("redis_version", "unknown")
        yield Finding(
            about="Redis", outcome=Outcome.GOOD, sentence=f"Redis answers (protocol version {version})."
        )
        yield from _persistence(server)
        yield from _eviction(server)
        yield from _waiting(parked())
    except (redis.RedisError, InboxUnavailable, OSError) as failure:
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


def _eviction(server: Any) -> Iterator[Finding]:
    try:
        policy = server.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except redis.RedisError:
        return  # who may not ask about the append-only file has been told already
    if policy != "noeviction":
        yield Finding(
            about="Redis",
            outcome=Outcome.CARE,
            sentence=f"Redis throws keys away when its memory is full (maxmemory-policy {policy}): notifications in hand among them.",
            remedy="Set `maxmemory-policy noeviction`, so that it refuses instead and the sender sends again.",
        )


def _waiting(parked: int) -> Iterator[Finding]:
    if parked:
        yield Finding(
            about="Redis",
            outcome=Outcome.CARE,
            sentence=f"{parked} notifications or people could not be worked on and wait for a person.",
            remedy="`throughline dead-letters list` says why; `throughline dead-letters retry all` tries again.",
        )


def _mappings(loaded: Library) -> Iterator[Finding]:
    found = errors(loaded.problems)
    names = ", ".join(sorted(loaded.pathways)) or "none"
    if found or not loaded.pathways:
        yield Finding(
            about="pathways",
            outcome=Outcome.BAD,
            sentence=f"{len(found)} error(s) in the mappings folder; the pathways that can be used are: {names}.",
            remedy="`throughline pathways check` shows every one with file, line and what to write instead."
            if found
            else f"Set {variable('mappings_dir')} to the folder that holds pathways/.",
        )
    else:
        yield Finding(about="pathways", outcome=Outcome.GOOD, sentence=f"Pathways in use: {names}.")


def _subscriptions(found: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from found()
    except RecordFailure as failure:
        yield Finding(
            about="subscriptions",
            outcome=Outcome.CARE,
            sentence=f"The server's subscriptions cannot be read: {failure}",
            remedy="Without subscriptions, changes are found by catch-up only.",
        )
