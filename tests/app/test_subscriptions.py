"""Asking a record server for notifications: derived secrets, one subscription each, and the truth about what it keeps."""

import json
from dataclasses import replace

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import InMemoryRecord
from service.app.subscriptions import Action, Subscriptions, secret, token, watches
from service.fhir.subscription_resource import Asked, Flavour, Wanted, subscription
from service.flow.receive import Auth
from service.ports import Capabilities, RecordRefused, Search
from tests.fakes import ManualClock

KEY, OLD_KEY = b"an installation key", b"the key before it"
URL = "https://throughline.example"
ENCOUNTERS = Wanted(name="encounters", criteria="Encounter?")
TASKS = Wanted(name="tasks", criteria="Task?", payload="none")


class Server(InMemoryRecord):
    """A record server that may change what it is given, or refuse to list."""

    def __init__(self, *, keeps=None, lists=True) -> None:
        super().__init__(ManualClock())
        self.keeps = keeps or (lambda resource: resource)
        self.lists = lists

    def create(self, write):
        return super().create(replace(write, resource=self.keeps(dict(write.resource))))

    def search(self, search):
        if search.params:
            [(name, value)] = search.params
            assert name == "url"
            return iter([r for r in self.subscriptions() if r["channel"]["endpoint"] == value])
        if not self.lists:
            raise RecordRefused("A criterion is needed.", status=400)
        return iter(self.subscriptions())

    def subscriptions(self):
        return [r for r in self.everything() if r["resourceType"] == "Subscription"]


def ours(record, *wanted, keys=(KEY,), url=URL, now=None) -> Subscriptions:
    return Subscriptions(
        record=record,
        wanted=wanted or (ENCOUNTERS, TASKS),
        public_url=url,
        keys=keys,
        now=now or ManualClock().now,
    )


def actions(steps):
    return [(step.name, step.action) for step in steps]


# --- tokens and secrets -----------------------------------------------------------------------------------------


def test_tokens_and_secrets_differ_by_name_key_and_purpose() -> None:
    values = [f(k, n) for f in (token, secret) for k in (KEY, OLD_KEY) for n in ("encounters", "tasks")]

    assert len(set(values)) == len(values)
    assert token(KEY, "encounters") == token(KEY, "encounters")


def test_a_secret_survives_servers_that_cut_headers_at_a_colon() -> None:
    assert secret(KEY, "encounters").isalnum()
    assert len(secret(KEY, "encounters")) == 64


def test_the_receiving_end_knows_each_address_and_both_secrets() -> None:
    by_token = watches([replace(ENCOUNTERS, auth="signature", header="X-Key")], [KEY, OLD_KEY])

    assert set(by_token) == {token(KEY, "encounters"), token(OLD_KEY, "encounters")}
    for watch in by_token.values():
        assert (watch.name, watch.auth, watch.header) == ("encounters", Auth.SIGNATURE, "x-key")
        assert watch.secrets == (secret(KEY, "encounters"), secret(OLD_KEY, "encounters"))


# --- the resource -----------------------------------------------------------------------------------------------


def asked(wanted: Wanted) -> Asked:
    return Asked(wanted=wanted, endpoint=f"{URL}/notifications/t", secret="s")


def test_a_rest_hook_subscription_is_plain_r4() -> None:
    assert subscription(asked(ENCOUNTERS)) == {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Throughline watches Encounter to keep follow-up from being lost (encounters)",
        "criteria": "Encounter?",
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://throughline.example/notifications/t",
            "payload": "application/fhir+json",
            "header": ["Authorization: Bearer s"],
        },
    }


def test_no_payload_means_no_payload_element() -> None:
    assert "payload" not in subscription(asked(TASKS))["channel"]


def test_a_backport_subscription_follows_its_profile() -> None:
    wanted = Wanted(
        name="discharges",
        flavour=Flavour.R4_BACKPORT,
        topic="http://example.org/FHIR/SubscriptionTopic/encounter-complete",
        watched=("Encounter",),
        filters=("Encounter?patient=Patient/123",),
        heartbeat_seconds=300,
    )
    base = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"

    rendered = subscription(asked(wanted))

    assert rendered["meta"] == {"profile": [f"{base}/backport-subscription"]}
    assert rendered["criteria"] == "http://example.org/FHIR/SubscriptionTopic/encounter-complete"
    assert rendered["_criteria"] == {
        "extension": [
            {"url": f"{base}/backport-filter-criteria", "valueString": "Encounter?patient=Patient/123"}
        ]
    }
    assert rendered["channel"] == {
        "type": "rest-hook",
        "endpoint": "https://throughline.example/notifications/t",
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{base}/backport-payload-content", "valueCode": "id-only"}]},
        "header": ["Authorization: Bearer s"],
        "extension": [{"url": f"{base}/backport-heartbeat-period", "valueUnsignedInt": 300}],
    }


