"""What a worker does with each kind of failure: later, parked for a person, or ours to fix; nobody is forgotten."""

from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry

from service.adapters.memory_record import InMemoryRecord
from service.app.after_catch_up import AfterCatchUp
from service.app.later import LONGEST_PAUSE, PARKED_AGAIN_AFTER, letter_id, pause_after, why_to_park
from service.app.metrics import WorkMetrics
from service.app.practice import watched
from service.app.sender_silence import last_heard
from service.app.work import FAULT_TRIES, LOOKS, REFUSED_TRIES, Work
from service.domain.owners import NoAccountablePerson
from service.domain.vocabulary import PathwayId, Reference, RoleId
from service.fhir import systems
from service.fhir.read import Catalogue
from service.flow.catch_up import FAILED, CaughtUp
from service.flow.practice import Practice
from service.flow.reconcile import Reconciled
from service.ports import InboxUnavailable, RawNotification, RecordRefused, RecordUnavailable, Written
from tests.fakes import (
    HOUSE_NOW,
    FakeDeadLetters,
    FakeDoorbell,
    FakeEchoes,
    FakeInbox,
    FakeWatermarks,
    FakeWorkIndex,
    ManualClock,
)

ANA = Reference("Patient/ana")


class Bell(FakeDoorbell):
    """Also counts answers, like the real one."""

    inbox_answers = 0
    catch_up_answers = 0

    def answer_inbox(self):
        self.inbox_answers += 1

    def catch_up_has_begun(self):
        self.begun = True

    def answer_catch_up(self):
        self.catch_up_answers += 1


class Broken(InMemoryRecord):
    """A record that fails every search with `failure`."""

    failure: Exception

    def search(self, search):
        raise self.failure


@pytest.fixture
def work():
    clock = ManualClock()
    record = InMemoryRecord(clock)
    record.put({"resourceType": "Patient", "id": "ana"})
    return Work(
        inbox=FakeInbox(),
        index=FakeWorkIndex(),
        record=record,
        dead_letters=FakeDeadLetters(),
        watermarks=FakeWatermarks(),
        echoes=FakeEchoes(),
        doorbell=Bell(),
        clock=clock,
        practice=Practice(
            pathways={},
            catalogue=Catalogue(zone=ZoneInfo("America/Denver"), base_url="http://fhir.test"),
            types=frozenset({"Encounter", "PractitionerRole"}),
        ),
        begins=frozenset({"Encounter"}),
        directory=lambda: (),
        metrics=WorkMetrics(CollectorRegistry()),
        monotonic=lambda: 0.0,
    )


def breaks(work, failure):
    record = Broken(work.clock)
    record.failure = failure
    return replace(work, record=record)


def attempt(work):
    """Wake, claim and reconcile Ana once; as if whatever kept her closed had ended."""
    work.index.claimed.clear()
    work.index.wake([ANA], work.clock.now())
    [claim] = work.index.claim(work.clock.now(), 1)
    work.reconcile_person(claim.person, claim.token)


def counted(work, name, **labels):
    return work.metrics.registry.get_sample_value(f"throughline_{name}_total", labels)


def test_a_person_is_given_back_when_all_is_well(work):
    attempt(work)
    assert work.index.size() == 0
    assert work.index.claimed == {}


def test_a_stale_message_touches_nothing_and_is_counted(work):
    broken = breaks(work, AssertionError("the record was read"))
    broken.reconcile_person(ANA, "long gone")
    assert counted(work, "stale_claims") == 1


def test_a_record_that_does_not_answer_is_tried_again_for_ever_and_parks_nobody(work):
    down = breaks(work, RecordUnavailable("no answer"))
    for _ in range(20):
        attempt(down)
    assert work.dead_letters.list() == []
    assert work.index.failures(ANA) == 20
    assert timedelta(minutes=2.5) <= work.index.backed_off[ANA] <= timedelta(minutes=5)
    assert counted(work, "reconcile_failures", kind="unavailable") == 20


def test_a_refusal_is_parked_after_three_tries_and_tried_again_hourly(work):
    refused = breaks(work, RecordRefused("GET Task?: the server refused. Check the account.", status=403))
    for _ in range(REFUSED_TRIES - 1):
        attempt(refused)
    assert work.dead_letters.list() == []
    attempt(refused)
    [letter] = work.dead_letters.list()
    assert (letter.kind, letter.subject) == ("person", ANA)
    assert letter.reason == (
        "The record server refused (HTTP 403): GET Task?: the server refused. Check the account."
    )
    assert work.index.due[ANA] == HOUSE_NOW + PARKED_AGAIN_AFTER


