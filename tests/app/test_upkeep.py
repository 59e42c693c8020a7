"""Looking after our subscriptions: what vanished, was turned off or ends is asked for again, and what is deaf is said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.app.listening_report import Listening, listening
from service.app.subscription_secrets import canary_value, secret, token
from service.app.subscriptions import Subscriptions
from service.app.upkeep import Upkeep
from service.domain.vocabulary import Reference
from service.fhir.canary import HEARD, heard_with
from service.fhir.subscription_marks import LISTENING
from service.fhir.subscription_wanted import Flavour, Wanted
from service.flow.catch_up import CaughtUp
from service.flow.listen import Hearing
from service.flow.send_canary import Flight
from service.ports import NotInRecord, RecordRefused, RecordUnavailable, Resource
from tests.fakes import FakeWatermarks, ManualClock

KEY, OLD_KEY = b"an installation key", b"the key before it"
ENCOUNTERS = Wanted(name="encounters", criteria="Encounter?")
TOPIC = Wanted(
    name="discharges",
    flavour=Flavour.R4_BACKPORT,
    topic="http://example.org/t",
    watched=("Encounter",),
    heartbeat_seconds=60,
)
CANARY = Wanted(name="canary", criteria="Basic?", canary=True)
HOUR = timedelta(hours=1)


class Server(InMemoryRecord):
    """A record server that activates what it is given, unless told otherwise."""

    activates = True
    listing_fails: Exception | None = None

    def _store(self, reference, resource):
        if self.activates and resource.get("status") == "requested":
            resource = {**resource, "status": "active"}
        return super()._store(reference, resource)

    def search(self, search):
        if self.listing_fails is not None:
            raise self.listing_fails
        return super().search(search)

    def subscription(self) -> dict[str, Any]:
        [found] = [r for r in self.everything() if r["resourceType"] == "Subscription"]
        return dict(found)


class Asked:
    """What the server says when asked how a subscription stands."""

    def __init__(self) -> None:
        self.answer: Resource | Exception = NotInRecord("no such operation", status=404)
        self.asked: list[str] = []

    def status(self, subscription: Reference) -> Resource:
        self.asked.append(subscription)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def events(self, subscription: Reference, first: int, last: int) -> Resource:
        raise AssertionError("events are asked for while taking in")

    def capability_statement(self) -> Resource:
        raise AssertionError("nobody asks for it here")


class Site:
    def __init__(self, *wanted: Wanted, keys=(KEY,)) -> None:
        self.clock = ManualClock()
        self.server, self.marks, self.asked = Server(self.clock), FakeWatermarks(), Asked()
        self.upkeep = Upkeep(
            ours=Subscriptions(
                record=self.server,
                wanted=wanted or (ENCOUNTERS,),
                public_url="https://throughline.example",
                keys=keys,
                now=self.clock.now,
            ),
            server=self.asked,
            record=self.server,
            marks=self.marks,
            clock=self.clock,
            canary=canary_value(KEY),
            canary_every=timedelta(minutes=5),
            base_url="https://record.example/fhir",
        )

    def applied(self) -> Site:
        self.upkeep.ours.apply()
        return self

    def look(self, **later: float) -> Listening:
        self.clock.move(**later)
        return self.upkeep.look()

    def hears(self, name: str) -> None:
        self.marks.set(f"heard:{name}", self.clock.now().isoformat())

    def canary(self) -> dict[str, Any]:
        [found] = [r for r in self.server.everything() if r["resourceType"] == "Basic"]
        return dict(found)

    def becomes(self, status: str) -> None:
        self.server.put({**self.server.subscription(), "status": status})


def hearing(report: Listening) -> dict[str, Hearing]:
    return {name: heard.hearing for name, heard in report.subscriptions.items()}


def test_what_was_never_applied_is_left_to_whoever_applies_it() -> None:
    site = Site()

    assert hearing(site.look()) == {"encounters": Hearing.NOT_ASKED}
    assert hearing(site.look(hours=2)) == {"encounters": Hearing.NOT_ASKED}
    assert site.server.everything() == []


def test_all_is_well_while_it_is_there_and_active() -> None:
    site = Site().applied()
    report = site.look()

    assert (hearing(report), report.is_well, report.deaf) == ({"encounters": Hearing.NOT_YET}, True, ())
    writes = site.server.writes
    site.look(minutes=1)
    assert site.server.writes == writes


@pytest.mark.parametrize("status", ["off", "error"])
def test_one_that_was_turned_off_is_asked_for_again(status) -> None:
    site = Site().applied()
    site.look()
    site.becomes(status)

    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.NOT_ACTIVE}
    assert site.server.subscription()["status"] == "active"
    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.NOT_YET}


def test_one_that_vanished_is_made_anew() -> None:
    site = Site().applied()
    site.look()
    site.server.delete(Reference(f"Subscription/{site.server.subscription()['id']}"))

    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.GONE}
    assert site.server.subscription()["status"] == "active"
    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.NOT_YET}


def test_one_that_ends_is_renewed_well_before() -> None:
    site = Site(replace(ENCOUNTERS, end_days=30)).applied()
    site.look()
    first = site.server.subscription()["end"]
    site.look(days=20)
    assert site.server.subscription()["end"] == first

    site.look(days=4)
    assert first == "2026-04-05T23:30:00Z"
    assert site.server.subscription()["end"] == "2026-04-29T23:30:00Z"


def test_a_new_key_moves_it_to_its_new_address_and_secret_by_itself() -> None:
    site = Site(keys=(OLD_KEY,)).applied()
    site.look()
    ours = replace(site.upkeep.ours, keys=(KEY, OLD_KEY))
    replace(site.upkeep, ours=ours).look()

    channel = site.server.subscription()["channel"]
    assert channel["endpoint"].endswith(token(KEY, "encounters"))
    assert channel["header"] == [f"Authorization: Bearer {secret(KEY, 'encounters')}"]


def test_what_the_server_keeps_otherwise_is_left_to_people() -> None:
    site = Site().applied()
    site.look()
    kept = site.server.subscription()
    site.server.put({**kept, "criteria": "Encounter?status=finished"})
    writes = site.server.writes

    site.look(minutes=1)
    assert site.server.writes == writes


def test_what_does_not_help_is_tried_less_and_less_often() -> None:
    site = Site().applied()
    site.look()
    site.server.activates = False
    site.becomes("off")
    tries = []
    for minute in range(240):
        writes = site.server.writes
        site.look(minutes=1)
        if site.server.writes > writes:
            tries.append(minute)
            site.becomes("off")

    assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_once_it_is_well_the_next_trouble_is_mended_at_once_again() -> None:
    site = Site().applied()
    site.look()
    for _ in range(3):
        site.becomes("off")
        site.look(minutes=1)
        site.look(minutes=1)  # well again
        assert site.server.subscription()["status"] == "active"


def test_a_server_that_refuses_is_told_and_stops_nothing(caplog) -> None:
    site = Site().applied()
    site.look()
    site.becomes("off")

    def refuses(write):
        raise RecordRefused("PUT Subscription: the FHIR server does not let us (403).", status=403)

    site.server.update = refuses  # type: ignore[method-assign]
    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.NOT_ACTIVE}
    assert "encounters could not be mended" in caplog.text


def test_a_server_that_cannot_be_listed_is_the_problem_that_is_told() -> None:
    site = Site().applied()
    site.server.listing_fails = RecordUnavailable("GET Subscription?: no answer.")
    report = site.look()

    assert (report.problem, report.is_well) == ("GET Subscription?: no answer.", False)
    assert listening(site.marks.get(LISTENING)) == report


# --- topics that are silent


def status_of(*, since, errors=()):
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "query-status",
        "status": "active",
        "eventsSinceSubscriptionStart": str(since),
        "error": [{"coding": [{"code": code}]} for code in errors],
    }
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": status}]}


def test_where_a_heartbeat_is_missed_the_server_is_asked_and_what_it_counts_is_missed() -> None:
    site = Site(TOPIC).applied()
    site.look()
    site.hears("discharges")
    site.marks.set("events:discharges", "21")
    site.asked.answer = status_of(since=23)

    assert hearing(site.look(seconds=140)) == {"discharges": Hearing.HEARD}
    assert site.asked.asked == []
    assert hearing(site.look(seconds=20)) == {"discharges": Hearing.HEARTBEAT_MISSED}
    assert json.loads(site.marks.get("missing:discharges") or "")[0][:2] == [22, 23]
    assert site.asked.asked == [f"Subscription/{site.server.subscription()['id']}"]


def test_errors_that_the_server_tells_when_asked_are_remembered_until_it_tells_none() -> None:
    site = Site(TOPIC).applied()
    site.look()
    site.asked.answer = status_of(since=0, errors=["no-response"])
    site.look(minutes=5)
    site.hears("discharges")
    assert hearing(site.look(seconds=1)) == {"discharges": Hearing.FAILING}

    site.asked.answer = status_of(since=0)
    site.look(seconds=1)
    assert hearing(site.look(seconds=1)) == {"discharges": Hearing.HEARD}


@pytest.mark.parametrize("answer", [NotInRecord("none", status=404), {"resourceType": "Patient"}, RecordUnavailable("down")])  # fmt: skip
def test_a_server_that_does_not_say_how_it_stands_is_no_crash(answer) -> None:
    site = Site(TOPIC).applied()
    site.look()
    site.asked.answer = answer

    assert hearing(site.look(minutes=10)) == {"discharges": Hearing.HEARTBEAT_MISSED}


# --- silence


def test_changes_that_the_sweep_sees_and_nobody_tells_are_silence() -> None:
    site = Site().applied()
    site.look()
    site.clock.move(minutes=30)
    site.upkeep.saw(CaughtUp(newest={"Encounter": site.clock.now()}))
    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.NOT_YET}

    report = site.look(minutes=5)
    assert hearing(report) == {"encounters": Hearing.SILENT}
    assert report.deaf == ("encounters",)
    site.hears("encounters")
    assert hearing(site.look(minutes=1)) == {"encounters": Hearing.HEARD}


# --- the canary


def test_the_canary_flies_while_its_subscription_is_active() -> None:
    site = Site(ENCOUNTERS, CANARY)
    assert site.look().canary.flight is Flight.OFF
    site.applied()
    assert site.look(minutes=1).canary.flight is Flight.AWAY
    site.marks.set(HEARD, heard_with(None, "1", site.clock.now()))
    assert site.look(seconds=30).canary.flight is Flight.BACK
    assert site.upkeep.canaries == {"canary"}


def test_a_canary_that_does_not_come_back_is_said_whatever_the_server_says(caplog) -> None:
    site = Site(ENCOUNTERS, CANARY).applied()
    site.look()
    report = site.look(minutes=3)

    assert hearing(report)["canary"] is Hearing.NOT_YET
    assert (report.canary.flight, report.is_well, report.deaf) == (Flight.LOST, False, ())
    assert site.look(minutes=1).canary.flight is Flight.LOST
    version = site.canary()["meta"]["versionId"]
    site.marks.set(HEARD, heard_with(None, version, site.clock.now()))
    assert site.look(minutes=1).is_well
    said = [r.getMessage() for r in caplog.records if "canary" in r.getMessage()]
    assert said == [
        "the canary is lost: none has come back for 3 minutes: the server's notifications do not arrive here"
    ]


def test_no_canary_is_sent_where_none_is_wanted() -> None:
    site = Site(ENCOUNTERS, CANARY).applied()
    replace(site.upkeep, canary_every=timedelta()).look()

    assert [r for r in site.server.everything() if r["resourceType"] == "Basic"] == []


# --- telling


def test_only_changes_are_logged(caplog) -> None:
    site = Site().applied()
    caplog.set_level("INFO")
    site.look()
    site.server.activates = False
    site.becomes("error")
    for _ in range(5):
        site.look(minutes=1)
    site.becomes("active")
    site.look(minutes=1)

    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("subscription ")]
    assert said == [
        "subscription encounters is not active (the server has it as error; no notification has come yet)",
        "subscription encounters is not heard yet (no notification has come yet)",
    ]


def test_what_is_not_asked_for_is_one_line_once(caplog) -> None:
    caplog.set_level("INFO")
    site = Site(ENCOUNTERS, CANARY)
    site.look()
    site.look(minutes=1)

    assert [r.getMessage() for r in caplog.records] == [
        "2 subscriptions are not on the server: throughline subscriptions apply"
    ]


def test_nothing_that_is_told_shows_a_token_or_a_secret(caplog) -> None:
    caplog.set_level("DEBUG")
    site = Site(ENCOUNTERS, CANARY).applied()
    site.look()
    site.look(hours=1)

    shown = caplog.text + repr(site.marks.marks) + repr(site.upkeep)
    for name in ("encounters", "canary"):
        assert token(KEY, name) not in shown
        assert secret(KEY, name) not in shown
