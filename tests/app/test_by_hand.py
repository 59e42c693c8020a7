"""What people set going by hand, on a real FHIR server and a real Redis: one person, everybody, measures, parked work."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.adapters.clocks import set_clock
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.app.exits import Exit
from service.app.settings import load_settings
from service.app.wiring import open_queue
from service.fhir.parked import packed
from service.ports import Capabilities, DeadLetter, RawNotification, Write
from tests.app.test_cli import throughline
from tests.builders import a_condition, a_patient, an_encounter
from tests.sandbox import HOUSE_NOW


class Site:
    """A discharged person on the sandbox, and a part of Redis of its own."""

    def __init__(self, sandbox, valkey, prefix, clock_file):
        set_clock(clock_file, HOUSE_NOW)
        self.environment = {
            "THROUGHLINE_FHIR_BASE_URL": sandbox.base_url,
            "THROUGHLINE_REDIS_URL": valkey.url,
            "THROUGHLINE_KEY_PREFIX": prefix,
            "THROUGHLINE_CLOCK_FILE": str(clock_file),
        }
        self.settings = load_settings(self.environment)

    def run(self, *arguments):
        return throughline(*arguments, **self.environment)

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture
def site(sandbox, valkey, tmp_path) -> Site:
    return Site(sandbox, valkey, f"{tmp_path.name}:", tmp_path / "clock")


@contextmanager
def writing(sandbox) -> Iterator[Any]:
    """Writes a resource into the sandbox: a new one, or with an id the next version of one."""
    with FhirClient(sandbox.base_url) as client:
        record = HttpFhirRecord(client, Capabilities())

        def write(resource, reference=None):
            body = {k: v for k, v in resource.items() if k not in {"id", "meta"}}
            if reference is None:
                return record.create(Write(resource=body, full_url="urn:uuid:by-hand")).reference
            named = body | {"id": reference.partition("/")[2]}
            return record.update(Write(resource=named, full_url=reference)).reference

        yield write


@pytest.fixture(scope="module")
def person(sandbox) -> Iterator[str]:
    with writing(sandbox) as write:
        doctor = write({"resourceType": "Practitioner", "name": [{"family": "Testerly"}]})
        patient = write(a_patient(generalPractitioner=[{"reference": doctor}]))
        about = {"reference": patient}
        stay = write(an_encounter(subject=about))
        write(a_condition(subject=about, encounter={"reference": stay}))
        yield patient


def test_one_person_is_looked_at_and_the_second_look_writes_nothing(site, person):
    first, second = (site.json("reconcile", "--person", person) for _ in range(2))
    assert first["person"] == person
    assert list(first["enrolments"].values()) == ["discharge-received"]
    assert first["written"] > 0
    assert second["written"] == 0
    assert first["enrolments"] == second["enrolments"]
    shown = site.run("reconcile", "--person", person)
    assert (shown.exit_code, "0 resources written; due next: " in shown.stdout) == (0, True)


def test_looking_at_whom_a_stay_is_about_by_now_brings_its_work_to_them(site, sandbox):
    with writing(sandbox) as write:
        doctor = write({"resourceType": "Practitioner", "name": [{"family": "Testerly"}]})
        wrong, right = (write(a_patient(generalPractitioner=[{"reference": doctor}])) for _ in range(2))
        stay = an_encounter(subject={"reference": wrong})
        began = write(stay)
        why = write(a_condition(subject={"reference": wrong}, encounter={"reference": began}))
        first = site.json("reconcile", "--person", wrong)
        write(stay | {"subject": {"reference": right}}, began)
        write(a_condition(subject={"reference": right}, encounter={"reference": began}), why)

    assert site.json("reconcile", "--person", right)["enrolments"] == first["enrolments"] != {}
    assert site.json("reconcile", "--person", wrong)["enrolments"] == {}


def test_a_person_whom_the_server_does_not_have_is_not_found(site):
    shown = site.run("reconcile", "--person", "Patient/nobody-here")
    assert (shown.exit_code, shown.stderr) == (
        Exit.NOT_FOUND,
        "throughline: there is no Patient/nobody-here on the FHIR server, or it may not be read\n",
    )


def test_everybody_is_put_on_the_list_of_the_workers(site, person):
    site.run("reconcile", "--person", person)
    people = site.json("reconcile", "--all")["people"]
    with open_queue(site.settings) as queue:
        assert queue.index.size() == people


def test_measures_are_told_as_a_table_and_as_json_with_the_enrolments_behind(site, person):
    site.run("reconcile", "--person", person)
    shown = site.run("measures", "--pathway", "post-discharge-coordination")
    assert (shown.exit_code, "Reached within 72 hours of the discharge" in shown.stdout) == (0, True)
    counted = site.json("measures")
    assert {"crisis-to-outpatient", "post-discharge-coordination"} <= set(counted)
    assert len(counted) == 15
    assert all(
        {"measure", "numerator", "denominator", "rate"} <= set(m) for ms in counted.values() for m in ms
    )


def test_measures_of_one_rhythm_are_what_the_service_looks_at_together(site):
    weekly = site.json("measures", "--assurance", "weekly")
    assert weekly["step-up"][0]["measure"] == "waited-past-limit"
    assert all(m["assurance"] == "weekly" for measures in weekly.values() for m in measures)
    assert "single-front-door" not in weekly, "it is looked at monthly"


def test_parked_work_is_listed_and_each_letter_goes_back_to_where_it_came_from(site):
    with open_queue(site.settings) as queue:
        for letter in (
            a_letter("p1", "person", "Patient/ada", b""),
            a_letter("n1", "notification", "tasks", STORED),
        ):
            queue.dead_letters.park(letter)
    listed = site.json("dead-letters", "list")
    assert [(row["id"], row["kind"], row["reason"]) for row in listed] == [
        ("n1", "notification", "it was not understood"),
        ("p1", "person", "it was not understood"),
    ]
    assert site.run("dead-letters", "retry", "p1").stderr == "1 tried again.\n"
    assert site.json("dead-letters", "retry", "all") == {"tried": 1, "unreadable": []}
    with open_queue(site.settings) as queue:
        assert (queue.inbox.size(), queue.index.size(), queue.dead_letters.size()) == (1, 1, 0)
    assert site.run("dead-letters", "list").stderr == "Nothing waits for a person.\n"


def test_a_letter_that_holds_nothing_stays_and_keeps_no_other_waiting(site):
    with open_queue(site.settings) as queue:
        for letter in (
            a_letter("bad", "notification", "tasks", b"{"),
            a_letter("good", "notification", "tasks", STORED),
        ):
            queue.dead_letters.park(letter)
    shown = site.run("dead-letters", "retry", "all")
    assert (
        shown.stderr == "1 tried again.\nbad holds nothing that could be tried again and stays where it is.\n"
    )
    assert [row["id"] for row in site.json("dead-letters", "list")] == ["bad"]


def test_a_letter_that_is_not_there_is_not_found(site):
    shown = site.run("dead-letters", "retry", "zzz")
    assert (shown.exit_code, shown.stderr) == (
        Exit.NOT_FOUND,
        "throughline: no dead letter has the id 'zzz'; `throughline dead-letters list` shows them\n",
    )


STORED = packed(RawNotification(subscription="tasks", method="POST", path="", content_type="application/json", body=b"{}"))  # fmt: skip


def a_letter(letter_id, kind, subject, body):
    return DeadLetter(
        id=letter_id, kind=kind, subject=subject, reason="it was not understood", at=HOUSE_NOW, body=body
    )
