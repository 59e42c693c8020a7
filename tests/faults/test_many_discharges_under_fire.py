"""Many people discharged at once while workers and schedulers are killed, and Redis loses everything: one of each."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.redis_connection import Keys, connect
from service.app.practice import practice_of, role_codes
from service.domain.vocabulary import Reference
from service.flow.directory import KeptDirectory
from service.flow.reconcile import reconcile
from service.ports import RecordUnavailable
from tests.faults.site import AFTER_DISCHARGE, DENVER, NOW, open_site
from tests.faults.standing import wrong_with
from tests.faults.town import library
from tests.processes import eventually

PEOPLE = 30
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with open_site(tmp_path_factory.mktemp("fire")) as site:
        yield site


def _has_plans(site, enough: int) -> bool:
    return len(site.names("CarePlan")) >= enough


def test_thirty_discharges_four_killed_workers_and_an_emptied_redis_make_one_of_each(site):
    with ThreadPoolExecutor(8) as hospital:
        stays = [stay for _, stay in hospital.map(lambda _: site.discharge(), range(PEOPLE))]
    site.processes.start("worker-1", "worker-2", "scheduler-1", "scheduler-2")
    workers = ["worker-1", "worker-2"]
    for number, enough in enumerate((3, 9, 16, 23)):
        eventually(partial(_has_plans, site, enough), every=0.02)
        site.processes.kill(workers.pop(0))
        if number == 1:
            site.processes.kill("scheduler-1")
        if number == 2:
            with connect(site.redis.url) as client:
                client.flushall()
        workers.append(f"worker-{3 + number}")
        site.processes.start(workers[-1])
    eventually(lambda: len(site.names("CarePlan")) >= PEOPLE, every=0.2)
    site.settle()

    for stay in stays:
        assert site.follow_ups(stay) == sorted(AFTER_DISCHARGE)
    assert Counter(site.names("CarePlan")) == Counter(f"post-discharge-coordination/{stay}" for stay in stays)
    assert wrong_with(site.everything()) == []


def test_what_falls_due_after_redis_was_emptied_escalates_once_for_everybody(site):
    with connect(site.redis.url) as client:
        client.flushall()
    site.set_time(NOW + timedelta(days=2, hours=20))  # Monday, 13:45 after the change of the clocks
    eventually(lambda: set(told_about(site).values()) == {PEOPLE}, every=0.2)
    site.settle()

    per_follow_up = told_about(site)
    assert per_follow_up["contact-person"] == PEOPLE
    assert set(per_follow_up.values()) == {PEOPLE}
    assert wrong_with(site.everything()) == []
    for name in ("worker-5", "worker-6", "scheduler-2"):
        assert "Traceback" not in site.processes.output(name)


def told_about(site):
    """How many people each follow-up has been escalated for."""
    return Counter(name.split("/")[3] for name in site.names("Communication"))


def test_eight_threads_on_one_person_at_once_make_one_of_each(site):
    """Beside each other, with nothing between them but the record server's own rules."""
    site.processes.close()
    site.set_time(NOW)
    with FhirClient(site.fhir.base_url) as client:
        capabilities = probe(client).capabilities
    practice = practice_of(library(), zone=DENVER, base_url=site.fhir.base_url)
    person, stay = site.discharge()

    def look(at):
        with FhirClient(site.fhir.base_url) as client:
            record = HttpFhirRecord(client, capabilities)
            directory = KeptDirectory(record, role_codes(library()), monotonic=lambda: 0.0).people
            for _ in range(3):
                try:
                    return reconcile(
                        Reference(person), record=record, practice=practice, now=at, directory=directory
                    )
                except RecordUnavailable:
                    continue  # so many writers at once: the queue would give it back and try again
            raise AssertionError("never got through")

    for at in (NOW, NOW + timedelta(days=2, hours=20)):
        with ThreadPoolExecutor(8) as workers:
            list(workers.map(look, [at] * 8))
        assert look(at).writes == 0
    about = [name for name in site.names("Communication") if stay in name]
    assert len(about) == len(set(about)) > 0
    assert [name for name in site.follow_ups(stay) if len(name.split("/")) == 2] == sorted(AFTER_DISCHARGE)
    assert wrong_with(site.everything()) == []


def test_bells_that_a_killed_worker_left_rung_keep_nobody_waiting(site):
    """As after a worker killed in the middle of a catch-up: the bell says that one is under way."""
    _, stay = site.discharge()
    with connect(site.redis.url) as client:
        for bell in ("inbox", "catch-up"):
            client.set(Keys().bell(bell), b"1", px=600_000)
    site.processes.start("worker-9", "scheduler-9")
    eventually(lambda: site.follow_ups(stay) == sorted(AFTER_DISCHARGE), every=0.1)
