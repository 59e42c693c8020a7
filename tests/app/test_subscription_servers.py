"""Profiles of servers: what ships can be read and used, what a site adds counts first, and mistakes have their place."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from service.app.subscription_files import SubscriptionsProblem, read_watching
from service.app.subscription_servers import known_servers
from service.fhir.subscription_resource import subscription
from service.fhir.subscription_wanted import Asked, Extra, Flavour, Wanted

SHIPPED = Path(__file__).parents[2] / "subscriptions"
SERVERS = sorted(known_servers(SHIPPED))
SILENT = {"azure-health-data-services", "blaze", "google-healthcare-api", "linuxforhealth"}
NEED_TOPICS = {"aidbox", "athenahealth", "fhir-candle", "inferno"}


def rendered(wanted: Wanted) -> dict:
    return subscription(Asked(wanted=wanted, endpoint="https://x.example/notifications/t", secret="s"))


def by_name(server: str) -> dict[str, Wanted]:
    return {each.name: each for each in read_watching(SHIPPED, server).wanted}


def test_the_readme_lists_every_profile_and_no_other() -> None:
    rows = [
        line for line in (SHIPPED / "README.md").read_text("utf-8").splitlines() if line.startswith("| `")
    ]
    listed = {row.split("`")[1] for row in rows if row.count("|") == 5}

    assert listed == set(SERVERS)


@pytest.mark.parametrize("server", [name for name in SERVERS if name not in NEED_TOPICS])
def test_what_is_watched_by_default_can_be_asked_of_every_server_without_agreed_topics(server) -> None:
    watching = read_watching(SHIPPED, server)

    assert watching.server is not None
    assert watching.server.know
    assert watching.server.tells is (server not in SILENT)
    assert {"encounters", "tasks", "canary"} <= {each.name for each in watching.wanted}
    assert all(rendered(each)["channel"]["type"] == "rest-hook" for each in watching.wanted)


@pytest.mark.parametrize("server", sorted(NEED_TOPICS))
def test_where_topics_are_agreed_they_are_asked_for_by_name(server, tmp_path) -> None:
    with pytest.raises(SubscriptionsProblem, match="'encounters' lacks 'topic'"):
        read_watching(SHIPPED, server)
    (tmp_path / "site.yaml").write_text(
        f"server: {server}\nsubscriptions:\n  discharges:\n    topic: http://example.org/t\n    types: [Encounter]\n"
    )

    [wanted] = read_watching(tmp_path).wanted
    assert (wanted.flavour, wanted.topic) == (Flavour.R4_BACKPORT, "http://example.org/t")


def test_medplum_is_asked_for_what_only_medplum_needs() -> None:
    encounters = rendered(by_name("medplum")["encounters"])

    assert encounters["status"] == "active"
    assert "header" not in encounters["channel"]
    assert encounters["extension"] == [
        {"url": "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts", "valueInteger": 18},
        {"url": "https://www.medplum.com/fhir/StructureDefinition/subscription-secret", "valueString": "s"},
    ]


def test_hapi_is_asked_to_try_again_and_to_tell_of_deletions() -> None:
    extensions = {e["url"].rpartition("/")[2]: e for e in rendered(by_name("hapi")["observations"])["channel"]["extension"]}  # fmt: skip

    assert extensions["subscription-delivery-retry-count"]["valueInteger"] == 10
    assert extensions["subscription-send-delete-messages"]["valueBoolean"] is True


def test_on_the_microsoft_server_criteria_become_the_filter_of_its_only_topic() -> None:
    encounters = by_name("microsoft-fhir-server")["encounters"]
    resource = rendered(encounters)

    assert resource["criteria"] == (
        "http://azurehealthcareapis.com/data-extentions/SubscriptionTopics/transactions"
    )
    assert [each["valueString"] for each in resource["_criteria"]["extension"]] == ["Encounter?"]
    assert resource["channel"]["_type"]["extension"][0]["valueCoding"]["code"] == "rest-hook"
    assert "header" not in resource["channel"]
    assert (encounters.types, encounters.auth) == (("Encounter",), "address")


def test_firely_makes_subscriptions_elsewhere() -> None:
    watching = read_watching(SHIPPED, "firely")

    assert watching.server is not None
    assert watching.server.made_at == "administration"


def test_what_a_file_says_goes_before_what_the_server_usually_needs(tmp_path) -> None:
    (tmp_path / "site.yaml").write_text(
        "server: medplum\nsubscriptions:\n  tasks:\n    criteria: Task?\n    auth: header\n"
    )

    [tasks] = read_watching(tmp_path).wanted
    assert (tasks.auth, tasks.status) == ("header", "active")


def test_a_site_adds_and_replaces_profiles(tmp_path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "servers" / "ours.yaml").write_text(
        "title: Our server\nknow: [It is slow.]\nsubscriptions:\n  end-days: 7\nextras:\n"
        "  - {on: subscription, url: https://ours.example/x, boolean: true}\n"
        "  - {url: https://ours.example/y, code: fast}\n"
    )
    (tmp_path / "servers" / "medplum.yaml").write_text("title: Medplum 9\nknow: [It has changed.]\n")

    ours = read_watching(tmp_path, "ours").wanted[0]
    assert ours.end_days == 7
    assert ours.extras == (
        Extra(url="https://ours.example/x", kind="boolean", value=True, on="subscription"),
        Extra(url="https://ours.example/y", kind="code", value="fast"),
    )
    assert {each.status for each in read_watching(tmp_path, "medplum").wanted} == {"requested"}


# --- mistakes


def problem(tmp_path, text, *, server=None, profile=None) -> str:
    (tmp_path / "site.yaml").write_text(text)
    if profile is not None:
        (tmp_path / "servers").mkdir(exist_ok=True)
        (tmp_path / "servers" / "ours.yaml").write_text(profile)
    with pytest.raises(SubscriptionsProblem) as raised:
        read_watching(tmp_path, server)
    return str(raised.value)


TASKS = "subscriptions:\n  tasks:\n    criteria: Task?\n"


def test_an_unknown_server_is_told_with_those_that_are_known(tmp_path) -> None:
    said = problem(tmp_path, f"server: hapy\n{TASKS}")

    assert said.startswith("site.yaml:1:9: 'hapy' is no server that is known  [unknown-server]")
    assert "= help: one of aidbox, athenahealth," in said


def test_an_unknown_server_of_the_settings_is_told_by_its_variable(tmp_path) -> None:
    said = problem(tmp_path, TASKS, server="hapy")

    assert said.startswith("THROUGHLINE_FHIR_SERVER:1:1: 'hapy' is no server that is known")


def test_two_servers_in_one_folder_are_a_mistake(tmp_path) -> None:
    (tmp_path / "other.yaml").write_text(f"server: medplum\n{TASKS.replace('tasks', 'others')}")

    assert "this server is already said to be 'medplum'" in problem(tmp_path, f"server: hapi\n{TASKS}")


def test_mistakes_of_a_profile_are_told_with_the_others(tmp_path) -> None:
    said = problem(
        tmp_path,
        f"server: ours\n{TASKS.replace('Task?', 'Task')}",
        profile="titel: Ours\ntells: perhaps\nsubscriptions:\n  status: on\nextras:\n  - {url: x}\n",
    )

    for line in (
        "site.yaml:4:15: 'Task' cannot stand for 'criteria'",
        "servers/ours.yaml:1:1: 'titel' is no key of a server",
        "servers/ours.yaml:2:8: 'perhaps' cannot stand for 'tells'",
        "servers/ours.yaml:4:11: 'on' cannot stand for 'status'",
        "servers/ours.yaml:6:5: this says no extension",
        "servers/ours.yaml:1:1: 'know' is missing",
    ):
        assert line in said


@pytest.mark.parametrize(
    "profile", ["", "[]", "know: x\nextras: y\n", "a: {", "know: [[x]]\nsubscriptions: []\n"]
)
def test_a_profile_of_another_shape_is_a_problem_or_harmless_and_no_crash(tmp_path, profile) -> None:
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "ours.yaml").write_text(profile)
    (tmp_path / "site.yaml").write_text(f"server: ours\n{TASKS}")
    with suppress(SubscriptionsProblem):
        assert read_watching(tmp_path).wanted
