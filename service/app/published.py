"""What workers left for everybody to see, as metrics: any number of schedulers show the same figures."""

from __future__ import annotations

from service.app.coverage import counted
from service.app.listening_report import listening
from service.app.metrics import StateMetrics
from service.fhir.subscription_marks import COVERAGE, LISTENING
from service.flow.send_canary import Flight
from service.ports import Watermarks


def publish(marks: Watermarks, metrics: StateMetrics) -> None:
    """Set the gauges of listening and coverage; those of which nothing is known yet stay away."""
    report = listening(marks.get(LISTENING))
    if report is not None:
        for name, heard in report.subscriptions.items():
            metrics.heard.labels(name).set(int(heard.hearing.is_well))
        metrics.canary_lost.set(int(report.canary.flight is Flight.LOST))
        if report.canary.seconds is not None:
            metrics.canary_seconds.set(report.canary.seconds)
    count = counted(marks.get(COVERAGE))
    for pathway, covered in count.pathways.items() if count else ():
        metrics.expected.labels(pathway).set(covered.expected)
        metrics.enrolled.labels(pathway).set(covered.enrolled)
        metrics.not_covered.labels(pathway).set(covered.missed)