def test_a_fault_of_ours_is_parked_after_five_tries_with_its_type_and_place_and_no_values(work, caplog):
    faulty = breaks(work, ZeroDivisionError("Ana Secret"))
    for _ in range(FAULT_TRIES):
        attempt(faulty)
    [letter] = work.dead_letters.list()
    assert letter.reason.startswith("Throughline itself failed (ZeroDivisionError at ")
    assert "Ana" not in letter.reason
    assert work.index.due[ANA] == HOUSE_NOW + PARKED_AGAIN_AFTER
    assert counted(work, "reconcile_failures", kind="fault") == FAULT_TRIES


def test_a_parked_person_whose_record_is_accepted_again_leaves_no_letter_behind(work):
    refused = breaks(work, RecordRefused("no", status=403))
    for _ in range(REFUSED_TRIES):
        attempt(refused)
    attempt(work)
    assert work.dead_letters.list() == []


def test_nobody_to_own_the_work_is_parked_at_once_in_words_that_say_what_to_set(work):
    attempt(breaks(work, NoAccountablePerson(RoleId("case-manager"))))
    [letter] = work.dead_letters.list()
    assert "set THROUGHLINE_ACCOUNTABLE_PRACTITIONER to the Practitioner" in letter.reason
    assert work.index.due[ANA] == HOUSE_NOW + PARKED_AGAIN_AFTER


def an_enrolment_without_its_stage():
    return {
        "resourceType": "CarePlan",
        "id": "stripped",
        "status": "active",
        "intent": "plan",
        "category": [{"coding": [{"system": systems.PLAN_CATEGORY, "code": "pathway"}]}],
        "identifier": [{"system": systems.ENROLMENT, "value": "after-a-stay/Encounter/1"}],
        "subject": {"reference": ANA},
    }


def test_what_we_wrote_and_cannot_read_any_more_is_parked_and_looked_at_hourly(work):
    work.record.put(an_enrolment_without_its_stage())
    attempt(work)
    [letter] = work.dead_letters.list()
    assert letter.reason.startswith("1 resource(s) that Throughline wrote cannot be understood any more")
    assert work.index.due[ANA] == HOUSE_NOW + PARKED_AGAIN_AFTER
    assert counted(work, "reconcile_failures", kind="broken") == 1


def test_once_it_is_put_right_the_letter_is_gone(work):
    work.record.put(an_enrolment_without_its_stage())
    attempt(work)
    work.record.put({**an_enrolment_without_its_stage(), "status": "entered-in-error", "identifier": []})
    attempt(work)
    assert work.dead_letters.list() == []


def test_what_is_parked_is_counted_by_what_it_is(work):
    attempt(breaks(work, NoAccountablePerson(RoleId("case-manager"))))
    assert counted(work, "parked", kind="person") == 1


def test_how_late_work_begins_is_measured(work):
    work.index.wake([ANA], work.clock.now() - timedelta(seconds=7))
    [claim] = work.index.claim(work.clock.now(), 1)
    work.reconcile_person(claim.person, claim.token)
    value = work.metrics.registry.get_sample_value
    assert value("throughline_due_lateness_seconds_sum") == 7


def test_how_a_person_stands_is_told_once_nothing_is_left_to_write_and_work_is_put_around(work):
    told, around = [], []

    @contextmanager
    def span(person):
        around.append(person)
        yield

    attempt(replace(work, tallied=lambda person, seen: told.append((person, seen.person)), around=span))
    assert told == [(ANA, ANA)]
    assert around == [ANA]


def test_the_trace_of_a_notification_is_noted_before_its_person_is_rung_for(work):
    noted = []
    work.inbox.append(replace(a_notification("Patient/ana"), headers={"traceparent": "00-first"}))

    def trail(people, headers):
        assert not work.index.woken
        noted.append((list(people), dict(headers)))

    replace(work, trail=trail).take_in()
    assert noted == [([ANA], {"traceparent": "00-first"})]
    assert work.index.woken


