"""Logs: one JSON object per line, and nothing about a person whatever goes wrong."""

import io
import json
import logging

import pytest
from celery.worker.consumer.consumer import CONNECTION_ERROR, CONNECTION_RETRY

from service.app.telemetry import JsonLines, OncePerTrouble, PlainLines, log_to


@pytest.fixture
def stream():
    """Where the log goes; the logging of the test run itself is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("service", "celery.app.trace", "celery.worker.consumer.connection", "py.warnings")
    levels = {name: logging.getLogger(name).level for name in names}
    stream = io.StringIO()
    log_to(stream, role="worker", level="INFO")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_its_own_members(stream):
    logging.getLogger("service.flow.x").info("took in %d", 3, extra={"taken": 3, "rules": ["a"]})
    [line] = lines(stream)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "role": "worker",
        "logger": "service.flow.x",
        "says": "took in 3",
        "taken": 3,
        "rules": ["a"],
    }


def test_of_an_exception_only_type_and_place_are_shown(stream):
    try:
        raise ValueError("Ana Secret, 1980-01-01")
    except ValueError:
        logging.getLogger("service.flow.x").exception("failed")
    [line] = lines(stream)
    assert line["fault"] == "ValueError"
    assert line["where"].startswith("tests/app/test_telemetry.py:")
    assert "Ana" not in stream.getvalue()


def test_what_a_library_fills_in_is_left_out(stream):
    logging.getLogger("httpx").warning("HTTP Request: GET %s", "http://fhir/Patient?name=Secret")
    assert lines(stream)[0]["says"] == "HTTP Request: GET %s"


def test_libraries_speak_only_when_something_is_wrong(stream):
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("celery.app.trace").error("Task x raised unexpected: Secret")
    assert stream.getvalue() == ""


def an_outage():
    """As Celery tells it: what was in hand, the loss, each try."""
    request, consumer = (
        logging.getLogger(f"celery.worker.{name}") for name in ("request", "consumer.consumer")
    )
    for tag in range(3):
        request.critical("Couldn't ack %r, reason:%r", tag, ConnectionError("secret"), exc_info=True)
    consumer.warning("%s (%r)", CONNECTION_RETRY, ConnectionError("secret"))
    consumer.info("Temporarily reducing the prefetch count to 2")
    for _ in range(5):
        consumer.error(CONNECTION_ERROR, "redis://:secret@host", ConnectionError("secret"), "Trying again")


def test_a_lost_connection_is_told_once_and_once_that_it_is_back(stream):
    connection = logging.getLogger("celery.worker.consumer.connection")
    connection.info("Connected to %s", "redis://:secret@host")
    for _ in range(2):
        an_outage()
        connection.info("Connected to %s", "redis://:secret@host")
        connection.info("Connected to %s", "redis://:secret@host")
    assert [(line["level"], line["says"]) for line in lines(stream)] == [
        ("warning", "Redis does not answer; trying again until it does"),
        ("warning", "Redis answers again"),
    ] * 2
    assert "secret" not in stream.getvalue()


def test_other_complaints_of_celery_are_not_mistaken_for_a_lost_connection(stream):
    logging.getLogger("celery.worker.consumer.consumer").error("Received unregistered task of type %s.", "x")
    logging.getLogger("kombu.connection").warning(
        "Secure redis scheme specified (rediss) with no ssl options"
    )
    assert [line["says"] for line in lines(stream)] == [
        "Received unregistered task of type %s.",
        "Secure redis scheme specified (rediss) with no ssl options",
    ]


def test_the_filter_leaves_other_loggers_alone():
    record = logging.makeLogRecord({"name": "service.x", "msg": "m", "levelno": logging.ERROR})
    assert OncePerTrouble().filter(record)
    assert json.loads(JsonLines("web").format(record))["role"] == "web"


def test_lines_for_a_terminal_say_the_same(stream):
    record = logging.makeLogRecord(
        {
            "name": "service.flow.x",
            "msg": "took in",
            "levelno": 20,
            "levelname": "INFO",
            "taken": 3,
            "created": 1.5,
        }
    )
    assert PlainLines("worker").format(record) == "00:00:01.500 INFO worker: took in  (taken=3)"


def test_lines_for_a_terminal_are_chosen_by_name():
    stream = io.StringIO()
    log_to(stream, role="web", level="INFO", form="text")
    logging.getLogger("service.x").info("here")
    assert stream.getvalue().endswith(" INFO web: here\n")
