"""What operators see: one JSON object per log line, and Prometheus metrics on a registry that is handed in.

Nothing about a person: no names, no references, and never the text of an exception, which may hold what was read.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
OURS = "service"
CONNECTION_IS_BACK = "celery.worker.consumer.connection"
CONNECTION_IS_LOST = {
    "celery.worker.consumer.consumer": ("consumer: Connection to broker lost", "consumer: Cannot connect"),
    "celery.worker.request": ("Couldn't ack", "Couldn't reject"),
}
"""How the lines begin in which a logger of Celery complains about Redis: with each try, and for each message in hand."""


class JsonLines(logging.Formatter):
    """A log record as one JSON object; `extra` becomes its own members."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "says": record.getMessage() if record.name.startswith(OURS) else _foreign(record),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line |= fault_of(record.exc_info[0], record.exc_info[2])
        return json.dumps(line, default=str, ensure_ascii=False)


class OncePerTrouble(logging.Filter):
    """Lets Celery's complaints about a lost connection through once, in plain words, and once that it is back."""

    def __init__(self) -> None:
        super().__init__()
        self._is_lost = False

    def filter(self, record: logging.LogRecord) -> bool:
        was_lost = self._is_lost
        if record.name == CONNECTION_IS_BACK and record.levelno < logging.WARNING:
            self._is_lost = False
            _say_instead(record, "Redis answers again")
            return was_lost
        complaints = CONNECTION_IS_LOST.get(record.name)
        if complaints is not None and record.getMessage().startswith(complaints):
            self._is_lost = True
            _say_instead(record, "Redis does not answer; trying again until it does")
            return not was_lost
        return True


def _say_instead(record: logging.LogRecord, plain: str) -> None:
    record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    record.msg, record.args, record.exc_info = plain, (), None


def fault_of(kind: type[BaseException], trace: TracebackType | None) -> dict[str, str]:
    """Type of an exception and the innermost place in our own code; no text and no values."""
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if f"/{OURS}/" in frame.filename] or frames
    if not own:
        return {"fault": kind.__name__}
    path = PurePath(own[-1].filename)
    place = "/".join(path.parts[-3:])
    return {"fault": kind.__name__, "where": f"{place}:{own[-1].lineno} {own[-1].name}"}


def _foreign(record: logging.LogRecord) -> str:
    """A library's message; when it carries arguments they may hold anything, so only its template is kept."""
    return str(record.msg) if record.args else record.getMessage()


def log_to(stream: TextIO, *, role: str, level: str) -> None:
    """Log everything to `stream` as JSON lines; libraries only when something is wrong."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(role))
    handler.addFilter(OncePerTrouble())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(CONNECTION_IS_BACK).setLevel(logging.INFO)
    logging.getLogger("py.warnings").setLevel(
        logging.ERROR
    )  # advice of libraries to developers, not to operators
    # Its lines carry the text of the exception; whatever a task does not handle is logged by the task itself.
    logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)


class WorkMetrics:
    """What worker and scheduler count. Labels are names from configuration, never of people."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"throughline_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"throughline_{name}", says, labels, registry=registry)

        self.taken_in = counter("taken_in", "Notifications taken in, by what became of them.", "outcome")
        self.skipped = counter("changes_skipped", "Changes that woke nobody, by why.", "why")
        self.decisions = counter(
            "decisions", "Decisions, by pathway and whether they wrote.", "pathway", "outcome"
        )
        self.writes = counter("writes", "Resources written to the record.")
        self.rungs = counter("escalation_rungs", "Rungs of escalations raised, by pathway.", "pathway")
        self.failures = counter("reconcile_failures", "Reconciles that failed, by kind of failure.", "kind")
        self.stale = counter(
            "stale_claims", "Messages about a person whom somebody else has taken meanwhile."
        )
        self.recovered = counter("recovered_events", "Lost events that the server told again when asked.")
        self.missed = counter(
            "population_missed", "What a count found to have no enrolment, each time it did."
        )
        self.caught_up = counter("catch_ups", "Catch-ups, by how they ended.", "outcome")
        self.claimed = counter("claims", "People handed to workers.")
        self.reconcile_seconds = Histogram(
            "throughline_reconcile_seconds",
            "One reconcile, from the first read to the last write.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.inbox = gauge("inbox_size", "Notifications that wait to be taken in.")
        self.index = gauge("index_size", "People who are due some time.")
        self.behind = gauge("behind_seconds", "How long the person who waits longest has been due.")
        self.dead_letters = gauge("dead_letters", "Parked work that waits for somebody.")
        self.heard = gauge(
            "subscription_heard", "1: the subscription tells what it should; 0: it does not.", "subscription"
        )
        self.canary_lost = gauge("canary_lost", "1: the canary's notification has not come back.")
        self.canary_seconds = gauge("canary_seconds", "How long the canary's notification took last time.")
        self.expected = gauge(
            "coverage_expected", "What should have begun an enrolment in the window.", "pathway"
        )
        self.enrolled = gauge("coverage_enrolled", "What of it has its enrolment.", "pathway")


def labels_of(counts: Mapping[str, int], counter: Counter) -> None:
    """Add several counts at once to a counter with one label."""
    for label, count in counts.items():
        if count:
            counter.labels(label).inc(count)
