"""Prometheus metrics of worker and scheduler, on a registry that is handed in; docs/metrics.md is their catalogue.

Labels are names from configuration and kinds of outcomes, never of people. A process shows only what it knows itself:
a worker what it did, the scheduler how the whole installation stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.domain.tally import Tally
from service.ports import Claim

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""
LATE = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Seconds; the budget for an escalation is 2."""
LONG = (900.0, 3600.0, 14400.0, 28800.0, 86400.0, 259200.0, 604800.0)
"""Seconds: a quarter of an hour to a week."""


def about_this_build(registry: CollectorRegistry, *, version: str, role: str) -> None:
    """Which version runs in which role."""
    Info("throughline_build", "Version and role of this process.", registry=registry).info(
        {"version": version, "role": role}
    )


class WorkMetrics:
    """What a worker does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"throughline_{name}", says, labels, registry=registry)

        def seconds(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"throughline_{name}_seconds", says, labels, buckets=buckets, registry=registry)

        self.taken_in = counter("taken_in", "Notifications taken in, by what became of them.", "outcome")
        self.lag = seconds("notification_lag", "From a notification's storing to its taking in.", LATE)
        self.skipped = counter("changes_skipped", "Changes that woke nobody, by why.", "why")
        self.decisions = counter(
            "decisions", "Decisions, by pathway and whether they wrote.", "pathway", "outcome"
        )
        self.writes = counter("writes", "Resources written to the record.")
        self.opened = counter(
            "follow_ups_opened", "Follow-ups opened, by how their owner was found.", "pathway", "owner"
        )
        self.escalations = counter("escalations", "Escalations begun, by cause.", "pathway", "cause")
        self.rungs = counter("escalation_rungs", "Rungs of escalations raised, by pathway.", "pathway")
        self.unowned = seconds(
            "unowned", "How long a person had a follow-up whose role nobody held, when that ended.", LONG
        )
        self.failures = counter("reconcile_failures", "Reconciles that failed, by kind of failure.", "kind")
        self.parked = counter("parked", "Work parked for somebody to look at.", "kind")
        self.stale = counter(
            "stale_claims", "Messages about a person whom somebody else has taken meanwhile."
        )
        self.recovered = counter("recovered_events", "Lost events that the server told again when asked.")
        self.missed = counter(
            "population_missed", "What a count found to have no enrolment, each time it did."
        )
        self.caught_up = counter("catch_ups", "Catch-ups, by how they ended.", "outcome")
        self.caught_up_at = Gauge(
            "throughline_catch_up_timestamp_seconds",
            "When this worker last ended a catch-up well, epoch seconds; 0 when it has not.",
            registry=registry,
        )
        self.lateness = seconds("due_lateness", "How late work on a person began after their time.", LATE)
        self.reconcile_seconds = seconds(
            "reconcile", "One look at a person, from the first read to the last write.", QUICK
        )

    def begun(self, claim: Claim, now: datetime) -> None:
        """Work on a person begins; how late is known unless it is another try."""
        if claim.due_at is not None:
            self.lateness.observe(max(0.0, (now - claim.due_at).total_seconds()))


class StateMetrics:
    """How the whole installation stands; any scheduler shows the same, so sums over schedulers mean nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"throughline_{name}", says, labels, registry=registry)

        self.claimed = Counter("throughline_claims", "People handed to workers.", registry=registry)
        self.answers = gauge("queue_answers", "1: Redis answers; 0: it does not, and the rest is as it was.")
        self.inbox = gauge("inbox_size", "Notifications that wait to be taken in.")
        self.oldest = gauge("inbox_oldest_seconds", "How long the oldest of these has waited.")
        self.index = gauge("index_size", "People who are due some time.")
        self.behind = gauge("behind_seconds", "How long the person who waits longest has been due.")
        self.dead_letters = gauge("dead_letters", "Parked work that waits for somebody.")
        self.unowned_oldest = gauge(
            "unowned_oldest_seconds", "How long the longest unowned follow-up has been so; 0 when none is."
        )
        self.owned = gauge(
            "owned_ratio", "Share of open follow-ups whose role a named person holds; 1 when none is open."
        )
        self.heard = gauge(
            "subscription_heard", "1: the subscription tells what it should; 0: it does not.", "subscription"
        )
        self.sender_heard = gauge(
            "sender_heard_timestamp_seconds", "When the sender of messages was heard of last.", "sender"
        )
        self.canary_lost = gauge("canary_lost", "1: the canary's notification has not come back.")
        self.canary_seconds = gauge("canary_seconds", "How long the canary's notification took last time.")
        self.expected = gauge(
            "coverage_expected", "What should have begun an enrolment in the window.", "pathway"
        )
        self.enrolled = gauge("coverage_enrolled", "What of it has its enrolment.", "pathway")
        self.not_covered = gauge(
            "coverage_missed", "What of it has none, although it has been long enough.", "pathway"
        )
        self._standing = _Standing()
        registry.register(self._standing)

    def stand(self, numbers: Mapping[str, int], unowned_since: float | None, now: datetime) -> None:
        """Sums over everybody as `names_of` calls them."""
        self._standing.numbers = dict(numbers)
        waited = 0.0 if unowned_since is None else now.timestamp() - unowned_since
        self.unowned_oldest.set(max(0.0, waited))
        open_ones = sum(n for name, n in numbers.items() if name.startswith(f"{FOLLOW_UPS}|"))
        unowned = sum(n for name, n in numbers.items() if name.startswith(f"{UNOWNED}|"))
        self.owned.set(1.0 if open_ones <= 0 else min(1.0, max(0.0, 1.0 - unowned / open_ones)))


