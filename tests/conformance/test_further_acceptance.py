"""Acceptance checks that the kit lacks, numbered as in the list they come from; each on the real web application and worker."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import Faults, InMemoryRecord
from service.app.subscription_secrets import watches
from service.app.subscriptions import Subscriptions
from service.app.web import create_app
from service.domain.vocabulary import Reference
from service.fhir.subscription_wanted import Flavour, Wanted
from service.flow.catch_up import CaughtUp
from service.flow.concerned import Skip
from service.flow.listen import Hearing
from service.flow.receive import Limits
from service.ports import Capabilities, NotInRecord, RecordRefused
from tests.app.test_upkeep import TOPIC, Site, hearing, status_of
from tests.conformance.receiving import BASE, KEY, Hospital, served, until
from tests.conformance.simulated_server import SimulatedServer
from tests.fakes import FakeAsyncInbox, FakeInbox, ManualClock
from tests.faults.standing import wrong_with
from tests.faults.town import CutOff

DISCHARGES = Wanted(
    name="discharges", flavour=Flavour.R4_BACKPORT, topic="http://example.org/t", watched=("Encounter",)
)
CLASSIC = Wanted(name="encounters", criteria="Encounter?")
PINGED = Wanted(name="encounters", criteria="Encounter?", payload="none")


def bundle(*numbered, type_="event-notification", since=None, kind="history") -> bytes:
    """A notification of R4B or R5; `numbered` are pairs of event number and focus."""
    status: dict[str, Any] = {"resourceType": "SubscriptionStatus", "type": type_, "status": "active",
                              "subscription": {"reference": f"{BASE}/Subscription/s1"}}  # fmt: skip
    if numbered:
        status["notificationEvent"] = [{"eventNumber": n, "focus": {"reference": f}} for n, f in numbered]
    if since is not None:
        status["eventsSinceSubscriptionStart"] = since
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": [{"resource": status}]}).encode()


def hospital(wanted: Wanted = DISCHARGES, *ids: str) -> Hospital:
    """A hospital that has caught up, and in which these people have been discharged since."""
    made = Hospital(wanted)
    made.work.catch_up()
    made.works()
    for id_ in ids:
        made.stay(id_)
    return made


def tells(town: Hospital, body: bytes, **rest: Any) -> httpx.Response:
    answer = town.sends("POST", "", body, **rest)
    assert answer.status_code == 200
    return answer


def test_7_3_01_an_early_handshake_is_accepted_before_the_create_is_answered() -> None:
    """The server shakes hands before its 201: the address, not the Subscription's id, says what it is about."""
    inbox = FakeInbox()
    app = create_app(
        watches=watches([DISCHARGES], [KEY]),
        inbox=FakeAsyncInbox(inbox),
        limits=Limits(),
        registry=CollectorRegistry(),
    )
    with SimulatedServer("t", shakes_hands_first=True) as server, served(app) as url:
        with FhirClient(server.base_url, auth=_Bearer()) as client:
            record = HttpFhirRecord(client, Capabilities(batch=False))
            ours = Subscriptions(
                record=record, wanted=[DISCHARGES], public_url=url, keys=[KEY], now=ManualClock().now
            )
            [step] = ours.apply()
        until(lambda: len(server.sent) == 2)

    assert (step.failed, step.status) == ("", "active")
    assert [answer.status_code for _, answer in server.sent] == [200, 200]
    assert inbox.size() == 2


class _Bearer(httpx.Auth):
    def auth_flow(self, request):
        request.headers["authorization"] = "Bearer t"
        yield request


def test_7_3_02_a_duplicate_event_has_one_effect() -> None:
    town = hospital(DISCHARGES, "a")
    for _ in range(5):
        tells(town, bundle(("1", "Encounter/a")))
        town.works()
    tells(town, bundle(("1", "Encounter/a")))
    written = town.record.writes
    town.works()

    assert town.has_begun("a")
    assert town.record.writes == written


