"""The Celery tasks as shells: whatever happens inside is told, and no message is delivered for ever."""

import io
import logging
from typing import cast

import pytest

from service.adapters.redis_doorbell import QUEUE_OF, Job
from service.app import worker
from service.app.celery_app import make_celery
from service.app.settings import load_settings
from service.app.telemetry import JsonLines
from service.app.work import Work
from service.app.worker import add_tasks

# What Celery deprecates stops working in its next version.
pytestmark = pytest.mark.filterwarnings("error")

ARGUMENTS = {Job.TAKE_IN: (), Job.RECONCILE_PERSON: ("Patient/ana", "token"), Job.CATCH_UP: ()}


class Faulty:
    """Jobs that fail in a way that they do not handle themselves."""

    def take_in(self):
        raise ZeroDivisionError("Ana Secret")

    def reconcile_person(self, _person, _token):
        raise ZeroDivisionError("Ana Secret")

    def catch_up(self):
        raise ZeroDivisionError("Ana Secret")


@pytest.mark.parametrize("job", list(Job))
def test_a_fault_that_a_job_does_not_handle_is_told_with_type_and_place_and_no_values(job):
    celery = make_celery(load_settings({"THROUGHLINE_REDIS_URL": "redis://localhost:6379/0"}))
    add_tasks(celery, cast("Work", Faulty()))
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(JsonLines("worker"))
    logger = logging.getLogger("service.app.worker")
    logger.addHandler(handler)
    try:
        celery.tasks[job.value](*ARGUMENTS[job])
    finally:
        logger.removeHandler(handler)
    line = told.getvalue()
    assert f'"job": "{job.value}"' in line
    assert '"fault": "ZeroDivisionError"' in line
    assert "Ana" not in line


def test_every_job_travels_in_its_own_queue():
    celery = make_celery(load_settings({"THROUGHLINE_REDIS_URL": "redis://localhost:6379/0"}))
    add_tasks(celery, cast("Work", Faulty()))
    routed = {job: celery.amqp.router.route({}, job.value)["queue"].name for job in Job}
    assert routed == {job: queue.value for job, queue in QUEUE_OF.items()}


def test_an_acknowledgement_that_is_lost_starts_the_consumer_anew_once():
    acted = []
    handler = worker._OnLostAcknowledgement(lambda: acted.append(1))
    logger = logging.getLogger(worker.ACKNOWLEDGING)
    logger.addHandler(handler)
    try:
        logger.critical("Couldn't ack %r, reason:%r", 1, "gone")
        logger.critical("Couldn't ack %r, reason:%r", 2, "gone")
    finally:
        logger.removeHandler(handler)

    assert acted == [1]
    with pytest.raises(ConnectionResetError):
        worker._connection_is_lost()