def test_a_signing_server_is_given_the_secret_and_sends_no_header() -> None:
    rendered = subscription(asked(replace(ENCOUNTERS, auth="signature")))

    assert "header" not in rendered["channel"]
    assert rendered["extension"] == [
        {"url": "https://www.medplum.com/fhir/StructureDefinition/subscription-secret", "valueString": "s"}
    ]


def test_what_is_asked_shows_no_secret_when_printed() -> None:
    assert "notifications/t" not in repr(asked(ENCOUNTERS))
    assert "secret" not in repr(asked(ENCOUNTERS))


# --- plan and apply ---------------------------------------------------------------------------------------------


def test_planning_changes_nothing() -> None:
    server = Server()

    assert actions(ours(server).plan()) == [("encounters", Action.CREATE), ("tasks", Action.CREATE)]
    assert server.writes == 0


@pytest.mark.parametrize("lists", [True, False])
def test_applying_twice_changes_nothing_the_second_time(lists) -> None:
    server = Server(lists=lists)
    first = ours(server).apply()
    written = server.writes

    second = ours(server).apply()

    assert [step.differs for step in first] == [(), ()]
    assert actions(second) == [("encounters", Action.KEEP), ("tasks", Action.KEEP)]
    assert server.writes == written == 2


def test_on_a_server_that_lists_none_the_one_that_was_seen_last_is_read() -> None:
    class ListsNone(Server):
        def search(self, search):
            raise RecordRefused("Subscription cannot be searched.", status=404)

        def search_all(self, searches):
            raise RecordRefused("No batches either.", status=404)

    record, seen = ListsNone(), dict[str, str | None]()
    [first] = replace(ours(record, ENCOUNTERS), known=seen.get).apply()
    seen["encounters"] = first.reference
    [again] = replace(ours(record, ENCOUNTERS), known=seen.get).apply()
    assert (first.action, again.action) == (Action.CREATE, Action.KEEP)

    seen["encounters"] = "Subscription/vanished"
    [third] = replace(ours(record, ENCOUNTERS), known=seen.get).apply()
    assert third.action is Action.CREATE


def test_subscriptions_of_others_are_left_alone() -> None:
    server = Server()
    other = {
        "resourceType": "Subscription",
        "status": "off",
        "criteria": "Encounter?",
        "channel": {"type": "rest-hook", "endpoint": "https://throughline.example/notifications/other"},
    }
    reference = server.put(other)

    ours(server).apply()

    assert len(server.versions(reference)) == 1
    assert len(server.subscriptions()) == 3


def test_a_server_that_keeps_something_else_is_told_of() -> None:
    def coerces(resource):
        return {
            **resource,
            "criteria": "Encounter?status=finished",
            "channel": {
                "type": "rest-hook",
                "endpoint": resource["channel"]["endpoint"],
                "payload": "text/plain",
            },
        }

    [step] = ours(Server(keeps=coerces), ENCOUNTERS).apply()

    assert step.differs == (
        "criteria: asked for Encounter?, the server has Encounter?status=finished",
        "payload: asked for application/fhir+json, the server has text/plain",
    )


def test_a_dropped_filter_is_told_of() -> None:
    wanted = Wanted(
        name="topic",
        flavour=Flavour.R4_BACKPORT,
        topic="http://example.org/t",
        watched=("Encounter",),
        filters=("Encounter?class=IMP",),
    )

    def drops(resource):
        return {key: value for key, value in resource.items() if key != "_criteria"}

    [step] = ours(Server(keeps=drops), wanted).apply()

    assert step.differs == ("filter: the server dropped what was asked for",)


def test_a_server_that_shows_no_header_is_not_asked_again() -> None:
    def hides(resource):
        return {**resource, "channel": {k: v for k, v in resource["channel"].items() if k != "header"}}

    server = Server(keeps=hides)
    ours(server).apply()

    assert actions(ours(server).plan()) == [("encounters", Action.KEEP), ("tasks", Action.KEEP)]


