"""What `doctor` tries on the record server: whether it lets us in, what it really does, its searches and its clock.

Every request goes through the client that the workers use, with its token. Leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from service.adapters.fhir.client import FhirClient, Request
from service.adapters.fhir.narrowing import MOST, names
from service.adapters.fhir.probe import CAREFUL, probe
from service.adapters.fhir_http import HttpFhirRecord
from service.app.doctor_access import refusal_remedy
from service.app.findings import Finding, Outcome
from service.app.settings import Settings, variable
from service.ports import RecordFailure, RecordUnavailable, Search

ALLOWED_SKEW = timedelta(seconds=5)
"""More than this between our clock and the server's moves due times visibly."""


def fhir_server(client: FhirClient, settings: Settings) -> Iterator[Finding]:
    """Whether it lets us in and what it does; BAD when it cannot be used at all."""
    let_in = _let_in(client, settings)
    if let_in is not None:
        yield let_in
        return
    try:
        report = probe(client)
    except RecordFailure as failure:
        yield _unusable(failure, settings)
        return
    for found in report.findings:
        yield Finding(
            about="FHIR server",
            outcome=Outcome.GOOD if found.good else Outcome.CARE,
            sentence=found.sentence,
            remedy="" if found.good else "Nothing has to be done: Throughline works around it.",
        )


def _let_in(client: FhirClient, settings: Settings) -> Finding | None:
    """A read of what every worker reads: a CapabilityStatement is often public where the record is not."""
    nobody = Search(kind="Task", params=(("_id", "throughline-doctor"),))
    try:
        list(HttpFhirRecord(client, CAREFUL).search(nobody))
    except RecordFailure as failure:
        return _unusable(failure, settings)
    return None


def _unusable(failure: RecordFailure, settings: Settings) -> Finding:
    remedy = refusal_remedy(settings, failure.status or 0)
    if remedy is not None:
        return Finding(
            about="FHIR server",
            outcome=Outcome.BAD,
            sentence=f"The FHIR server does not let us in ({failure.status}).",
            remedy=remedy,
        )
    return Finding(
        about="FHIR server",
        outcome=Outcome.BAD,
        sentence=f"The FHIR server cannot be used: {failure}",
        remedy=f"Check {variable('fhir_base_url')}, and that the server runs and this machine may reach it.",
    )


def reading(client: FhirClient, searches: Sequence[Search], settings: Settings) -> Iterator[Finding]:
    """Whether every search that the pathways need works, and which of them the server leaves to us."""
    record = HttpFhirRecord(client, CAREFUL)
    refused = 0
    for search in searches:
        try:
            list(record.search(search))
        except RecordUnavailable as failure:
            yield _unusable(failure, settings)
            return
        except RecordFailure as failure:
            refused += 1
            yield _refused(search, failure, settings)
    for name in sorted(record.narrowed):
        yield Finding(
            about="searches",
            outcome=Outcome.CARE,
            sentence=f"The FHIR server cannot search {name}: every resource of that type is read and chosen here.",
            remedy=f"Works up to {MOST} resources of that type. Beyond that, have the server support the search.",
        )
    if not refused:
        kinds = len({search.kind for search in searches})
        yield Finding(
            about="searches",
            outcome=Outcome.GOOD,
            sentence=f"Every search that the pathways need works ({kinds} resource types).",
        )


def _refused(search: Search, failure: RecordFailure, settings: Settings) -> Finding:
    return Finding(
        about="searches",
        outcome=Outcome.BAD,
        sentence=f"The FHIR server refuses the search {names(search)} ({failure.status or 'no answer'}).",
        remedy=refusal_remedy(settings, failure.status or 0)
        or f"Have the server support {search.kind}, or leave out the pathways that ask about it.",
    )


def accountable_person(client: FhirClient, settings: Settings) -> Iterator[Finding]:
    """Whether the person who holds what nobody else holds is in the record: follow-ups would go to nobody."""
    if settings.accountable_practitioner is None:
        return  # said already among the settings
    kind, _, logical_id = settings.accountable_practitioner.partition("/")
    name = variable("accountable_practitioner")
    try:
        found = list(HttpFhirRecord(client, CAREFUL).search(Search(kind=kind, params=(("_id", logical_id),))))
    except RecordFailure as failure:
        yield _refused(Search(kind=kind, params=(("_id", logical_id),)), failure, settings)
        return
    if not found:
        yield Finding(
            about="settings",
            outcome=Outcome.BAD,
            sentence=f"{name} names a {kind} whom the FHIR server does not have: follow-ups would go to nobody.",
            remedy="Set it to the Practitioner who answers for unowned follow-ups at your site.",
        )


def clock(client: FhirClient, settings: Settings, now: Callable[[], datetime]) -> Iterator[Finding]:
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
        server_now = _time_of(client)
    except (RecordFailure, KeyError, ValueError):
        yield Finding(
            about="clock",
            outcome=Outcome.CARE,
            sentence="The FHIR server does not tell its time (no Date header).",
            remedy="Make sure that both clocks are synchronised with NTP.",
        )
        return
    skew = now() - server_now
    if abs(skew) <= ALLOWED_SKEW:
        yield Finding(about="clock", outcome=Outcome.GOOD, sentence="Our clock and the FHIR server's agree.")
        return
    seconds = f"{abs(skew).total_seconds():.0f} seconds {'ahead of' if skew > timedelta() else 'behind'}"
    yield Finding(
        about="clock",
        outcome=Outcome.BAD,
        sentence=f"Our clock is {seconds} the FHIR server's.",
        remedy="Synchronise both with NTP: due times would be that much early or late.",
    )


def _time_of(client: FhirClient) -> datetime:
    answer = client.send(Request(method="GET", url=client.base.below("metadata"), doing="GET metadata"))
    return parsedate_to_datetime(answer.headers["date"])
