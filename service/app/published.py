"""What workers left for everybody to see, as metrics: any number of schedulers show the same figures."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Gauge

from service.app.coverage import counted
from service.app.listening_report import listening
from service.app.metrics import StateMetrics
from service.app.sender_silence import last_heard
from service.fhir.subscription_marks import COVERAGE, LISTENING
from service.flow.send_canary import Flight
from service.ports import Watermarks


def publish(marks: Watermarks, metrics: StateMetrics) -> None:
    """Set the gauges of listening, senders and coverage; those of which nothing is known stay away."""
    report = listening(marks.get(LISTENING))
    if report is not None:
        _show(metrics.heard, {name: int(e.hearing.is_well) for name, e in report.subscriptions.items()})
        metrics.canary_lost.set(int(report.canary.flight is Flight.LOST))
        if report.canary.seconds is not None:
            metrics.canary_seconds.set(report.canary.seconds)
    _show(metrics.sender_heard, {name: at.timestamp() for name, at in last_heard(marks).items()})
    count = counted(marks.get(COVERAGE))
    if count is not None:
        _show(metrics.expected, {name: each.expected for name, each in count.pathways.items()})
        _show(metrics.enrolled, {name: each.enrolled for name, each in count.pathways.items()})
        _show(metrics.not_covered, {name: each.missed for name, each in count.pathways.items()})


def _show(gauge: Gauge, now: Mapping[str, float]) -> None:
    """These, each under its one label, and no other: what is no longer there must not raise an alert for ever."""
    for name, value in now.items():
        gauge.labels(name).set(value)
    for family in gauge.collect():
        for [name] in {tuple(sample.labels.values()) for sample in family.samples}:
            if name not in now:
                gauge.remove(name)
