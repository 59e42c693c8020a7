"""What `doctor` says about hearing the server: each subscription, the canary, and how many of those expected are enrolled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from service.app.coverage import Counted
from service.app.findings import Finding, Outcome
from service.app.listening_report import Heard, Listening
from service.app.subscription_servers import Server
from service.flow.listen import Hearing
from service.flow.send_canary import Flight

STALE = timedelta(hours=2)
"""A count older than this says that no worker runs, or that counting fails."""
_APPLY = "`throughline subscriptions apply` asks the server for what is missing."
_APPLY_ONCE = (
    "`throughline subscriptions apply` asks for it anew. If the server keeps it so all the same, write it so in the"
    " subscriptions folder."
)
_REMEDIES = {
    Hearing.NOT_ASKED: _APPLY,
    Hearing.GONE: "The worker asks for it again by itself; if it stays so, somebody or something deletes it there.",
    Hearing.NOT_ACTIVE: "The worker asks for it again by itself. If it stays so, look into the server's log: it cannot reach THROUGHLINE_PUBLIC_URL, or does not like what was asked for.",
    Hearing.FAILING: "Check that the server reaches THROUGHLINE_PUBLIC_URL, and its log for the code that it tells.",
    Hearing.HEARTBEAT_MISSED: "Check that the server runs its notifications and reaches THROUGHLINE_PUBLIC_URL.",
    Hearing.SILENT: "Check that the server runs its notifications and reaches THROUGHLINE_PUBLIC_URL. Changes are found by catch-up meanwhile.",
}


def listening_findings(report: Listening, server: Server | None) -> Iterator[Finding]:
    """One finding for what is well, one for each subscription that is not, one for the canary."""
    if server is not None and not server.tells:
        yield _care(f"{server.title} tells nothing by itself: changes are found by catch-up only.", "")
        return
    active = [name for name, heard in report.subscriptions.items() if heard.status == "active"]
    total = len(report.subscriptions)
    yield Finding(
        about="subscriptions",
        outcome=Outcome.GOOD if active else Outcome.CARE,
        sentence=f"{len(active)} of {total} subscriptions are active on the FHIR server.",
        remedy="" if active else _APPLY,
    )
    for name, heard in report.subscriptions.items():
        if not heard.hearing.is_well:
            yield _care(f"Subscription {name} is {_words(heard)}.", _REMEDIES[heard.hearing])
        elif differs := [each for each in heard.says if ": asked for" in each or ": the server" in each]:
            yield _care(
                f"Subscription {name} is kept otherwise than asked: {'; '.join(differs)}.",
                _APPLY_ONCE,
            )
    yield from _canary(report)


def coverage_findings(count: Counted | None, now: datetime) -> Iterator[Finding]:
    """The published figure; nothing while a worker has not counted yet."""
    if count is None:
        return
    expected = sum(each.expected for each in count.pathways.values())
    missed = sum(each.missed for each in count.pathways.values())
    enrolled = sum(each.enrolled for each in count.pathways.values())
    of = f"{enrolled} of {expected} that should be on a pathway by the last {count.days} days are"
    yield Finding(
        about="coverage",
        outcome=Outcome.CARE if missed else Outcome.GOOD,
        sentence=f"{of} (counted {count.at:%Y-%m-%d %H:%M}).",
        remedy="Those who were missed are looked at by the workers now; `throughline measures` names them."
        if missed
        else "",
    )
    if now - count.at > STALE:
        yield Finding(
            about="coverage",
            outcome=Outcome.CARE,
            sentence="Nobody has counted for more than two hours.",
            remedy="Check that a worker and the scheduler run.",
        )


def _canary(report: Listening) -> Iterator[Finding]:
    canary = report.canary
    if canary.flight is Flight.LOST:
        yield _care(
            f"The canary: {canary.says}.",
            "Check that the server runs its notifications and reaches THROUGHLINE_PUBLIC_URL.",
        )
    elif canary.flight is Flight.BACK:
        yield Finding(
            about="subscriptions",
            outcome=Outcome.GOOD,
            sentence=f"The canary: {canary.says}, so notifications arrive.",
        )


def _words(heard: Heard) -> str:
    says = "; ".join(heard.says)
    return f"{heard.hearing.value}: {says}" if says else heard.hearing.value


def _care(sentence: str, remedy: str) -> Finding:
    return Finding(about="subscriptions", outcome=Outcome.CARE, sentence=sentence, remedy=remedy)