def an_enrolment(version):
    canonical = systems.plan_definition(PathwayId("after-a-stay"), version)
    return {
        **an_enrolment_without_its_stage(),
        "instantiatesCanonical": [canonical],
        "period": {"start": "2026-03-06T16:00:00-07:00"},
        "extension": [{"url": systems.STAGE, "valueCode": "received"}],
    }


def test_somebody_on_a_version_that_is_not_kept_is_parked_with_what_to_do(work):
    work.record.put(an_enrolment("2026.1.0"))
    attempt(work)
    [letter] = work.dead_letters.list()
    assert letter.reason == (
        "This person is on version 2026.1.0 of after-a-stay, which the mappings folder does not have, so nothing of it"
        " is followed up. Put the file back as mappings/pathways/<id>/versions/<version>.yaml with its line in SHA256SUMS"
        " (see `throughline pathways check`) and start the workers again."
    )
    assert work.index.due[ANA] == HOUSE_NOW + PARKED_AGAIN_AFTER
    assert counted(work, "reconcile_failures", kind="no version") == 1


def test_what_is_broken_and_what_is_not_followed_stand_in_one_letter():
    reason = why_to_park(2, ("after-discharge", "step-up 2026.2.0"))
    assert reason.startswith("2 resource(s) that Throughline wrote cannot be understood any more")
    assert "This person is on after-discharge and version 2026.2.0 of step-up, which" in reason
    assert why_to_park(0, ()) == ""


def test_the_name_of_a_letter_says_nothing_about_the_person():
    assert letter_id(ANA) == letter_id(ANA)
    assert "ana" not in letter_id(ANA)


def test_pauses_grow_from_two_seconds_to_five_minutes_and_are_spread():
    tokens = [str(n) for n in range(200)]
    firsts = [pause_after(1, token) for token in tokens]
    assert timedelta(seconds=1) <= min(firsts) < max(firsts) <= timedelta(seconds=2)
    assert max(pause_after(4, token) for token in tokens) <= timedelta(seconds=16)
    lasts = [pause_after(500, token) for token in tokens]
    assert timedelta(minutes=2.5) <= min(lasts) < max(lasts) <= timedelta(minutes=5)


def test_a_record_with_nothing_to_write_is_looked_at_once(work):
    looks = []

    class Watched(InMemoryRecord):
        def search_all(self, searches):
            looks.append(1)
            return super().search_all(searches)

    record = Watched(work.clock)
    record.put({"resourceType": "Patient", "id": "ana"})
    attempt(replace(work, record=record))
    assert len(looks) == 1


class Restless(Work):
    """Finds something to write at every look, and always the same."""

    def _look(self, person):
        version = str(int(self.monotonic()))
        written = Written(reference=Reference("CarePlan/1"), version=version, created=False)
        return Reconciled(next_due_at=HOUSE_NOW + timedelta(days=1), written=(written,))


def test_a_record_that_never_settles_is_left_alone_for_a_pause_and_its_echoes_wake_nobody(work):
    looks = count(1)
    parts = {each.name: getattr(work, each.name) for each in fields(work)}
    attempt(Restless(**{**parts, "monotonic": lambda: float(next(looks))}))
    last = next(looks) - 1
    assert last == LOOKS + 1
    assert work.echoes.ours({("CarePlan/1", str(last))})
    assert work.index.due[ANA] == HOUSE_NOW + LONGEST_PAUSE


# --- the inbox


def a_notification(reference):
    return RawNotification(
        subscription="adt", method="PUT", path=reference, content_type="application/fhir+json", body=b""
    )


def test_the_inbox_is_drained_the_bell_answered_first_and_people_rung_for(work):
    for _ in range(3):
        work.inbox.append(a_notification("Patient/ana"))
    work.take_in()
    assert work.inbox.size() == 0
    assert work.doorbell.inbox_answers == 1
    assert [claim.person for claim in work.doorbell.people] == [ANA]
    assert counted(work, "taken_in", outcome="understood") == 3


def test_a_long_drain_makes_room_for_others_and_rings_again(work):
    ticks = iter(range(0, 10_000, 100))
    slow = replace(work, monotonic=lambda: float(next(ticks)))
    slow.inbox.append(a_notification("Patient/ana"))
    slow.take_in()
    assert work.doorbell.mail == 1


def test_an_inbox_that_does_not_answer_is_no_crash(work):
    work.inbox.fails = True
    work.take_in()


