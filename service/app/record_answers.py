"""Whether the FHIR server answers a worker: asked at most every few seconds, however often somebody wants to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock

from service.adapters.fhir.client import Request
from service.app.observing import Observation
from service.app.settings import Settings
from service.app.wiring import make_client
from service.ports import RecordFailure

ASK_EVERY = timedelta(seconds=5)
PATIENCE = 3
"""Lease seconds of the asking client: a third of it is how long it tries."""


class RecordSilent(Exception):
    """Use this when the FHIR server did not answer, or not well, when it was last asked."""


@contextmanager
def record_answers(
    settings: Settings, seen: Observation, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[], None]]:
    """A probe that raises RecordSilent; asks with our own credentials, for what every server answers."""
    client = make_client(
        settings.model_copy(update={"lease_seconds": PATIENCE, "fhir_timeout_seconds": float(PATIENCE)}),
        access=seen.access,
        watch=seen.watch,
    )
    lock = Lock()
    asked_at, good = float("-inf"), False

    def ask() -> bool:
        try:
            answer = client.send(
                Request(method="GET", url=client.base.below("metadata"), doing="GET metadata")
            )
        except RecordFailure:
            return False
        return answer.good

    def probe() -> None:
        nonlocal asked_at, good
        with lock:
            if monotonic() - asked_at > ASK_EVERY.total_seconds():
                good = ask()
                asked_at = monotonic()
            if not good:
                raise RecordSilent

    try:
        yield probe
    finally:
        client.close()
