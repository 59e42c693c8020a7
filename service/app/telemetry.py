"""What operators read: one JSON object per log line, or plain lines for a terminal.

Nothing about a person: no names, no references, and never the text of an exception, which may hold what was read.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

from service.adapters.tracing import ids_here

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
        }
        return json.dumps(line | _said(record), default=str, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """The same for a terminal: `16:30:00.123 WARNING worker: what it says  (name=value …)`, always one line."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        said = _said(record)
        text = f"{at} {record.levelname} {self._role}: {said.pop('says')}"
        rest = " ".join(f"{name}={value}" for name, value in said.items())
        # A line break in a message must not look like another message.
        return (f"{text}  ({rest})" if rest else text).replace("\r", "\\r").replace("\n", "\\n")


def _said(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says, with its own members and the trace it belongs to."""
    ours = record.name.startswith(OURS)
    said: dict[str, Any] = {"says": record.getMessage() if ours else _foreign(record)}
    said |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        said |= fault_of(record.exc_info[0], record.exc_info[2])
    return said | ids_here()


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


def log_to(stream: TextIO, *, role: str, level: str, form: str = "json") -> None:
    """Log everything to `stream` as lines of JSON or text; libraries only when something is wrong."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(role) if form == "json" else PlainLines(role))
    handler.addFilter(OncePerTrouble())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(CONNECTION_IS_BACK).setLevel(logging.INFO)
    logging.captureWarnings(True)
    # Advice of libraries to developers, not to operators; and not one line each.
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    # Its lines carry the text of the exception; whatever a task does not handle is logged by the task itself.
    logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)