def test_7_3_03_events_out_of_order_lose_nothing_and_are_no_gap() -> None:
    town = hospital(DISCHARGES, "a", "b", "c")
    town.events = _nobody_asks
    town.new_worker()
    for number, id_ in (("21", "a"), ("23", "c"), ("22", "b")):
        tells(town, bundle((number, f"Encounter/{id_}")))
        town.works()
    town.clock.move(seconds=5)
    town.look()

    assert all(town.has_begun(id_) for id_ in "abc")
    assert town.marks.get("missing:discharges") == "[]"


def _nobody_asks(*_args):
    raise AssertionError("nothing is missing")


@pytest.mark.parametrize("answers", ["the missing event", "nothing", "no such operation", "an error"])
def test_7_3_04_a_gap_is_closed_by_events_and_else_by_last_updated(answers) -> None:
    town = hospital(DISCHARGES, "a", "b", "c")
    asked = []

    def events(subscription, first, last):
        asked.append((subscription, first, last))
        if answers == "no such operation":
            raise NotInRecord("404", status=404)
        if answers == "an error":
            raise RecordRefused("400", status=400)
        told = [("22", "Encounter/b")] if answers == "the missing event" else []
        return json.loads(bundle(*told, type_="query-event"))

    town.events = events
    town.new_worker()
    tells(town, bundle(("21", "Encounter/a")))
    tells(town, bundle(("23", "Encounter/c")))
    town.works()
    tells(town, bundle(type_="heartbeat", since="23"))
    town.clock.move(seconds=3)
    town.look()
    town.works()

    assert asked == [("Subscription/s1", 22, 22)]
    assert all(town.has_begun(id_) for id_ in "abc")


def test_7_3_05_a_missed_heartbeat_leads_to_status_and_a_recovery_put() -> None:
    site = Site(TOPIC).applied()
    site.look()
    site.asked.answer = status_of(since=0, errors=["no-response"])
    site.becomes("error")

    assert hearing(site.look(minutes=5)) == {"discharges": Hearing.NOT_ACTIVE}
    assert site.asked.asked  # $status
    assert site.server.subscription()["status"] == "active"  # PUT as requested, activated by the server
    site.asked.answer = status_of(since=0)
    assert hearing(site.look(minutes=5)) == {"discharges": Hearing.FAILING}  # until it says that it is well
    site.hears("discharges")
    assert hearing(site.look(seconds=1)) == {"discharges": Hearing.HEARD}


@pytest.mark.parametrize("how", ["off", "deleted"])
def test_7_3_06_one_that_the_server_turned_off_or_lost_is_there_again(how) -> None:
    site = Site(CLASSIC).applied()
    site.look()
    reference = Reference(f"Subscription/{site.server.subscription()['id']}")
    site.becomes("off") if how == "off" else site.server.delete(reference)
    site.look(minutes=1)

    assert site.server.subscription()["status"] == "active"


def test_7_3_07_one_with_an_end_is_renewed_before_it() -> None:
    site = Site(replace(CLASSIC, end_days=9)).applied()
    first = site.server.subscription()["end"]
    for _ in range(60):
        site.look(days=1)

    assert site.server.subscription()["end"] > first
    assert len(site.server.versions(Reference(f"Subscription/{site.server.subscription()['id']}"))) == 11


def test_7_3_08_a_filter_that_the_server_silently_drops_is_detected() -> None:
    class Drops(InMemoryRecord):
        def create(self, write):
            kept = {key: value for key, value in write.resource.items() if key != "_criteria"}
            return super().create(replace(write, resource=kept))

    ours = Subscriptions(
        record=Drops(ManualClock()),
        wanted=[replace(DISCHARGES, filters=("Encounter?patient=Patient/1",))],
        public_url="https://x.example",
        keys=[KEY],
        now=ManualClock().now,
    )

    [step] = ours.apply()
    assert step.differs == ("filter: the server dropped what was asked for",)
    assert "filter: the server dropped what was asked for" in ours.plan()[0].why


