"""`throughline subscriptions` on a real server: applied and activated, how each stands, and which topics there are."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from service.app.exits import Exit
from service.app.our_subscriptions import Opened, applied, discovered, not_offered
from service.app.subscription_servers import Server
from service.app.subscriptions import Subscriptions
from service.fhir.subscription_wanted import Flavour, Wanted
from service.ports import NotInRecord, RecordRefused, RecordUnavailable
from tests.app.test_cli import throughline
from tests.app.test_upkeep import Server as RecordServer
from tests.fakes import FakeWatermarks, ManualClock

KEY = "a key for these tests, of no use elsewhere"
TASKS = "subscriptions:\n  tasks:\n    criteria: Task?\n"


class Site:
    def __init__(self, sandbox, valkey, folder) -> None:
        self.folder = folder
        self.environment = {
            "THROUGHLINE_FHIR_BASE_URL": sandbox.base_url,
            "THROUGHLINE_REDIS_URL": valkey.url,
            "THROUGHLINE_KEY_PREFIX": f"{folder.name}:",
            "THROUGHLINE_PUBLIC_URL": "http://127.0.0.1:9",
            "THROUGHLINE_SECRET_KEY": f"{KEY} {folder.name}",
            "THROUGHLINE_SUBSCRIPTIONS_DIR": str(folder),
        }

    def wants(self, text: str) -> None:
        (self.folder / "site.yaml").write_text(text)

    def run(self, *arguments, **more):
        return throughline("subscriptions", *arguments, **self.environment, **more)

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture
def site(sandbox, valkey, tmp_path) -> Site:
    return Site(sandbox, valkey, tmp_path)


def test_apply_waits_until_the_server_has_activated_what_it_took(site) -> None:
    site.wants(TASKS)

    assert [(step["name"], step["action"]) for step in site.json("plan")] == [("tasks", "create")]
    [step] = site.json("apply")
    assert (step["action"], step["status"], step["differs"], step["failed"]) == ("create", "active", [], "")
    [again] = site.json("apply", "--wait", "0")
    assert (again["action"], again["reference"]) == ("keep", step["reference"])
    shown = site.json("status")
    assert [(each["name"], each["hearing"], each["status"]) for each in shown["subscriptions"]] == [
        ("tasks", "not heard yet", "active")
    ]
    assert shown["canary"]["flight"] == "off"


def test_a_topic_that_the_server_does_not_list_is_said_and_refused_by_the_server(site) -> None:
    site.wants(
        "subscriptions:\n  none:\n    flavour: r4-backport\n    topic: http://nobody.example/t\n    types: [Task]\n"
    )

    shown = site.run("apply", COLUMNS="300").stdout
    assert "none: the server does not list the topic http://nobody.example/t" in shown
    assert "not active" in site.run("status").stdout


def test_topics_are_listed_where_the_server_keeps_them(site) -> None:
    found = {each["url"]: each for each in site.json("topics")}

    complete = found["http://sekmet.dev/fhir/SubscriptionTopic/encounter-complete"]
    assert (complete["title"], complete["types"], complete["found_in"]) == (
        "Encounter completed",
        ["Encounter"],
        "Basic",
    )
    assert "encounter-complete" in site.run("topics").stdout


def test_a_server_that_tells_nothing_is_asked_for_nothing_and_that_is_said(site) -> None:
    site.wants(f"server: blaze\n{TASKS}")

    shown = site.run("plan")
    assert shown.exit_code == Exit.OK
    assert "Blaze (sends no notifications; nothing is asked for)" in shown.stdout
    assert "Changes are found by catch-up." in shown.stdout
    assert site.json("apply") == []


def test_what_to_know_about_the_server_comes_with_the_plan(site) -> None:
    site.wants(f"server: sekmet\n{TASKS}")

    assert "Missed events cannot be asked for, so a gap is closed by catch-up." in site.run("plan").stdout


# --- against servers that behave otherwise


def opened(record, *wanted, server=None) -> Opened:
    clock = ManualClock()
    ours = Subscriptions(
        record=record, wanted=wanted, public_url="https://x.example", keys=[b"key"], now=clock.now
    )
    return Opened(ours=ours, server=server, asked=Silent(), marks=FakeWatermarks())


class Silent:
    """Says nothing of topics."""

    def capability_statement(self):
        return {"resourceType": "CapabilityStatement"}

    def status(self, subscription):
        raise NotInRecord("no")

    def events(self, subscription, first, last):
        raise NotInRecord("no")


def test_one_that_is_refused_is_told_and_the_others_are_made() -> None:
    class Picky(RecordServer):
        def create(self, write):
            if write.resource["criteria"] == "Task?":
                raise RecordRefused("POST Subscription: not for this account (403).", status=403)
            return super().create(write)

    record = Picky(ManualClock())
    steps = applied(
        opened(record, Wanted(name="a", criteria="Task?"), Wanted(name="b", criteria="Encounter?")),
        wait=timedelta(),
    )

    assert [(step.name, step.status, step.failed) for step in steps] == [
        ("a", "", "POST Subscription: not for this account (403)."),
        ("b", "active", ""),
    ]


def test_one_that_is_never_activated_is_waited_for_no_longer_than_said() -> None:
    record = RecordServer(ManualClock())
    record.activates = False

    [step] = applied(opened(record, Wanted(name="a", criteria="Task?")), wait=timedelta(milliseconds=1))
    assert step.status == "requested"


def test_a_server_that_stops_answering_in_between_is_told() -> None:
    class Stops(RecordServer):
        def create(self, write):
            raise RecordUnavailable("no answer")

    with pytest.raises(RecordUnavailable):
        applied(opened(Stops(ManualClock()), Wanted(name="a", criteria="Task?")), wait=timedelta())


def test_a_server_that_lists_no_topics_is_not_doubted() -> None:
    wanted = Wanted(name="a", flavour=Flavour.R5_TOPIC, topic="http://t.example", watched=("Task",))
    server = Server(name="s", title="S")

    assert list(not_offered(opened(RecordServer(ManualClock()), wanted, server=server))) == []
    assert discovered(RecordServer(ManualClock()), Silent()) == []