@pytest.mark.parametrize(
    ("status", "why"),
    [("off", "the server has turned it off"), ("error", "the server reports an error")],
)
def test_a_subscription_that_sends_nothing_is_asked_for_again(status, why) -> None:
    server = Server()
    ours(server, ENCOUNTERS).apply()
    server.put({**server.subscriptions()[0], "status": status})

    [planned] = ours(server, ENCOUNTERS).plan()
    [applied] = ours(server, ENCOUNTERS).apply()

    assert (planned.action, planned.why) == (Action.UPDATE, (why,))
    assert applied.status == "requested"
    assert len(server.subscriptions()) == 1


def test_a_new_key_moves_the_subscription_to_its_new_address() -> None:
    server = Server()
    ours(server, ENCOUNTERS, keys=[OLD_KEY]).apply()

    [step] = ours(server, ENCOUNTERS, keys=[KEY, OLD_KEY]).apply()

    assert step.why == (
        "address: the server would notify another address than the one asked for",
        "header: the server would send another secret than the one asked for",
    )
    [kept] = server.subscriptions()
    assert kept["channel"]["endpoint"] == f"{URL}/notifications/{token(KEY, 'encounters')}"
    assert kept["channel"]["header"] == [f"Authorization: Bearer {secret(KEY, 'encounters')}"]


def test_a_new_public_address_moves_the_subscription() -> None:
    server = Server()
    ours(server, ENCOUNTERS).apply()

    ours(server, ENCOUNTERS, url="https://new.example/throughline/").apply()

    [kept] = server.subscriptions()
    assert (
        kept["channel"]["endpoint"]
        == f"https://new.example/throughline/notifications/{token(KEY, 'encounters')}"
    )


def test_of_two_of_the_same_one_is_turned_off() -> None:
    server = Server()
    ours(server, ENCOUNTERS).apply()
    twin = {**server.subscriptions()[0], "id": "twin"}
    server.put(twin)

    assert actions(ours(server, ENCOUNTERS).apply()) == [
        ("encounters", Action.KEEP),
        ("encounters", Action.TURN_OFF),
    ]
    assert sorted(r["status"] for r in server.subscriptions()) == ["off", "requested"]
    assert actions(ours(server, ENCOUNTERS).apply()) == [("encounters", Action.KEEP)]


def test_stopping_turns_off_all_of_ours_under_either_key_and_nobody_elses_and_can_be_taken_back() -> None:
    server = Server()
    theirs = {
        "resourceType": "Subscription",
        "id": "theirs",
        "status": "active",
        "channel": {"type": "rest-hook", "endpoint": "https://others.example/notifications/encounters"},
    }
    server.put(theirs)
    ours(server, ENCOUNTERS, keys=[OLD_KEY]).apply()
    ours(server, TASKS).apply()
    mine = ours(server, keys=[KEY, OLD_KEY])

    assert actions(mine.stop()) == [("encounters", Action.TURN_OFF), ("tasks", Action.TURN_OFF)]
    assert {r["id"]: r["status"] for r in server.subscriptions()}["theirs"] == "active"
    assert sorted(r["status"] for r in server.subscriptions()) == ["active", "off", "off"]
    assert mine.stop() == []

    mine.apply()
    assert [r["status"] for r in server.subscriptions()].count("requested") == 2


def test_no_step_shows_a_token_or_a_secret() -> None:
    server = Server()
    ours(server, keys=[OLD_KEY]).apply()

    shown = repr([*ours(server, keys=[KEY, OLD_KEY]).plan(), *ours(server, keys=[KEY, OLD_KEY]).apply()])

    for key in (KEY, OLD_KEY):
        assert token(key, "encounters") not in shown
        assert secret(key, "encounters") not in shown


# --- a real server ----------------------------------------------------------------------------------------------


def test_a_real_server_keeps_what_was_asked_for(sandbox) -> None:
    with FhirClient(sandbox.base_url) as client:
        record = HttpFhirRecord(client, Capabilities())
        mine = ours(record, ENCOUNTERS, keys=[b"a key of this test"], url="http://127.0.0.1:9")

        [created] = mine.apply()
        [again] = mine.apply()

        assert (created.action, created.differs) == (Action.CREATE, ())
        assert (again.action, again.reference) == (Action.KEEP, created.reference)
        kept = list(record.search(Search(kind="Subscription", params=())))
        assert json.dumps(kept).count(token(b"a key of this test", "encounters")) == 1

        [stopped] = mine.stop()
        assert (stopped.reference, stopped.status, stopped.failed) == (created.reference, "off", "")
