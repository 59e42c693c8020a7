"""Opens what `doctor` and `subscriptions` look at: the record server, the subscriptions folder, the pathways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta

from service.adapters.clocks import SystemClock
from service.app.coverage import counted
from service.app.doctor import Examined, examine
from service.app.doctor_listening import coverage_findings, listening_findings
from service.app.doctor_senders import sender_findings
from service.app.findings import Finding
from service.app.observing import traces_arrive
from service.app.our_subscriptions import NeverHeard, open_subscriptions, states_of
from service.app.practice import role_codes
from service.app.record_access import access_problems, record_access
from service.app.senders import senders_of, unchecked_certificates
from service.app.settings import Settings, unknown_variables
from service.app.wiring import make_client, make_clock, make_practice, open_queue
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.searches import enrolment_search, person_searches
from service.fhir.subscription_marks import COVERAGE
from service.pathways.library import Library, load_library
from service.ports import InboxUnavailable, Search, Watermarks


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
                subscriptions=lambda: _listening(settings),
                coverage=lambda: _coverage(settings),
                senders=lambda: _senders(settings),
                parked=lambda: _parked(settings),
                traces=lambda: traces_arrive(settings),
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


def _listening(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None or settings.secret_key is None:
        return  # said already among the settings
    with open_queue(settings) if settings.redis_url else nullcontext() as queue:
        marks: Watermarks = queue.watermarks if queue else NeverHeard()
        with open_subscriptions(impatient(settings), reading_only=True) as opened:
            now = make_clock(settings).now()
            try:
                report = states_of(opened, marks, now)
            except InboxUnavailable:  # said already about Redis
                report = states_of(opened, NeverHeard(), now)
        yield from listening_findings(report, opened.server)


def _coverage(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    with open_queue(settings) as queue:
        try:
            found = counted(queue.watermarks.get(COVERAGE))
        except InboxUnavailable:
            return  # said already about Redis
        yield from coverage_findings(found, queue.clock.now())


def _senders(settings: Settings) -> Iterator[Finding]:
    with open_queue(settings) if settings.redis_url else nullcontext() as queue:
        marks: Watermarks = queue.watermarks if queue else NeverHeard()
        now = make_clock(settings).now()
        try:
            found = list(
                sender_findings(
                    lambda: senders_of(settings),
                    marks.get,
                    now,
                    lambda known: unchecked_certificates(settings, known),
                )
            )
        except InboxUnavailable:
            return  # said already about Redis
    yield from found
