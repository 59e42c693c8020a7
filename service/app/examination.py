"""Opens what `doctor` and `subscriptions` look at: the record server, the subscriptions folder, the pathways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from service.adapters.clocks import SystemClock
from service.app import doctor
from service.app.settings import Settings
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import State, Subscriptions
from service.app.web_process import installation_keys
from service.app.wiring import make_client, open_queue, open_record
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.library import Library, load_library
from service.ports import Watermarks


@contextmanager
def open_subscriptions(settings: Settings) -> Iterator[Subscriptions]:
    """Our subscriptions on the record server of the settings."""
    with open_record(settings) as record:
        yield Subscriptions(
            record=record,
            wanted=read_subscriptions(settings.subscriptions),
            public_url=settings.need("public_url"),
            keys=installation_keys(settings),
        )


def subscription_states(settings: Settings) -> list[State]:
    """How each subscription stands; when it was last heard stands in Redis."""
    with open_queue(settings) as queue, open_subscriptions(settings) as ours:
        return ours.status(queue.watermarks)


def examine_installation(settings: Settings) -> Iterable[doctor.Finding]:
    """Everything `doctor` finds."""
    client = make_client(settings) if settings.fhir_base_url else None
    try:
        yield from doctor.examine(
            settings,
            client=client,
            library=lambda: _library(settings),
            subscriptions=lambda: _subscription_sentences(settings),
            now=SystemClock(settings.zone).now,
        )
    finally:
        if client is not None:
            client.close()


def _library(settings: Settings) -> Library:
    compiler = StrictPathCompiler(zone=settings.zone, base=settings.fhir_base_url or "")
    return load_library(settings.mappings, compiler, today=SystemClock(settings.zone).now().date())


def _subscription_sentences(settings: Settings) -> Iterator[tuple[bool, str]]:
    if settings.public_url is None or settings.secret_key is None:
        return  # said already among the settings
    with open_subscriptions(settings) as ours:
        states = ours.status(_NeverHeard())
    watched = [state.name for state in states if state.status == "active"]
    yield bool(watched), f"{len(watched)} of {len(states)} subscriptions are active on the FHIR server."
    for state in states:
        if state.status != "active":
            yield False, f"Subscription {state.name} is {state.status}: {'; '.join(state.says)}."


class _NeverHeard(Watermarks):
    """Doctor asks the record server only; when something was last heard is told by `subscriptions status`."""

    def get(self, name: str) -> str | None:  # noqa: ARG002
        return None

    def set(self, name: str, value: str) -> None:
        raise NotImplementedError
