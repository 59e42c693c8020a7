"""Counts of what the web does, in a registry of their own. Labels are names from configuration, never of people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.fhir.notification_answers import Outcome

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds; the budget for an answer is 50 ms."""


class NotificationMetrics:
    """How many notifications came for which subscription, how they ended, and how long the answer took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "throughline_notifications",
            "Notifications answered, by subscription and outcome.",
            ("subscription", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "throughline_notification_answer_seconds",
            "From the first line of a notification to its answer.",
            buckets=BUCKETS,
            registry=registry,
        )

    def count(self, subscription: str, outcome: Outcome, seconds: float) -> None:
        self._total.labels(subscription, outcome.value).inc()
        self._seconds.observe(seconds)