def test_an_index_that_does_not_answer_is_no_crash(work):
    class Gone(FakeWorkIndex):
        def begin(self, claim):
            raise InboxUnavailable("no")

    replace(work, index=Gone()).reconcile_person(ANA, "1")


# --- catching up


def test_a_catch_up_wakes_rings_and_answers_its_bell(work):
    work.record.put({"resourceType": "Encounter", "id": "1", "subject": {"reference": "Patient/ana"}})
    work.catch_up()
    assert [claim.person for claim in work.doorbell.people] == [ANA]
    assert work.doorbell.catch_up_answers == 1
    assert counted(work, "catch_ups", outcome="rebuilt") == 1


def test_a_catch_up_that_fails_answers_its_bell_too(work):
    breaks(work, RecordUnavailable("no answer")).catch_up()
    assert work.doorbell.catch_up_answers == 1
    assert counted(work, "catch_ups", outcome="failed") == 1


def test_a_catch_up_that_failed_leaves_a_mark_until_one_ends_well(work):
    breaks(work, RecordUnavailable("no answer")).catch_up()
    assert work.watermarks.get(FAILED) == HOUSE_NOW.isoformat()
    work.catch_up()
    assert work.watermarks.get(FAILED) == ""


def test_what_the_record_told_is_passed_on_each_time_it_was_read_and_the_rest_after_a_catch_up(work):
    read: list[CaughtUp] = []
    after: list[CaughtUp] = []
    noting = replace(work, after_reading=read.append, after_catch_up=after.append)
    noting.inbox.append(
        RawNotification(subscription="adt", method="POST", path="", content_type="", body=b"")
    )  # an empty one: only reading the record helps
    noting.take_in()
    assert (len(read), len(after)) == (1, 0)
    noting.catch_up()
    assert (len(read), len(after)) == (2, 1)


def test_lost_events_are_asked_for_and_counted(work):
    work.record.put({"resourceType": "Encounter", "id": "1", "subject": {"reference": "Patient/ana"}})
    work.watermarks.set("missing:adt", f'[[7, 7, "{(HOUSE_NOW - timedelta(minutes=1)).isoformat()}"]]')
    work.watermarks.set("gaps", f'{{"adt": "{HOUSE_NOW.isoformat()}"}}')
    work.watermarks.set("events:adt", "8")
    work.watermarks.set("known:adt", "Subscription/1")
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "query-event",
        "notificationEvent": [{"eventNumber": "7", "focus": {"reference": "Encounter/1"}}],
    }
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
    replace(work, events=lambda _subscription, _first, _last: bundle).take_in()
    assert [claim.person for claim in work.doorbell.people] == [ANA]
    assert counted(work, "recovered_events") == 1


def test_whoever_was_missed_is_found_by_the_count_and_counted(work):
    class Missed:
        missed, enrolled, pending, expected = ("a",), (), (), 1
        woken = frozenset({ANA})

    after = AfterCatchUp(
        record=work.record,
        index=work.index,
        marks=work.watermarks,
        clock=work.clock,
        practice=work.practice,
        directory=lambda: (),
        metrics=work.metrics,
        population_every=timedelta(minutes=15),
        lookback=timedelta(days=30),
        count=lambda *_args, **_options: {"after": Missed()},
    )
    after(CaughtUp())
    assert work.index.people() == {ANA}
    assert counted(work, "population_missed") == 1
    after(CaughtUp())
    assert counted(work, "population_missed") == 1  # its time has not come again
    work.clock.move(minutes=15)
    after(CaughtUp())
    assert counted(work, "population_missed") == 2


def test_a_population_that_cannot_be_counted_keeps_nothing_else_from_being_done(work):
    looked: list[int] = []

    def refuses(*_args, **_options):
        raise RecordRefused("no", status=403)

    after = AfterCatchUp(
        record=work.record, index=work.index, marks=work.watermarks, clock=work.clock, practice=work.practice,
        directory=lambda: (), metrics=work.metrics, population_every=timedelta(0),
        lookback=timedelta(days=30), upkeep=lambda: looked.append(1), count=refuses, senders=["general"],
    )  # fmt: skip
    after(CaughtUp())
    assert looked == [1]
    assert last_heard(work.watermarks) == {"general": work.clock.now()}


def test_what_is_about_the_site_and_not_about_people_is_not_watched(work):
    assert watched(work.practice) == {"Encounter", "Patient", "CarePlan", "Task", "Communication", "CareTeam"}
