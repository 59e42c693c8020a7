"""A record server that fails, stalls or refuses: what passes is waited out, what does not is shown to a person."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest

from service.app.wiring import open_queue
from tests.faults.faulty_proxy import FaultyProxy
from tests.faults.site import AFTER_DISCHARGE, NOW, open_site
from tests.faults.standing import wrong_with
from tests.processes import ROOT, eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def proxy():
    with FaultyProxy(seed=20260306).running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(proxy, tmp_path_factory):
    with open_site(tmp_path_factory.mktemp("bad"), fhir_url=proxy.base_url) as site:
        proxy.to = site.fhir.base_url.removesuffix("/fhir")
        site.processes.start("worker", "scheduler")
        yield site


def parked(site):
    with open_queue(site.settings) as queue:
        return queue.dead_letters.list()


def throughline(site, *words):
    """The command line as an operator uses it."""
    command = [sys.executable, "-m", "service.app.cli", *words]
    return subprocess.run(
        command, cwd=ROOT, env=site.processes.env, capture_output=True, text=True, check=False
    )


def test_a_storm_of_503_429_409_and_lost_answers_parks_nobody_and_does_nothing_twice(site, proxy):
    stays = [site.discharge()[1] for _ in range(6)]
    proxy.faulty = 0.25
    eventually(
        lambda: all(len(site.follow_ups(stay)) >= len(AFTER_DISCHARGE) for stay in stays),
        every=0.2,
    )
    proxy.faulty = 0.0
    eventually(site.is_quiet)
    site.settle()

    assert {"503", "429", "409", "lost", "cut"} <= set(proxy.answered)
    for stay in stays:
        assert site.follow_ups(stay) == sorted(AFTER_DISCHARGE)
    assert wrong_with(site.everything()) == []
    assert parked(site) == []


def test_escalations_that_fall_due_while_the_server_is_down_are_raised_once_when_it_is_back(site, proxy):
    proxy.down = True
    site.set_time(NOW + timedelta(days=2, hours=20))
    eventually(lambda: "reconcile failed" in site.processes.output("worker"))
    proxy.down = False
    eventually(lambda: set(rungs(site).values()) == {6} and rungs(site)["contact-person"] == 6, every=0.3)
    site.settle()

    assert wrong_with(site.everything()) == []
    assert parked(site) == []
    site.set_time(NOW)


def rungs(site):
    return Counter(name.split("/")[3] for name in site.names("Communication"))


def test_a_person_whose_record_is_refused_is_parked_in_sight_blocks_nobody_and_is_tried_again(site, proxy):
    refused, stay = site.discharge()
    proxy.refuses = refused
    others = [site.discharge()[1] for _ in range(3)]
    eventually(
        lambda: all(site.follow_ups(other) == sorted(AFTER_DISCHARGE) for other in others),
        every=0.2,
    )
    eventually(lambda: parked(site))

    listed = throughline(site, "dead-letters", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    [letter] = json.loads(listed.stdout)
    assert (letter["kind"], letter["subject"]) == ("person", refused)
    assert "The record server refused (HTTP 400)" in letter["reason"]
    assert site.follow_ups(stay) == []

    proxy.refuses = None
    assert (
        "1 tried again."
        in (said := throughline(site, "dead-letters", "retry", letter["id"])).stdout + said.stderr
    )
    eventually(lambda: site.follow_ups(stay) == sorted(AFTER_DISCHARGE), every=0.2)
    assert parked(site) == []
    assert throughline(site, "dead-letters", "retry", letter["id"]).returncode != 0
    site.settle()
    assert wrong_with(site.everything()) == []
