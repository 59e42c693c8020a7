"""Opens what `doctor` and `subscriptions` look at: the record server, the subscriptions folder, the pathways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from service.adapters.clocks import SystemClock
from service.app.doctor import Examined, examine
from service.app.findings import Finding
from service.app.practice import role_codes
from service.app.record_access import access_problems, record_access
from service.app.settings import Settings, unknown_variables
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import State, Subscriptions
from service.app.web_process import installation_keys
from service.app.wiring import make_client, make_practice, open_queue, open_record
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.searches import enrolment_search, person_searches
from service.pathways.library import Library, load_library
from service.ports import Search, Watermarks


@contextmanager
def open_subscriptions(settings: Settings, *, reading_only: bool = False) -> Iterator[Subscriptions]:
    """Our subscriptions on the record server of the settings."""
    public_url, keys = settings.need("public_url"), installation_keys(settings)
    with open_record(settings, reading_only=reading_only) as record:
        yield Subscriptions(
            record=record,
            wanted=read_subscriptions(settings.subscriptions),
            public_url=public_url,
            keys=keys,
        )


def subscription_states(settings: Settings) -> list[State]:
    """How each subscription stands; when it was last heard stands in Redis."""
    with open_queue(settings) as queue, open_subscriptions(settings, reading_only=True) as ours:
        return ours.status(queue.watermarks)


def examine_installation(settings: Settings) -> Iterator[Finding]:
    """Everything `doctor` finds."""
    can_ask = settings.fhir_base_url is not None and not access_problems(settings)
    access = record_access(settings) if can_ask else None
    client = make_client(impatient(settings), access=access) if access else None
    try:
        yield from examine(
            Examined(
                settings=settings,
                unknown=unknown_variables(),
                client=client,
                token=access.request if access else None,
                library=lambda: _library(settings),
                searches=lambda library: needed_searches(library, settings),
                subscriptions=lambda: _subscription_sentences(settings),
                parked=lambda: _parked(settings),
                now=SystemClock(settings.zone).now,
            )
        )
    finally:
        if client is not None:
            client.close()


def needed_searches(library: Library, settings: Settings) -> Sequence[Search]:
    """One search of each kind that a reconcile sends, about a person whom nobody has."""
    nobody = Reference("Patient/throughline-doctor")
    practice = make_practice(settings, library)
    since = SystemClock(settings.zone).now() - timedelta(days=1)
    about = person_searches(nobody, practice.types, since, role_codes(library), ever=practice.ever)
    return [enrolment_search(nobody), *about]


def impatient(settings: Settings) -> Settings:
    """Somebody sits and waits: an unreachable server is given up on after a few seconds."""
    return settings.model_copy(update={"lease_seconds": 9})


def _library(settings: Settings) -> Library:
    compiler = StrictPathCompiler(zone=settings.zone, base=settings.fhir_base_url or "")
    return load_library(settings.mappings, compiler, today=SystemClock(settings.zone).now().date())


def _parked(settings: Settings) -> int:
    with open_queue(settings) as queue:
        return queue.dead_letters.size()


def _subscription_sentences(settings: Settings) -> Iterator[tuple[bool, str]]:
    if settings.public_url is None or settings.secret_key is None:
        return  # said already among the settings
    with open_subscriptions(impatient(settings), reading_only=True) as ours:
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