ENROLMENTS, FOLLOW_UPS, UNOWNED, ESCALATIONS = "enrolments", "follow-ups", "unowned", "escalations"


def names_of(tally: Tally) -> dict[str, int]:
    """A tally as flat names: `enrolments|<pathway>`, `follow-ups|<pathway>|<timeliness>`, …"""
    numbers = {f"{ENROLMENTS}|{pathway}": n for pathway, n in tally.enrolments.items()}
    numbers |= {f"{FOLLOW_UPS}|{pathway}|{how.value}": n for (pathway, how), n in tally.follow_ups.items()}
    numbers |= {f"{UNOWNED}|{pathway}": n for pathway, n in tally.unowned.items()}
    numbers |= {f"{ESCALATIONS}|{pathway}|{why.value}": n for (pathway, why), n in tally.escalations.items()}
    return numbers


class _Standing(Collector):
    """Gauges whose labels come and go; a whole picture is replaced at once, so that no scrape sees half of one."""

    _FAMILIES = (
        (ENROLMENTS, "running_enrolments", "People on a pathway.", ("pathway",)),
        (FOLLOW_UPS, "open_follow_ups", "Open follow-ups, by their clocks.", ("pathway", "timeliness")),
        (UNOWNED, "unowned_follow_ups", "Open follow-ups whose role nobody holds.", ("pathway",)),
        (ESCALATIONS, "running_escalations", "Running escalations.", ("pathway", "cause")),
    )

    def __init__(self) -> None:
        self.numbers: Mapping[str, int] = {}

    def collect(self) -> Iterator[Metric]:
        numbers = self.numbers
        for kind, name, says, labels in self._FAMILIES:
            family = GaugeMetricFamily(f"throughline_{name}", says, labels=labels)
            for key, number in numbers.items():
                what, *values = key.split("|")
                if what == kind and len(values) == len(labels):
                    family.add_metric(values, max(0, number))
            yield family


class FhirMetrics(Collector):
    """What it is like to talk to the FHIR server: how long it takes, what had to be repeated, how much at once."""

    def __init__(self, registry: CollectorRegistry, pace: Callable[[], tuple[int, int, int]]) -> None:
        """`pace` tells (retries, conflicts, writes at once) as they stand now."""
        self._pace = pace
        self.seconds = Histogram(
            "throughline_fhir_request_seconds",
            "One request to the FHIR server, by what was asked and how it was answered.",
            ("operation", "outcome"),
            buckets=QUICK,
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        retries, conflicts, at_once = self._pace()
        yield CounterMetricFamily(
            "throughline_fhir_retries", "Requests to the FHIR server that were repeated.", retries
        )
        yield CounterMetricFamily(
            "throughline_fhir_conflicts",
            "Writes that the FHIR server refused as too many at once.",
            conflicts,
        )
        yield GaugeMetricFamily(
            "throughline_fhir_writes_at_once", "Most writes that may be under way now.", at_once
        )


class TokenMetrics:
    """How the access tokens of the FHIR server come in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "throughline_fhir_token_requests",
            "Requests for an access token, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.expires = Gauge(
            "throughline_fhir_token_expiry_timestamp_seconds",
            "When the access token in use expires, epoch seconds; 0 before the first.",
            registry=registry,
        )


def labels_of(counts: Mapping[str, int], counter: Counter) -> None:
    """Add several counts at once to a counter with one label."""
    for label, count in counts.items():
        if count:
            counter.labels(label).inc(count)