@pytest.mark.parametrize("kind", ["history", "subscription-notification", "searchset"])
@pytest.mark.parametrize("number", ["7", 7])
def test_7_3_09_r4b_and_r5_encodings_with_numbers_as_text_or_number(kind, number) -> None:
    town = hospital(DISCHARGES, "a")
    tells(town, bundle((number, "Encounter/a"), since=number, kind=kind))
    town.works()

    assert town.has_begun("a")
    assert town.marks.get("events:discharges") == "7"


def test_7_3_10_many_classic_empty_posts_become_one_query() -> None:
    town = hospital(PINGED, "a", "b")
    for _ in range(50):
        tells(town, b"")
    taken: list[CaughtUp] = []
    town.work = replace(town.work, after_reading=taken.append)
    town.works()

    assert len(taken) == 1
    assert town.has_begun("a")
    assert town.has_begun("b")


def test_7_3_11_classic_put_post_and_delete() -> None:
    town = hospital(CLASSIC)
    for id_, method, path in (("a", "PUT", "/Encounter/a"), ("b", "POST", ""), ("c", "POST", "/Encounter")):
        body = json.dumps(town.stay(id_)).encode()
        assert town.sends(method, path, body).status_code == 200
    town.works()
    assert all(town.has_begun(id_) for id_ in "abc")

    town.record.delete(Reference("Encounter/a"))
    town.clock.move(minutes=1)
    assert town.sends("DELETE", "/Encounter/a").status_code == 200
    town.works()
    plan = next(r for r in town.record.everything() if r["resourceType"] == "CarePlan" and "Encounter/a" in str(r["identifier"]))  # fmt: skip
    assert plan["status"] == "revoked"


def test_7_3_12_hapi_hears_a_transaction_response_or_its_own_resource() -> None:
    town = hospital(CLASSIC)
    stay = town.stay("a")

    assert tells(town, bundle(("1", "Encounter/a"))).json() == {
        "resourceType": "Bundle",
        "type": "transaction-response",
    }
    assert town.sends("PUT", "/Encounter/a", json.dumps(stay).encode()).json() == stay
    assert tells(town, b"").json()["resourceType"] == "OperationOutcome"


def test_7_3_13_json_called_text() -> None:
    town = hospital(DISCHARGES, "a")
    tells(town, bundle(("1", "Encounter/a")), **{"Content-Type": "text/plain; charset=utf-8"})
    town.works()

    assert town.has_begun("a")


@pytest.mark.parametrize("media_type", ["application/fhir+xml", "application/xml; charset=utf-8"])
def test_7_3_14_an_xml_payload_is_understood_and_a_trap_in_it_refused(media_type) -> None:
    town = hospital(DISCHARGES, "a")
    body = (
        b'<Bundle xmlns="http://hl7.org/fhir"><type value="history"/><entry><resource><SubscriptionStatus>'
        b'<status value="active"/><type value="event-notification"/><notificationEvent><eventNumber value="1"/>'
        b'<focus><reference value="Encounter/a"/></focus></notificationEvent></SubscriptionStatus></resource></entry></Bundle>'
    )
    tells(town, body, **{"Content-Type": media_type})
    town.works()
    assert town.has_begun("a")

    trap = b'<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><Bundle xmlns="http://hl7.org/fhir">&x;</Bundle>'
    assert town.sends("POST", "", trap, **{"Content-Type": media_type}).status_code == 400


@pytest.mark.parametrize("auth", ["header", "signature"])
def test_7_3_15_a_bad_secret_or_signature_is_refused_and_stores_nothing(auth) -> None:
    town = hospital(replace(DISCHARGES, auth=auth), "a")
    body = bundle(("1", "Encounter/a"))

    for proof in ("wrong", "address"):
        answer = town.sends("POST", "", body, proof=proof)
        assert answer.status_code == 401
        assert "secret" not in answer.text.lower()
    assert town.inbox.size() == 0
    tells(town, body, proof=auth)


def test_7_3_16_a_focus_on_a_foreign_host_is_not_fetched() -> None:
    """The trusted server is asked what changed instead, so that nothing is lost either."""
    town = hospital(DISCHARGES, "a")
    tells(town, bundle(("1", "https://elsewhere.example/fhir/Encounter/a")))
    [raw] = town.inbox.entries.values()
    seen = []

    class Watched(InMemoryRecord):
        def read(self, reference):
            seen.append(reference)
            return super().read(reference)

    watched = Watched(town.clock)
    watched._versions = town.record._versions
    town.work = replace(town.work, record=watched)
    town.work.take_in()

    assert not any("elsewhere" in reference for reference in seen)
    assert raw.body
    town.works()
    assert town.has_begun("a")


def test_7_3_17_a_redirect_from_the_server_is_refused_and_nothing_follows_it() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(307, headers={"Location": "https://elsewhere.example/fhir/Encounter/a"})

    with (
        FhirClient(BASE, transport=httpx.MockTransport(answer), auth=_Bearer()) as client,
        pytest.raises(RecordRefused, match="redirects elsewhere"),
    ):
        HttpFhirRecord(client, Capabilities()).read(Reference("Encounter/a"))
    assert asked == [f"{BASE}/Encounter/a"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"resourceType":"Binary","data":"' + b"A" * 6_000_000 + b'"}', 413),
        (b'{"resourceType":"Basic","extension":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'<Basic xmlns="http://hl7.org/fhir">' + b"<a>" * 100_000, 400),
        (b'{"resourceType":"Basic"', 400),
    ],
    ids=["six megabytes", "deep JSON", "deep XML", "cut off"],
)
def test_7_3_18_oversized_deep_and_broken_bodies_are_refused_and_hold_up_nobody(body, status) -> None:
    town = hospital(DISCHARGES, "a")

    answer = town.sends("POST", "", body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert town.inbox.size() == 0
    tells(town, bundle(("1", "Encounter/a")))
    town.works()
    assert town.has_begun("a")


@pytest.mark.parametrize("cut", ["taken", *range(1, 4)])
def test_7_3_19_a_crash_between_storing_and_finishing_loses_nothing_and_doubles_nothing(cut) -> None:
    town = hospital(DISCHARGES, "a")
    tells(town, bundle(("1", "Encounter/a")))

    def dies(number):
        if number == cut:
            raise CutOff

    town.record.writes, town.record.faults = 0, Faults(after=dies)
    with suppress(CutOff):
        # Killed with the notification in its hands, or in the middle of writing.
        town.inbox.take(10) if cut == "taken" else town.works()
    town.restart_worker()
    town.works()

    assert town.has_begun("a")
    assert wrong_with(town.record.everything()) == []
    assert town.inbox.size() == 0


@pytest.mark.parametrize(("status", "skip"), [(404, Skip.NOT_FOUND), (410, Skip.DELETED)], ids=["404", "410"])
def test_7_3_20_a_focus_that_is_gone_or_hidden_is_closed_and_its_neighbours_go_on(status, skip) -> None:
    town = hospital(DISCHARGES, "a", "b")
    if status == 410:
        town.record.delete(Reference("Encounter/b"))
    gone = "Encounter/b" if status == 410 else "Encounter/never"
    tells(town, bundle(("1", gone)))
    tells(town, bundle(("2", "Encounter/a")))
    town.works()

    assert town.has_begun("a")
    assert (town.inbox.size(), town.letters.list()) == (0, [])
    skipped = town.work.metrics.registry.get_sample_value(
        "throughline_changes_skipped_total", {"why": skip.name.lower().replace("_", " ")}
    )
    assert skipped == 1


def test_every_number_of_the_list_is_here_once() -> None:
    numbers = sorted(int(name.split("_")[3]) for name in globals() if name.startswith("test_7_3_"))

    assert numbers == list(range(1, 21))
